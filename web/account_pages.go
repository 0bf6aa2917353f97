package web

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/identity"
	"github.com/ropeline/ropeline/web/pages"
)

// The pages of accounts are forms that work without JavaScript. What was wrong
// is told on the form itself, with the status of the problem.

func emailField(value string) pages.Field {
	return pages.Field{Name: "email", Type: "email", Label: "E-mail address", Autocomplete: "username", Value: value}
}

func passwordField(name, label, complete string) pages.Field {
	return pages.Field{Name: name, Type: "password", Label: label, Autocomplete: complete}
}

// form shows a form, with what was wrong if anything was.
func (s *Server) form(c *gin.Context, view pages.FormView, err error) error {
	c.Header("Cache-Control", "no-store")
	c.Header("Referrer-Policy", "no-referrer") // a link's token stands in the address
	if err != nil {
		p := problemOf(err)
		view.Status, view.Problem = p.Status, p.Detail
	}
	return s.pages.Form(pages.Zip(c.Writer, c.Request), view)
}

// asked tells which errors belong on the form: what the person can mend there.
func asked(err error) bool {
	known, ok := errors.AsType[*ropeline.Error](err)
	if !ok {
		return false
	}
	switch known.Code {
	case ropeline.CodeUnauthenticated, ropeline.CodeInvalidEmail, ropeline.CodeInvalidPassword, ropeline.CodeRateLimited, ropeline.CodeInvalidRequest:
		return true
	}
	return false
}

func loginForm(email, next string) pages.FormView {
	return pages.FormView{
		Title: "Log in", Action: "/login", Button: "Log in", Next: next,
		Fields: []pages.Field{emailField(email), passwordField("password", "Password", "current-password")},
		Links:  []pages.Link{{Text: "Make an account", Href: "/register"}, {Text: "Forgot the password?", Href: "/forgot"}},
	}
}

// codeForm asks for the code of the second factor.
func codeForm(action, half, next string) pages.FormView {
	return pages.FormView{
		Title: "Your second factor", Lead: "The six digits that your authenticator shows now, or one of your recovery codes.", Action: action, Button: "Log in", Next: next,
		Fields: []pages.Field{
			{Name: "half", Type: "hidden", Value: half},
			{Name: "code", Type: "text", Label: "Code", Autocomplete: "one-time-code"},
		},
	}
}

// fanLoginPage: GET and POST /login.
func (s *Server) fanLoginPage(c *gin.Context) error {
	if c.Request.Method == http.MethodGet {
		next := c.Query("next")
		if _, err := s.signedIn(c); err == nil {
			c.Redirect(http.StatusSeeOther, fanPath(next))
			return nil
		}
		return s.form(c, loginForm("", next), nil)
	}
	body := postedLogin(c)
	next := c.PostForm("next")
	if half, _, _, err := s.logIn(c, body); err != nil {
		if ropeline.CodeOf(err) == ropeline.CodeTOTPNeeded {
			return s.form(c, codeForm("/login", half, next), nil)
		}
		if asked(err) {
			return s.form(c, loginForm(body.Email, next), err)
		}
		return err
	}
	c.Redirect(http.StatusSeeOther, fanPath(next))
	return nil
}

// linkPage: GET and POST /register and /forgot: an address, to send a link to.
func (s *Server) linkPage(c *gin.Context) error {
	view := pages.FormView{
		Title: "Make an account", Lead: "You get a link by mail, and choose a password there. What you bought with this address before is in your account then.",
		Action: c.Request.URL.Path, Button: "Send the link", Links: []pages.Link{{Text: "Log in instead", Href: "/login"}},
	}
	if view.Action == "/forgot" {
		view.Title, view.Lead = "A new password", "You get a link by mail, and choose a new password there."
	}
	if c.Request.Method == http.MethodGet {
		view.Fields = []pages.Field{emailField("")}
		return s.form(c, view, nil)
	}
	email := c.PostForm("email")
	if err := s.sendLink(c, email); err != nil {
		if asked(err) {
			view.Fields = []pages.Field{emailField(email)}
			return s.form(c, view, err)
		}
		return err
	}
	return s.form(c, pages.FormView{Title: "Look into your mail", Lead: "A link is on its way to " + email + ". It works once, for half an hour.",
		Links: []pages.Link{{Text: "See all events", Href: "/"}}}, nil)
}

// passwordPage: GET and POST /password/{token}, where a link of a mail leads.
// Looking at it uses nothing up: mail programs open links ahead.
func (s *Server) passwordPage(c *gin.Context) error {
	link := c.Param("token")
	email, fresh, err := s.accounts.LinkEmail(link)
	if err != nil {
		return err
	}
	view := pages.FormView{
		Title: "Choose a new password", Lead: "For " + email + ". All devices are logged out.", Action: c.Request.URL.Path, Button: "Set the password and log in",
		Fields: []pages.Field{passwordField("password", "Password, 10 characters or more", "new-password")},
	}
	if fresh {
		view.Title, view.Lead = "Choose a password", "For the account of "+email+"."
	}
	if c.Request.Method == http.MethodGet {
		return s.form(c, view, nil)
	}
	session, _, _, err := s.usePasswordLink(c, link, c.PostForm("password"))
	if err != nil {
		if asked(err) {
			return s.form(c, view, err)
		}
		return err
	}
	to := "/account"
	if session == "" { // the second factor is still to be shown
		to = "/login"
	}
	c.Redirect(http.StatusSeeOther, to)
	return nil
}

// fanLogout: POST /logout.
func (s *Server) fanLogout(c *gin.Context) error {
	end := s.endSession
	if c.PostForm("everywhere") == "yes" {
		end = s.logOutEverywhere
	}
	if err := end(c); err != nil {
		return err
	}
	c.Redirect(http.StatusSeeOther, "/")
	return nil
}

// accountPage: GET /account.
func (s *Server) accountPage(c *gin.Context) error {
	account, err := s.actor(c)
	if ropeline.CodeOf(err) == ropeline.CodeUnauthenticated && err != nil {
		c.Redirect(http.StatusSeeOther, "/login?next="+url.QueryEscape("/account"))
		return nil
	}
	if err != nil {
		return err
	}
	sessions, err := s.accounts.Sessions(c.Request.Context(), account.ID)
	if err != nil {
		return err
	}
	token, _ := s.sessionToken(c)
	view := pages.AccountView{Email: account.Email, Desk: len(account.Members) > 0}
	for _, session := range sessions {
		view.Sessions = append(view.Sessions, pages.Session{Device: session.Device, CreatedAt: session.CreatedAt, Current: session.ID == identity.SessionID(token)})
	}
	c.Header("Cache-Control", "no-store")
	return s.pages.Account(pages.Zip(c.Writer, c.Request), view)
}
