package pages

import (
	"net/http"
	"time"
)

// FormView is a page with one form, or without fields a page that says
// something.
type FormView struct {
	Frame
	Status  int // of the response; 0: 200
	Title   string
	Lead    string
	Problem string
	Action  string
	Next    string // where to go afterwards; a path of ours
	Fields  []Field
	Button  string
	Links   []Link
}

// Field is one input of a form.
type Field struct {
	Name, Type, Label, Autocomplete, Value string
}

// AccountView is the account of whoever is logged in.
type AccountView struct {
	Frame
	Email    string
	Desk     bool // the account organizes
	Sessions []Session
}

// Session is one log-in.
type Session struct {
	Device    string
	CreatedAt time.Time
	Current   bool
}

// Form writes a form.
func (r *Renderer) Form(w http.ResponseWriter, v FormView) error {
	v.settle()
	if v.Status == 0 {
		v.Status = http.StatusOK
	}
	return r.draw(w, v.Status, "form", &v)
}

// Account writes the page of an account.
func (r *Renderer) Account(w http.ResponseWriter, v AccountView) error {
	v.settle()
	return r.draw(w, http.StatusOK, "account", &v)
}
