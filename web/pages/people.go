package pages

import (
	"net/http"
	"time"
)

// PeopleView is an organization: its people, and for owners its invitations
// and keys.
type PeopleView struct {
	Frame
	ID, Name     string
	TOTPRequired bool
	Owner        bool   // the one who looks may change things
	Me           string // the account of the one who looks
	Members      []Person
	Invitations  []Person
	Keys         []Key
	Roles        []string
	Scopes       []string
}

// Person is a member, or somebody who is invited.
type Person struct {
	ID, Email, Role string
	TOTP            bool
}

// Key is an API key, without its secret.
type Key struct {
	ID, Name, Prefix string
	Scopes           []string
	LastUsed         *time.Time
}

// SecurityView is the second factor of one's own account.
type SecurityView struct {
	Frame
	TOTP   bool
	Codes  int  // recovery codes left
	Wanted bool // an organization wants a second factor
}

// AuditView is the log of changes.
type AuditView struct {
	Frame
	Object, Action, Actor string // the filter
	Entries               []AuditEntry
	Next                  string // address of the next page
}

// AuditEntry is one change.
type AuditEntry struct {
	At                    time.Time
	Actor, Action, Object string
	Before, After         string
}

// People writes the page of an organization.
func (r *Renderer) People(w http.ResponseWriter, v PeopleView) error {
	v.settle()
	return r.draw(w, http.StatusOK, "people", &v)
}

// Security writes the page of the second factor.
func (r *Renderer) Security(w http.ResponseWriter, v SecurityView) error {
	v.settle()
	return r.draw(w, http.StatusOK, "security", &v)
}

// Audit writes the log of changes.
func (r *Renderer) Audit(w http.ResponseWriter, v AuditView) error {
	v.settle()
	return r.draw(w, http.StatusOK, "audit", &v)
}
