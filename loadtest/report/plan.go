package report

import (
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"time"

	"github.com/ropeline/ropeline/loadtest/plan"
)

var planTemplate = pageNamed("plan.html")

// Plan is a table of forecasts, one for each candidate.
type Plan struct {
	Scenario string          `json:"scenario"`
	Fans     int             `json:"fans"`
	Tickets  int             `json:"tickets"`
	Took     float64         `json:"took_seconds"`
	Rows     []Row           `json:"forecasts"`
	Drop     float64         `json:"drop"`
	Plots    []template.HTML `json:"-"`
}

// Row is one forecast. Times are seconds since the drop, waits seconds.
type Row struct {
	Rate     int     `json:"rate_per_minute"`
	Shoppers int     `json:"max_shoppers"`
	SoldOut  float64 `json:"sold_out"` // -1: some are left
	Left     int     `json:"left"`
	Admitted int     `json:"admitted"`
	InVain   int     `json:"let_in_in_vain"`
	Told     int     `json:"told_in_vain"` // still waiting when all was sold, and came after that
	NoShows  int     `json:"no_shows"`
	Gone     int     `json:"left_the_line"`
	MostLine int     `json:"longest_line"`
	MostShop int     `json:"most_shoppers"`
	P50      float64 `json:"wait_p50"`
	P90      float64 `json:"wait_p90"`
	P99      float64 `json:"wait_p99"`
}

// NewPlan makes the table.
func NewPlan(name string, fans, tickets int, drop, took time.Duration, forecasts []*plan.Forecast) *Plan {
	p := &Plan{Scenario: name, Fans: fans, Tickets: tickets, Took: took.Seconds(), Drop: drop.Seconds()}
	var line, paid []curve
	for _, f := range forecasts {
		sold := -1.0
		if f.SoldOut > 0 {
			sold = (f.SoldOut - drop).Seconds()
		}
		wait := func(q float64) float64 { return float64(f.Waits.ValueAtQuantile(q)) / 1e3 }
		p.Rows = append(p.Rows, Row{
			Rate: f.Rules.RatePerMinute, Shoppers: f.Rules.MaxShoppers, SoldOut: sold, Left: f.Left, Admitted: f.Admitted, InVain: f.InVain,
			Told: f.Told, NoShows: f.NoShows, Gone: f.Gone, MostLine: f.MostLine, MostShop: f.MostShop, P50: wait(50), P90: wait(90), P99: wait(99),
		})
		label := fmt.Sprintf("%d/min, %d shoppers", f.Rules.RatePerMinute, f.Rules.MaxShoppers)
		line = append(line, curve{name: label, values: f.Line})
		paid = append(paid, curve{name: label, values: f.Paid})
	}
	marks := []mark{{p.Drop, "the drop"}}
	const most = 6 // colours
	p.Plots = []template.HTML{
		plot{title: "fans in the line", width: 1, curves: line[:min(len(line), most)], marks: marks}.svg(),
		plot{title: "tickets paid", width: 1, curves: paid[:min(len(paid), most)], marks: marks}.svg(),
	}
	return p
}

// Text prints the table.
func (p *Plan) Text(w io.Writer) error {
	out := &printer{w: w}
	out.line("%s: %d fans, %d tickets; %d forecasts in %.1f s. Times are seconds after the drop.", p.Scenario, p.Fans, p.Tickets, len(p.Rows), p.Took)
	out.line("")
	out.line("%8s %9s %9s %7s %9s %8s %9s %8s %9s %8s %8s %8s", "rate/min", "shoppers", "sold out", "left", "let in", "in vain", "told", "no-show", "line", "wait p50", "p90", "p99")
	for _, r := range p.Rows {
		sold := "never"
		if r.SoldOut >= 0 {
			sold = fmt.Sprintf("%.1f s", r.SoldOut)
		}
		out.line("%8d %9d %9s %7d %9d %8d %9d %8d %9d %7.1fs %7.1fs %7.1fs", r.Rate, r.Shoppers, sold, r.Left, r.Admitted, r.InVain, r.Told, r.NoShows, r.MostLine, r.P50, r.P90, r.P99)
	}
	return out.err
}

// JSON writes the forecasts for machines.
func (p *Plan) JSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	return enc.Encode(p)
}

// Page writes table and plots as one HTML file that needs nothing else.
func (p *Plan) Page(w io.Writer) error { return planTemplate.Execute(w, p) }
