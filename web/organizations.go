package web

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/identity"
	"github.com/ropeline/ropeline/web/pages"
)

type organizationsView struct {
	Organizations []placeView `json:"organizations"`
}

// placeView is an organization and what the one who asks is there.
type placeView struct {
	ID           ropeline.OrganizationID `json:"id"`
	Name         string                  `json:"name"`
	Role         identity.Role           `json:"role"`
	TOTPRequired bool                    `json:"totp_required"`
}

type nameBody struct {
	Name string `json:"name"`
}

type organizationBody struct {
	Name         *string `json:"name"`
	TOTPRequired *bool   `json:"totp_required"`
}

type roleBody struct {
	Role identity.Role `json:"role"`
}

type inviteBody struct {
	Email string        `json:"email"`
	Role  identity.Role `json:"role"`
}

type keyBody struct {
	Name   string            `json:"name"`
	Scopes []identity.Action `json:"scopes"`
}

type invitedView struct {
	Organization string        `json:"organization"`
	Email        string        `json:"email"`
	Role         identity.Role `json:"role"`
	HasAccount   bool          `json:"has_account"`
}

type passwordBody struct {
	Password string `json:"password"`
}

// acceptedView is the session of who accepted an invitation.
type acceptedView struct {
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expires_at"`
}

// listOrganizations: GET /admin/organizations, those of whoever asks.
func (s *Server) listOrganizations(c *gin.Context) error {
	views := []placeView{}
	for _, m := range actorOf(c).Members {
		views = append(views, placeView{ID: m.Organization, Name: m.Name, Role: m.Role, TOTPRequired: m.TOTPRequired})
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, organizationsView{Organizations: views})
	return nil
}

// createOrganization: POST /admin/organizations, by an owner of the house. Who
// makes it owns it, and invites others.
func (s *Server) createOrganization(c *gin.Context) error {
	var body nameBody
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	if err := readJSON(c, &body); err != nil {
		return err
	}
	by := account(c)
	return s.once(c, "create-organization:"+string(by.ID), key, body, func(ctx context.Context, tx pgx.Tx) (int, any, error) {
		o, err := s.accounts.CreateOrganization(ctx, tx, body.Name, by.ID)
		if err != nil {
			return 0, nil, err
		}
		return http.StatusCreated, o, s.record(c, tx, "organization.create", "organization/"+string(o.ID), nil, o)
	})
}

type organizationView struct {
	identity.Organization
	Members     []identity.Member     `json:"members"`
	Invitations []identity.Invitation `json:"invitations"`
	Keys        []identity.Key        `json:"keys"`
}

// getOrganization: GET /admin/organizations/{id}, and the page of its people.
// Invitations and keys are shown to owners.
func (s *Server) getOrganization(c *gin.Context) error {
	ctx, id := c.Request.Context(), organization(c)
	o, err := s.accounts.Organization(ctx, id)
	if err != nil {
		return err
	}
	view := organizationView{Organization: o, Invitations: []identity.Invitation{}, Keys: []identity.Key{}}
	if view.Members, err = s.accounts.Members(ctx, id); err != nil {
		return err
	}
	owner := identity.Authorize(actorOf(c), identity.EditOrg, id) == nil
	if owner {
		if view.Invitations, err = s.accounts.Invitations(ctx, id); err != nil {
			return err
		}
		if view.Keys, err = s.accounts.Keys(ctx, id); err != nil {
			return err
		}
	}
	c.Header("Cache-Control", "no-store")
	c.Header("Vary", "Accept")
	if !wantsPage(c.Request) {
		c.JSON(http.StatusOK, view)
		return nil
	}
	page := pages.PeopleView{Frame: pages.Frame{Organizer: account(c).Email}, ID: string(o.ID), Name: o.Name, TOTPRequired: o.TOTPRequired, Owner: owner, Me: string(account(c).ID)}
	for _, m := range view.Members {
		page.Members = append(page.Members, pages.Person{ID: string(m.Account), Email: m.Email, Role: string(m.Role), TOTP: m.TOTP})
	}
	for _, i := range view.Invitations {
		page.Invitations = append(page.Invitations, pages.Person{ID: i.ID, Email: i.Email, Role: string(i.Role)})
	}
	for _, k := range view.Keys {
		page.Keys = append(page.Keys, pages.Key{ID: string(k.ID), Name: k.Name, Prefix: k.Prefix, Scopes: words(k.Scopes), LastUsed: k.LastUsedAt})
	}
	page.Roles, page.Scopes = words(identity.Roles), words(identity.Actions())
	return s.pages.People(pages.Zip(c.Writer, c.Request), page)
}

func words[T ~string](list []T) []string {
	texts := make([]string, len(list))
	for i, w := range list {
		texts[i] = string(w)
	}
	return texts
}

// editOrganization: PUT /admin/organizations/{id}: its name, and whether it
// wants a second factor of everybody.
func (s *Server) editOrganization(c *gin.Context) error {
	var body organizationBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	if body.TOTPRequired != nil && *body.TOTPRequired && !actorOf(c).TOTP {
		return ropeline.Errorf(ropeline.CodeTOTPRequired, "Set up your own second factor first, or you lock yourself out.")
	}
	var after identity.Organization
	err := s.change(c.Request.Context(), func(tx pgx.Tx) error {
		var before identity.Organization
		var err error
		if before, after, err = s.accounts.EditOrganization(c.Request.Context(), tx, organization(c), body.Name, body.TOTPRequired); err != nil {
			return err
		}
		return s.record(c, tx, "organization.edit", objectOf(c), before, after)
	})
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, after)
	return nil
}

