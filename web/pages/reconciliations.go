package pages

import (
	"net/http"
	"time"
)

// ReconciliationsView lists the comparisons with the gateways' books.
type ReconciliationsView struct {
	Frame
	Runs []ReconciliationRow
	Next string // address of the next page
}

// ReconciliationRow is one run over one gateway.
type ReconciliationRow struct {
	ID                         int64
	Daily                      bool // everything of a window of time, not only what is open
	Provider                   string
	StartedAt                  time.Time
	FinishedAt                 *time.Time // nil: under way, or its process died
	Seen, Ours, Healed, Alerts int
	Failed                     bool
}

// ReconciliationView is one run with what it found.
type ReconciliationView struct {
	Frame
	Run    ReconciliationRow
	Since  time.Time
	Error  string       // why it did not come to its end
	Open   []Difference // a person must look
	Healed []Difference
}

// Difference is something in which the books did not agree.
type Difference struct {
	Kind    string
	Payment string // ours; "": none of ours
	Subject string // what the gateway calls it, where we have none
	Ref     string
	Detail  string
	Why     string // it could not be healed
	At      time.Time
}

// Reconciliations writes the list of runs.
func (r *Renderer) Reconciliations(w http.ResponseWriter, v ReconciliationsView) error {
	v.settle()
	return r.draw(w, http.StatusOK, "reconciliations", &v)
}

// Reconciliation writes one run.
func (r *Renderer) Reconciliation(w http.ResponseWriter, v ReconciliationView) error {
	v.settle()
	return r.draw(w, http.StatusOK, "reconciliation", &v)
}
