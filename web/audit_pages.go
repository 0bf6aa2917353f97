package web

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/identity"
	"github.com/ropeline/ropeline/web/pages"
)

const entriesPerPage = 100

type auditView struct {
	Entries []identity.Entry `json:"entries"`
	Next    int64            `json:"next"` // 0: there is no next page
}

// audit: GET /admin/audit, the changes in the organizations of whoever asks,
// newest first; object, action, actor, from, to and before (an id) filter.
func (s *Server) audit(c *gin.Context) error {
	filter, err := auditFilter(c)
	if err != nil {
		return err
	}
	entries, err := s.accounts.Audit(c.Request.Context(), filter, entriesPerPage)
	if err != nil {
		return err
	}
	var next int64
	if len(entries) == entriesPerPage {
		next = entries[len(entries)-1].ID
	}
	c.Header("Cache-Control", "no-store")
	c.Header("Vary", "Accept")
	if !wantsPage(c.Request) {
		if entries == nil {
			entries = []identity.Entry{}
		}
		c.JSON(http.StatusOK, auditView{Entries: entries, Next: next})
		return nil
	}
	view := pages.AuditView{Frame: pages.Frame{Organizer: account(c).Email}, Object: filter.Object, Action: filter.Action, Actor: filter.Actor}
	for _, e := range entries {
		view.Entries = append(view.Entries, pages.AuditEntry{At: e.At, Actor: e.Actor, Action: e.Action, Object: e.Object, Before: string(e.Before), After: string(e.After)})
	}
	if next != 0 {
		query := c.Request.URL.Query()
		query.Set("before", strconv.FormatInt(next, 10))
		view.Next = (&url.URL{Path: "/admin/audit", RawQuery: query.Encode()}).String()
	}
	return s.pages.Audit(pages.Zip(c.Writer, c.Request), view)
}

func auditFilter(c *gin.Context) (identity.AuditFilter, error) {
	f := identity.AuditFilter{Object: c.Query("object"), Action: c.Query("action"), Actor: c.Query("actor"), Organizations: []string{}}
	if c.Query("organization") != "" {
		f.Organizations = append(f.Organizations, string(organization(c)))
	} else {
		f.Organizations = words(actorOf(c).Organizations(identity.ViewAudit))
	}
	for name, into := range map[string]*time.Time{"from": &f.From, "to": &f.To} {
		if text := c.Query(name); text != "" {
			at, err := time.Parse(time.RFC3339, text)
			if err != nil {
				return f, ropeline.Errorf(ropeline.CodeInvalidRequest, "%s must be a time such as 2026-11-23T18:00:00Z.", name)
			}
			*into = at
		}
	}
	if text := c.Query("before"); text != "" {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || id < 1 {
			return f, ropeline.Errorf(ropeline.CodeInvalidRequest, "before must be the id of an entry.")
		}
		f.Before = id
	}
	return f, nil
}
