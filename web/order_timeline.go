package web

import (
	"slices"
	"strings"
	"time"

	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/identity"
	"github.com/ropeline/ropeline/notify"
	"github.com/ropeline/ropeline/web/pages"
)

// timeline is everything that happened to an order, the oldest first, in words
// for the box office.
func timeline(f checkout.OrderFile, messages []notify.Row, changes []identity.Entry) []pages.Moment {
	var all []pages.Moment
	add := func(at *time.Time, kind, what string, details ...string) {
		if at != nil && !at.IsZero() {
			all = append(all, pages.Moment{At: *at, Kind: kind, What: what, Detail: join(details...)})
		}
	}
	add(&f.Hold.CreatedAt, "order", "Tickets were held", until(f.Hold.Deadline))
	add(f.HoldEndedAt, "order", "The hold ended", string(f.Hold.State))
	add(&f.CreatedAt, "order", "Order placed", f.Email, f.Total.String())
	add(f.AcceptedAt, "order", "The tickets became this order’s")
	add(f.CancelAt, "desk", "Cancellation was asked for", by(f.CancelBy), f.Message)
	add(f.EndedAt, "order", "The order is "+string(f.State))
	for _, p := range f.Payments {
		for _, s := range f.History[string(p.ID)] {
			detail := ""
			if s.State == "failed" {
				detail = p.Failure
			}
			if s.State == "authorized" && f.Scoring.Score != nil {
				add(&s.At, "fraud", "Scored "+percentWords(f.Scoring.Score)+" likely fraud", f.Scoring.Reasons...)
			}
			add(&s.At, "money", "Payment "+s.State, p.Amount.String(), p.Provider, detail)
		}
	}
	add(f.Scoring.ReviewedAt, "fraud", "Review decided", decisions[f.Risk], by(f.Scoring.ReviewedBy), f.Scoring.Note)
	for _, r := range f.Refunds {
		for i, s := range f.History[string(r.ID)] {
			what := "Refund " + map[string]string{"created": "asked for", "transit": "on its way", "done": "given back", "failed": "refused by the bank"}[s.State]
			if i == 0 {
				add(&s.At, "money", what, r.Amount.String(), by(r.By), r.Reason)
			} else {
				add(&s.At, "money", what, r.Amount.String())
			}
		}
	}
	for _, d := range f.Disputes {
		for _, s := range f.History[string(d.ID)] {
			add(&s.At, "money", "Disputed at the bank: "+strings.ReplaceAll(s.State, "_", " "), d.Amount.String(), d.Reason)
		}
	}
	for _, r := range f.Returns {
		n := 0
		for _, item := range r.Items {
			n += item.Quantity
		}
		add(&r.At, "order", tickets(n, "is", "are")+" to go back on sale", by(r.By))
		add(r.DoneAt, "order", tickets(n, "is", "are")+" back on sale")
	}
	issued := map[time.Time]int{}
	for _, t := range f.Tickets {
		if t.Email != "" {
			add(&t.IssuedAt, "ticket", "Ticket "+shortOf(t.ID)+" came in the place of one that was given away", "for "+t.Email)
			continue
		}
		issued[t.IssuedAt]++
	}
	for at, n := range issued {
		add(&at, "ticket", tickets(n, "was", "were")+" issued")
	}
	for _, n := range f.Revocations {
		add(&n.At, "ticket", "A code of ticket "+shortOf(n.Ticket)+" became void", n.What, by(n.By), n.Reason)
	}
	for _, n := range f.Scans {
		add(&n.At, "gate", "Ticket "+shortOf(n.Ticket)+" at the gate: "+strings.ReplaceAll(n.What, "_", " "), n.Where, by(n.By), n.Reason)
	}
	for _, m := range messages {
		add(&m.CreatedAt, "message", "Message “"+strings.ReplaceAll(string(m.Kind), "_", " ")+"”", "to "+m.To, string(m.State), m.LastError)
	}
	for _, e := range changes {
		add(&e.At, "desk", "Desk: "+e.Action, by(e.Actor))
	}
	slices.SortStableFunc(all, func(a, b pages.Moment) int { return a.At.Compare(b.At) })
	return all
}

func by(who string) string {
	if who == "" {
		return ""
	}
	return "by " + who
}

// join puts what is there into one line.
func join(parts ...string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(parts), func(s string) bool { return s == "" }), " · ")
}
