package web

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/identity"
)

// sessionView is a log-in as the API shows it. The token is there once.
type sessionView struct {
	Token     string      `json:"token,omitempty"`
	ExpiresAt time.Time   `json:"expires_at"`
	Account   accountView `json:"account"`
}

type accountView struct {
	ID    ropeline.AccountID `json:"id"`
	Email string             `json:"email"`
}

// emailBody is an address to send a link to.
type emailBody struct {
	Email string `json:"email"`
}

type sentView struct {
	Sent bool `json:"sent"`
}

// newPasswordBody is a password with the token of the link that allows it.
type newPasswordBody struct {
	Token    string `json:"token"`
	Password string `json:"password"`
}

type devicesView struct {
	Account  accountView  `json:"account"`
	Sessions []deviceView `json:"sessions"`
}

type deviceView struct {
	ID        string    `json:"id"`
	Device    string    `json:"device"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	Current   bool      `json:"current"` // it is the one that asks
}

func viewAccount(a identity.Account) accountView { return accountView{a.ID, a.Email} }

// register: POST /accounts and POST /accounts/reset. Both send a link to the
// address: to make its account, or a new password for the one it has. The
// answer is the same for every address.
func (s *Server) register(c *gin.Context) error {
	var body emailBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	if err := s.sendLink(c, body.Email); err != nil {
		return err
	}
	c.JSON(http.StatusAccepted, sentView{Sent: true})
	return nil
}

func (s *Server) sendLink(c *gin.Context, email string) error {
	if err := s.maySignIn(); err != nil {
		return err
	}
	if err := s.mayTry(c, s.attempts.linksFrom, s.attempts.linksTo, email); err != nil {
		return err
	}
	return s.accounts.SendLink(c.Request.Context(), email)
}

// setPassword: POST /accounts/password, with the token of a link. It logs in.
func (s *Server) setPassword(c *gin.Context) error {
	var body newPasswordBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	token, account, ends, err := s.usePasswordLink(c, body.Token, body.Password)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusCreated, sessionView{Token: token, ExpiresAt: ends, Account: viewAccount(account)})
	return nil
}

func (s *Server) usePasswordLink(c *gin.Context, link, password string) (token string, account identity.Account, ends time.Time, err error) {
	if err := s.maySignIn(); err != nil {
		return "", account, ends, err
	}
	if err := s.mayTry(c, s.attempts.fromAddress, s.attempts.toEmail, link); err != nil {
		return "", account, ends, err
	}
	token, account, ends, err = s.accounts.SetPassword(c.Request.Context(), link, password, c.Request.UserAgent())
	if err != nil || token == "" {
		return "", account, ends, err
	}
	return token, account, ends, s.keepSession(c, token, ends)
}

// openSession: POST /sessions.
func (s *Server) openSession(c *gin.Context) error {
	var body loginBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	token, account, ends, err := s.logIn(c, body)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusCreated, sessionView{Token: token, ExpiresAt: ends, Account: viewAccount(account)})
	return nil
}

// closeSession: DELETE /sessions/current, the log-out.
func (s *Server) closeSession(c *gin.Context) error {
	if err := s.endSession(c); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

// closeSessions: DELETE /sessions, the log-out everywhere.
func (s *Server) closeSessions(c *gin.Context) error {
	if err := s.logOutEverywhere(c); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (s *Server) logOutEverywhere(c *gin.Context) error {
	account, err := s.signedIn(c)
	if err != nil {
		return err
	}
	if err := s.accounts.LogoutEverywhere(c.Request.Context(), account.ID); err != nil {
		return err
	}
	s.dropCookie(c, cookieSession)
	return nil
}

// listSessions: GET /sessions.
func (s *Server) listSessions(c *gin.Context) error {
	account, err := s.signedIn(c)
	if err != nil {
		return err
	}
	sessions, err := s.accounts.Sessions(c.Request.Context(), account.ID)
	if err != nil {
		return err
	}
	token, _ := s.sessionToken(c)
	views := make([]deviceView, len(sessions))
	for i, session := range sessions {
		views[i] = deviceView{ID: session.ID, Device: session.Device, CreatedAt: session.CreatedAt, ExpiresAt: session.ExpiresAt,
			Current: session.ID == identity.SessionID(token)}
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, devicesView{Account: viewAccount(account), Sessions: views})
	return nil
}
