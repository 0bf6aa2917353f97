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

type loginBody struct {
	Email    string `json:"email"`
	Password string `json:"password"`
	Code     string `json:"code"` // of the second factor, where there is one
	Half     string `json:"-"`    // of a form that asks for the code
}

type loggedInView struct {
	Email string `json:"email"`
}

// logIn checks a log-in's attempt and opens a session: the old one ends, so
// that a session planted before does not become the account's.
func (s *Server) logIn(c *gin.Context, body loginBody) (token string, account identity.Account, ends time.Time, err error) {
	if err := s.maySignIn(); err != nil {
		return "", account, ends, err
	}
	half := body.Half
	if half == "" {
		if err := s.mayTry(c, s.attempts.fromAddress, s.attempts.toEmail, body.Email); err != nil {
			return "", account, ends, err
		}
		token, account, ends, err = s.accounts.Login(c.Request.Context(), body.Email, body.Password, "", c.Request.UserAgent())
		half = token
	}
	if body.Half != "" || body.Code != "" && ropeline.CodeOf(err) == ropeline.CodeTOTPNeeded {
		if err := s.mayGuess(c, half); err != nil {
			return "", account, ends, err
		}
		token, account, ends, err = s.accounts.LoginHalf(c.Request.Context(), half, body.Code, c.Request.UserAgent())
	}
	if err != nil {
		return token, account, ends, err // with totp_needed, the token is for codeForm
	}
	return token, account, ends, s.keepSession(c, token, ends)
}

// mayGuess counts a code that comes with the first half of a log-in, against
// the account that this half is of.
func (s *Server) mayGuess(c *gin.Context, half string) error {
	email, err := s.accounts.HalfEmail(half)
	if err != nil {
		return err
	}
	return s.mayTry(c, s.attempts.fromAddress, s.attempts.codesTo, email)
}

// keepSession hands a new session to the browser, and ends the one it had.
func (s *Server) keepSession(c *gin.Context, token string, ends time.Time) error {
	if old, err := c.Request.Cookie(s.cookieName(cookieSession)); err == nil && identity.IsSession(old.Value) {
		if err := s.accounts.Logout(c.Request.Context(), old.Value); err != nil {
			return err
		}
	}
	s.setCookie(c, cookieSession, token, time.Until(ends))
	return nil
}

// login: POST /admin/login, with a form or JSON.
func (s *Server) login(c *gin.Context) error {
	var body loginBody
	form := isForm(c.Request)
	if form {
		body = postedLogin(c)
	} else if err := readJSON(c, &body); err != nil {
		return err
	}
	half, account, _, err := s.logIn(c, body)
	if form && ropeline.CodeOf(err) == ropeline.CodeUnauthenticated && err != nil {
		return s.wrongLogin(c, body.Email, err)
	}
	if form && ropeline.CodeOf(err) == ropeline.CodeTOTPNeeded && err != nil {
		return s.form(c, codeForm("/admin/login", half, c.PostForm("next")), nil)
	}
	if err != nil {
		return err
	}
	if form {
		c.Redirect(http.StatusSeeOther, ownPath(c.PostForm("next")))
		return nil
	}
	c.JSON(http.StatusOK, loggedInView{Email: account.Email})
	return nil
}

func postedLogin(c *gin.Context) loginBody {
	return loginBody{Email: c.PostForm("email"), Password: c.PostForm("password"), Code: c.PostForm("code"), Half: c.PostForm("half")}
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
	s.dropCookie(c, cookieSession)
	return nil
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
	cookie, err := c.Request.Cookie(s.cookieName(cookieSession))
	if err != nil {
		return "", false
	}
	return cookie.Value, true
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
