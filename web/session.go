package web

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/identity"
)

const accountKey = "ropeline.account"

type loginBody struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

// logIn checks a log-in's attempt and opens a session: the old one ends, so
// that a session planted before does not become the account's.
func (s *Server) logIn(c *gin.Context, body loginBody) (token string, account identity.Account, ends time.Time, err error) {
	if err := s.maySignIn(); err != nil {
		return "", account, ends, err
	}
	if err := mayTry(c, s.attempts.fromAddress, s.attempts.toEmail, body.Email); err != nil {
		return "", account, ends, err
	}
	token, account, ends, err = s.accounts.Login(c.Request.Context(), body.Email, body.Password, c.Request.UserAgent())
	if err != nil {
		return "", account, ends, err
	}
	return token, account, ends, s.keepSession(c, token, ends)
}

// keepSession hands a new session to the browser, and ends the one it had.
func (s *Server) keepSession(c *gin.Context, token string, ends time.Time) error {
	if old, err := c.Request.Cookie(s.sessionCookie()); err == nil && identity.IsSession(old.Value) {
		if err := s.accounts.Logout(c.Request.Context(), old.Value); err != nil {
			return err
		}
	}
	s.setCookie(c, s.sessionCookie(), token, "/", time.Until(ends))
	return nil
}

// login: POST /admin/login, with a form or JSON.
func (s *Server) login(c *gin.Context) error {
	var body loginBody
	form := isForm(c.Request)
	if form {
		body.Email, body.Password = c.PostForm("email"), c.PostForm("password")
	} else if err := readJSON(c, &body); err != nil {
		return err
	}
	_, account, _, err := s.logIn(c, body)
	if form && ropeline.CodeOf(err) == ropeline.CodeUnauthenticated && err != nil {
		return s.wrongLogin(c, body.Email, err)
	}
	if err != nil {
		return err
	}
	if form {
		c.Redirect(http.StatusSeeOther, ownPath(c.PostForm("next")))
		return nil
	}
	c.JSON(http.StatusOK, gin.H{"email": account.Email, "role": account.Role})
	return nil
}

// logout: POST /admin/logout.
func (s *Server) logout(c *gin.Context) error {
	if err := s.endSession(c); err != nil {
		return err
	}
	if isForm(c.Request) {
		c.Redirect(http.StatusSeeOther, "/admin/login")
		return nil
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (s *Server) endSession(c *gin.Context) error {
	if token, found := s.sessionToken(c); found {
		if err := s.accounts.Logout(c.Request.Context(), token); err != nil {
			return err
		}
	}
	s.dropCookie(c, s.sessionCookie(), "/")
	return nil
}

// organizersOnly lets signed-in organizers through; a browser is sent to the
// sign-in page.
func (s *Server) organizersOnly(c *gin.Context) {
	account, err := s.signedIn(c)
	if err == nil && account.Role == "fan" {
		err = ropeline.Errorf(ropeline.CodeForbidden, "This account organizes nothing here.")
	}
	switch {
	case err == nil:
		c.Set(accountKey, account)
		c.Next()
	case ropeline.CodeOf(err) == ropeline.CodeUnauthenticated && c.Request.Method == http.MethodGet && wantsPage(c.Request):
		to := "/admin/login"
		if c.Request.URL.Path != "/admin" {
			to += "?next=" + url.QueryEscape(c.Request.URL.Path)
		}
		c.Redirect(http.StatusSeeOther, to)
		c.Abort()
	default:
		s.fail(c, err)
	}
}

// signedIn finds whose session comes with the request, and that it has not
// been ended; code unauthenticated.
func (s *Server) signedIn(c *gin.Context) (identity.Account, error) {
	token, found := s.sessionToken(c)
	if !found {
		return identity.Account{}, ropeline.Errorf(ropeline.CodeUnauthenticated, "Log in first.")
	}
	return s.accounts.Session(c.Request.Context(), token)
}

// sessionToken is the session that the request shows: in the header, or in the
// cookie of a browser.
func (s *Server) sessionToken(c *gin.Context) (string, bool) {
	if token, ok := bearer(c.Request); ok {
		return token, identity.IsSession(token)
	}
	cookie, err := c.Request.Cookie(s.sessionCookie())
	if err != nil {
		return "", false
	}
	return cookie.Value, true
}

// account is who passed organizersOnly.
func account(c *gin.Context) identity.Account {
	return c.MustGet(accountKey).(identity.Account)
}

// sessionCookie has the __Host- prefix wherever cookies are Secure.
func (s *Server) sessionCookie() string {
	if s.secure {
		return "__Host-" + cookieSession
	}
	return cookieSession
}

// maySignIn refuses passwords where everybody on the way could read them: a
// site that fans reach over http, except on the machine itself.
func (s *Server) maySignIn() error {
	if s.secure || s.loopback {
		return nil
	}
	return ropeline.Errorf(ropeline.CodeForbidden, "Logging in needs https: set ROPELINE_PUBLIC_URL to the address behind TLS.")
}

// isLoopback tells whether a URL leads to the machine itself, or to no address
// in particular, which is where somebody tries things out.
func isLoopback(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil {
		return false
	}
	host := u.Hostname()
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && (addr.Unmap().IsLoopback() || addr.IsUnspecified())
}

// ownPath is where a form leads afterwards: a path of the organizer's pages,
// and nowhere else.
func ownPath(next string) string {
	if strings.HasPrefix(next, "/admin/") && isPath(next) {
		return next
	}
	return "/admin"
}

// fanPath is the same for fans.
func fanPath(next string) string {
	if strings.HasPrefix(next, "/") && !strings.HasPrefix(next, "//") && isPath(next) {
		return next
	}
	return "/account"
}

func isPath(s string) bool { return !strings.ContainsAny(s, "\\\r\n\t") && len(s) < 500 }