// setRole: PUT and DELETE /admin/organizations/{id}/members/{account}.
func (s *Server) setRole(c *gin.Context) error {
	var body roleBody
	if c.Request.Method == http.MethodPut {
		if err := readJSON(c, &body); err != nil {
			return err
		}
		if body.Role == "" {
			return ropeline.Errorf(ropeline.CodeInvalidRequest, "role is missing.")
		}
	}
	who, err := ropeline.ParseID[ropeline.AccountID](c.Param("account"))
	if err != nil {
		return ropeline.Errorf(ropeline.CodeNotFound, "There is no such member.")
	}
	err = s.change(c.Request.Context(), func(tx pgx.Tx) error {
		before, err := s.accounts.SetRole(c.Request.Context(), tx, organization(c), who, body.Role)
		if err != nil {
			return err
		}
		return s.record(c, tx, "member.role", objectOf(c), gin.H{"account": who, "role": before}, gin.H{"account": who, "role": body.Role})
	})
	if err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

// invite: POST /admin/organizations/{id}/invitations.
func (s *Server) invite(c *gin.Context) error {
	var body inviteBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	if err := s.mayTry(c, s.attempts.linksFrom, s.attempts.linksTo, body.Email); err != nil {
		return err
	}
	ctx := c.Request.Context()
	o, err := s.accounts.Organization(ctx, organization(c))
	if err != nil {
		return err
	}
	var made identity.Invitation
	err = s.change(ctx, func(tx pgx.Tx) error {
		if made, err = s.accounts.Invite(ctx, tx, o, body.Email, body.Role, account(c).Email); err != nil {
			return err
		}
		return s.record(c, tx, "invitation.create", objectOf(c), nil, made)
	})
	if err != nil {
		return err
	}
	c.JSON(http.StatusCreated, made)
	return nil
}

// uninvite: DELETE /admin/organizations/{id}/invitations/{invite}.
func (s *Server) uninvite(c *gin.Context) error {
	err := s.change(c.Request.Context(), func(tx pgx.Tx) error {
		if err := s.accounts.Uninvite(c.Request.Context(), tx, organization(c), c.Param("invite")); err != nil {
			return err
		}
		return s.record(c, tx, "invitation.revoke", objectOf(c), gin.H{"invitation": c.Param("invite")}, nil)
	})
	if err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

// createKey: POST /admin/organizations/{id}/keys. The token is told this once.
func (s *Server) createKey(c *gin.Context) error {
	var body keyBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	var key identity.Key
	err := s.change(c.Request.Context(), func(tx pgx.Tx) (err error) {
		if key, err = s.accounts.CreateKey(c.Request.Context(), tx, organization(c), body.Name, body.Scopes, account(c).Email); err != nil {
			return err
		}
		told := key
		told.Token = ""
		return s.record(c, tx, "key.create", objectOf(c), nil, told)
	})
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusCreated, key)
	return nil
}

// revokeKey: DELETE /admin/organizations/{id}/keys/{key}.
func (s *Server) revokeKey(c *gin.Context) error {
	err := s.change(c.Request.Context(), func(tx pgx.Tx) error {
		if err := s.accounts.RevokeKey(c.Request.Context(), tx, organization(c), c.Param("key")); err != nil {
			return err
		}
		return s.record(c, tx, "key.revoke", objectOf(c), gin.H{"key": c.Param("key")}, nil)
	})
	if err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

// invitation: GET and POST /invitations/{token}, where the link of an
// invitation leads.
func (s *Server) invitation(c *gin.Context) error {
	ctx, token := c.Request.Context(), c.Param("token")
	invited, err := s.accounts.Invited(ctx, token)
	if err != nil {
		return err
	}
	actor, err := s.actor(c)
	if err != nil && ropeline.CodeOf(err) != ropeline.CodeUnauthenticated {
		return err
	}
	view := pages.FormView{
		Title: "Join " + invited.Organization.Name, Lead: invited.InvitedBy + " invites " + invited.Email + ", as " + invited.Role.Words() + ".",
		Action: c.Request.URL.Path, Button: "Join",
	}
	mine := actor.Email == invited.Email
	switch {
	case mine:
		view.Fields = []pages.Field{{Name: "yes", Type: "hidden", Value: "yes"}}
	case invited.HasAccount:
		view.Links = []pages.Link{{Text: "Log in as " + invited.Email + " first", Href: "/login?next=" + c.Request.URL.Path}}
	default:
		view.Fields = []pages.Field{passwordField("password", "Choose a password, 10 characters or more", "new-password")}
	}
	if c.Request.Method == http.MethodGet {
		if !wantsPage(c.Request) {
			c.Header("Cache-Control", "no-store")
			c.JSON(http.StatusOK, invitedView{Organization: invited.Organization.Name, Email: invited.Email, Role: invited.Role, HasAccount: invited.HasAccount})
			return nil
		}
		return s.form(c, view, nil)
	}
	if err := s.maySignIn(); err != nil {
		return err
	}
	var body passwordBody
	form := isForm(c.Request)
	if form {
		body.Password = c.PostForm("password")
	} else if err := readJSON(c, &body); err != nil {
		return err
	}
	by := identity.Account{}
	if mine {
		by = actor.Account
	}
	session, ends, err := s.accounts.Accept(ctx, token, by, body.Password, c.Request.UserAgent(), mine && actor.TOTP)
	if form && err != nil && asked(err) {
		return s.form(c, view, err)
	}
	if err != nil {
		return err
	}
	if err := s.keepSession(c, session, ends); err != nil {
		return err
	}
	if form {
		c.Redirect(http.StatusSeeOther, "/admin")
		return nil
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusCreated, acceptedView{Token: session, ExpiresAt: ends})
	return nil
}
