package pages

import (
	"net/http"
	"time"

	"github.com/ropeline/ropeline"
)

// ReportView is what became of a sale.
type ReportView struct {
	Frame
	Event    ropeline.Event
	Phase    ropeline.Phase
	MadeAt   time.Time
	Drawn    bool // the line began with a draw, which can be checked
	Data     any  // the report as the API answers it, for the plots
	Funnel   []FunnelRow
	Types    []TypeRow
	Paid     []ropeline.Money
	Refunded []ropeline.Money
	Waits    []WaitRow // none: nothing is known
	Failed   int64     // payments
}

// FunnelRow is how many fans came so far.
type FunnelRow struct {
	Name    string
	Fans    int64
	Percent int // of those who joined
}

// TypeRow is one ticket type.
type TypeRow struct {
	Name     string
	Sold     int
	Capacity int
	Value    ropeline.Money
}

// WaitRow is a percentile of the waits.
type WaitRow struct {
	Name    string
	Seconds int
}

// Report writes the report of a sale.
func (r *Renderer) Report(w http.ResponseWriter, v ReportView) error {
	v.settle()
	return r.draw(w, http.StatusOK, "report", &v)
}
