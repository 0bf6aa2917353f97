package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/identity"
)

const (
	accountKey      = "ropeline.account"
	actorKey        = "ropeline.actor"
	organizationKey = "ropeline.organization"
	auditKey        = "ropeline.audit"
	deskKey         = "ropeline.desk" // the request is the desk's: drafts are there
	mostAudited     = 16 << 10        // bytes of a request's body in the audit log
)

// desk stands before every route of the desk and the gate: who asks, what the
// route does (the table access), whose the object is, and whether the one may
// do the other to the third (identity.Authorize). Afterwards the change that
// was made is in the audit log.
func (s *Server) desk(c *gin.Context) {
	action, known := access[c.Request.Method+" "+c.FullPath()]
	if !known || action == open {
		s.log.Error("a route of the desk has no action: add it to the table access", "method", c.Request.Method, "route", c.FullPath())
		s.fail(c, ropeline.Errorf(ropeline.CodeForbidden, "Nobody may do that."))
		return
	}
	c.Set(deskKey, true)
	actor, err := s.actor(c)
	if ropeline.CodeOf(err) == ropeline.CodeUnauthenticated && err != nil && c.Request.Method == http.MethodGet && wantsPage(c.Request) {
		to := "/admin/login"
		if c.Request.URL.Path != "/admin" {
			to += "?next=" + url.QueryEscape(c.Request.URL.Path)
		}
		c.Redirect(http.StatusSeeOther, to)
		c.Abort()
		return
	}
	var organization ropeline.OrganizationID
	if err == nil {
		organization, err = s.organizationOf(c, actor, action)
	}
	if err == nil {
		err = s.authorize(c, actor, action, organization)
	}
	if ropeline.CodeOf(err) == ropeline.CodeTOTPRequired && err != nil && c.Request.Method == http.MethodGet && wantsPage(c.Request) {
		c.Redirect(http.StatusSeeOther, "/admin/security")
		c.Abort()
		return
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Set(actorKey, actor)
	c.Set(accountKey, actor.Account)
	c.Set(organizationKey, organization)
	body := overhear(c.Request)
	c.Next()
	s.recordRequest(c, action, body)
}

// authorize is identity.Authorize; what belongs to others is as good as not
// there, in the words of its kind.
func (s *Server) authorize(c *gin.Context, actor identity.Actor, action identity.Action, organization ropeline.OrganizationID) error {
	err := identity.Authorize(actor, action, organization)
	switch {
	case ropeline.CodeOf(err) != ropeline.CodeNotFound || err == nil:
		return err
	case len(actor.Members) == 0:
		return ropeline.Errorf(ropeline.CodeForbidden, "This account organizes nothing here.")
	}
	return missing(c)
}

// missing is the error of an object that is not there.
func missing(c *gin.Context) error {
	switch {
	case c.Param("event") != "":
		return ropeline.Errorf(ropeline.CodeEventNotFound, "There is no such event.")
	case c.Param("order") != "":
		return ropeline.Errorf(ropeline.CodeOrderNotFound, "There is no such order.")
	case c.Param("ticket") != "":
		return ropeline.Errorf(ropeline.CodeTicketNotFound, "There is no such ticket.")
	}
	return ropeline.Errorf(ropeline.CodeNotFound, "There is nothing at this address.")
}

// owners finds the organization of an object in the path by its parameter's
// name.
var owners = map[string]string{
	"order":  "select e.organization_id from orders o join events e on e.id = o.event_id where o.id = $1",
	"ticket": "select e.organization_id from tickets t join events e on e.id = t.event_id where t.id = $1",
}

// organizationOf tells whose the object of a request is, in its path or in
// ?event=. A request without an object means the organization that ?organization= names, or else the first
// in which the actor may do it.
func (s *Server) organizationOf(c *gin.Context, actor identity.Actor, action identity.Action) (ropeline.OrganizationID, error) {
	if action == identity.Self {
		return "", nil
	}
	if action == identity.Operate {
		return ropeline.HouseOrganization, nil
	}
	if id := c.Param("organization"); id != "" {
		return ropeline.OrganizationID(id), nil
	}
	if c.Param("event") != "" {
		event, err := s.eventOf(c)
		return event.Organization, err
	}
	for param, query := range owners {
		if id := c.Param(param); id != "" {
			return s.ownerOf(c.Request.Context(), c, query, id)
		}
	}
	if id, err := ropeline.ParseID[ropeline.EventID](c.Query("event")); err == nil {
		event, err := s.catalog.Event(c.Request.Context(), id)
		return event.Organization, err
	}
	if id := c.Query("organization"); id != "" {
		return ropeline.OrganizationID(id), nil
	}
	if may := actor.Organizations(action); len(may) > 0 {
		return may[0], nil
	}
	if len(actor.Members) > 0 {
		return actor.Members[0].Organization, nil // to be told why not
	}
	return "", nil
}

func (s *Server) ownerOf(ctx context.Context, c *gin.Context, query, id string) (organization ropeline.OrganizationID, err error) {
	if err = s.pool.QueryRow(ctx, query, id).Scan(&organization); errors.Is(err, pgx.ErrNoRows) {
		return "", missing(c)
	}
	if err != nil {
		return "", ropeline.Unavailable(err)
	}
	return organization, nil
}

// actor finds who asks, by a session or an API key; code unauthenticated.
func (s *Server) actor(c *gin.Context) (identity.Actor, error) {
	token, explicit := bearer(c.Request)
	if !explicit {
		cookie, err := c.Request.Cookie(s.cookieName(cookieSession))
		if err != nil {
			return identity.Actor{}, ropeline.Errorf(ropeline.CodeUnauthenticated, "Log in first.")
		}
		if token = cookie.Value; identity.IsKey(token) {
			return identity.Actor{}, ropeline.Errorf(ropeline.CodeUnauthenticated, "Log in first.")
		}
	}
	return s.accounts.Actor(c.Request.Context(), token)
}

// account is who passed desk: an account, or a key by its name.
func account(c *gin.Context) identity.Account {
	return c.MustGet(accountKey).(identity.Account)
}

func actorOf(c *gin.Context) identity.Actor { return c.MustGet(actorKey).(identity.Actor) }

// organization is whose object the request is about.
func organization(c *gin.Context) ropeline.OrganizationID {
	return c.MustGet(organizationKey).(ropeline.OrganizationID)
}

// overheard is the body of a request, as far as it was read.
type overheard struct {
	io.ReadCloser
	heard bytes.Buffer
}

func (o *overheard) Read(b []byte) (int, error) {
	n, err := o.ReadCloser.Read(b)
	if room := mostAudited - o.heard.Len(); room > 0 {
		o.heard.Write(b[:min(n, room)])
	}
	return n, err
}

func overhear(r *http.Request) *overheard {
	if r.Body == nil || r.Method == http.MethodGet {
		return nil
	}
	o := &overheard{ReadCloser: r.Body}
	r.Body = o
	return o
}

// change is what a handler tells the audit log of what it did.
type change struct {
	before, after any
}

// changed keeps what was before and is after, for the audit log. A handler
// that says nothing is recorded with the body of its request.
func changed(c *gin.Context, before, after any) { c.Set(auditKey, change{before, after}) }

// recorded tells that the handler wrote its entry itself, with its change.
func recorded(c *gin.Context) { c.Set(auditKey, true) }

// recordRequest writes a change that was made to the audit log. Looking is no
// change, and what one does to one's own account has its secrets left out.
func (s *Server) recordRequest(c *gin.Context, action identity.Action, body *overheard) {
	if c.Request.Method == http.MethodGet || c.Writer.Status() >= http.StatusBadRequest || strings.HasSuffix(string(action), ".view") {
		return
	}
	told, _ := c.Get(auditKey)
	made, _ := told.(change)
	if told == true {
		return
	}
	if told == nil && action != identity.Self && body != nil && json.Valid(body.heard.Bytes()) {
		made.after = json.RawMessage(body.heard.Bytes())
	}
	write := func(after any) error {
		return s.change(context.WithoutCancel(c.Request.Context()), func(tx pgx.Tx) error {
			return s.record(c, tx, string(action)+" "+c.Request.Method, objectOf(c), made.before, after)
		})
	}
	err := write(made.after)
	if body, raw := made.after.(json.RawMessage); raw && err != nil {
		// Postgres keeps not all that JSON may say (zero bytes, numbers without
		// bounds): then it is kept as text.
		err = write(string(body))
	}
	if err != nil {
		s.log.Error("a change is not in the audit log", "route", c.FullPath(), "by", account(c).Email, "error", err)
	}
}

// objectOf names the object of a request, as kind/id.
func objectOf(c *gin.Context) string {
	for _, param := range []string{"event", "order", "ticket", "payment", "refund", "organization"} {
		if id := c.Param(param); id != "" {
			return param + "/" + id
		}
	}
	if id := organization(c); id != "" {
		return "organization/" + string(id)
	}
	return "account/" + string(account(c).ID)
}
