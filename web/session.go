package web

import (
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/ulule/limiter/v3"
	redisstore "github.com/ulule/limiter/v3/drivers/store/redis"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/identity"
	"github.com/ropeline/ropeline/internal/redisdb"
)

// loginRate is how often one address may try to sign in.
var loginRate = limiter.Rate{Period: time.Minute, Limit: 10}

const accountKey = "ropeline.account"

func newLoginLimit(r *redisdb.Clients) (*limiter.Limiter, error) {
	store, err := redisstore.NewStoreWithOptions(r.Write, limiter.StoreOptions{Prefix: "ropeline:login"})
	if err != nil {
		return nil, err
	}
	return limiter.New(store, loginRate), nil
}

// login: POST /admin/login, with a form or JSON. When the count of attempts
// cannot be kept, nobody signs in.
func (s *Server) login(c *gin.Context) error {
	attempts, err := s.loginLimit.Get(c.Request.Context(), addressKey(c.ClientIP()))
	if err != nil {
		return ropeline.Unavailable(err)
	}
	if attempts.Reached {
		return &ropeline.Error{Code: ropeline.CodeRateLimited, Message: "Too many attempts to sign in. Wait a minute.",
			RetryAfter: time.Until(time.Unix(attempts.Reset, 0))}
	}
	var body struct {
		Email    string `json:"email"`
		Password string `json:"password"`
	}
	form := isForm(c.Request)
	if form {
		body.Email, body.Password = c.PostForm("email"), c.PostForm("password")
	} else if err := readJSON(c, &body); err != nil {
		return err
	}
	token, account, err := s.accounts.Login(c.Request.Context(), body.Email, body.Password)
	if form && ropeline.CodeOf(err) == ropeline.CodeUnauthenticated && err != nil {
		return s.wrongLogin(c, body.Email, err)
	}
	if err != nil {
		return err
	}
	s.setCookie(c, s.sessionCookie(), token, "/", identity.SessionLife)
	if form {
		c.Redirect(http.StatusSeeOther, ownPath(c.PostForm("next")))
		return nil
	}
	c.JSON(http.StatusOK, gin.H{"email": account.Email, "role": account.Role})
	return nil
}

// logout: POST /admin/logout.
func (s *Server) logout(c *gin.Context) error {
	if cookie, err := c.Request.Cookie(s.sessionCookie()); err == nil {
		if err := s.accounts.Logout(c.Request.Context(), cookie.Value); err != nil {
			return err
		}
	}
	s.dropCookie(c, s.sessionCookie(), "/")
	if isForm(c.Request) {
		c.Redirect(http.StatusSeeOther, "/admin/login")
		return nil
	}
	c.Status(http.StatusNoContent)
	return nil
}

// organizersOnly lets signed-in organizers through; a browser is sent to the
// sign-in page.
func (s *Server) organizersOnly(c *gin.Context) {
	account, err := s.signedIn(c)
	switch {
	case err == nil:
		c.Set(accountKey, account)
		c.Next()
	case ropeline.CodeOf(err) == ropeline.CodeUnauthenticated && c.Request.Method == http.MethodGet && wantsPage(c.Request):
		c.Redirect(http.StatusSeeOther, "/admin/login")
		c.Abort()
	default:
		s.fail(c, err)
	}
}

func (s *Server) signedIn(c *gin.Context) (identity.Account, error) {
	cookie, err := c.Request.Cookie(s.sessionCookie())
	if err != nil {
		return identity.Account{}, ropeline.Errorf(ropeline.CodeUnauthenticated, "Sign in first.")
	}
	return s.accounts.Session(c.Request.Context(), cookie.Value)
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

// ownPath is where a form leads afterwards: a path of the organizer's pages,
// and nowhere else.
func ownPath(next string) string {
	if strings.HasPrefix(next, "/admin/") && !strings.ContainsAny(next, "\\\r\n") {
		return next
	}
	return "/admin"
}
