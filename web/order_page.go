package web

import (
	"net/url"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/identity"
	"github.com/ropeline/ropeline/notify"
	"github.com/ropeline/ropeline/web/pages"
)

const eventsToChoose = 200

func (s *Server) ordersPage(c *gin.Context, search checkout.OrderSearch, lines []checkout.OrderLine, next string) error {
	ctx := c.Request.Context()
	view := pages.OrdersView{Frame: pages.Frame{Organizer: account(c).Email}, Query: search.Query, Event: search.Event, State: c.Query("state"),
		From: c.Query("from"), To: c.Query("to"), First: c.Query("after") == ""}
	var err error
	if view.Events, err = s.catalog.ListOf(ctx, search.Organizations, eventsToChoose); err != nil {
		return err
	}
	for _, l := range lines {
		event, err := s.catalog.Event(ctx, l.Event)
		if err != nil {
			return err
		}
		row := pages.OrderRow{ID: l.Order, Email: l.Email, Event: event, State: string(l.State), Total: l.Total, Tickets: l.Tickets, Placed: l.Placed, Review: l.Risk == checkout.RiskReview}
		if l.Refunded > 0 {
			row.Refunded = &ropeline.Money{Minor: l.Refunded, Currency: l.Total.Currency}
		}
		view.Rows = append(view.Rows, row)
	}
	if event, err := s.catalog.Event(ctx, search.Event); search.Event != "" && err == nil && identity.Authorize(actorOf(c), identity.ViewMoney, event.Organization) == nil {
		view.Exports = exportLinks(event.ID)
	}
	if next != "" {
		query := c.Request.URL.Query()
		query.Set("after", next)
		view.Next = (&url.URL{Path: "/admin/orders", RawQuery: query.Encode()}).String()
	}
	return s.pages.Orders(pages.Zip(c.Writer, c.Request), view)
}

func (s *Server) orderFilePage(c *gin.Context, f checkout.OrderFile, messages []notify.Row, changes []identity.Entry) error {
	event, err := s.catalog.Event(c.Request.Context(), f.Event)
	if err != nil {
		return err
	}
	view := pages.OrderFileView{
		Frame: pages.Frame{Organizer: account(c).Email}, Event: event, ID: f.ID, Fan: f.Fan, Email: f.Email, State: string(f.State), Message: f.Message,
		Items: bill(event, f.Items), Total: f.Total, Placed: f.CreatedAt, Reasons: f.Scoring.Reasons,
		Review: f.UnderReview(), Act: s.may(c, identity.EditOrders), Key: ropeline.NewID[string](), Resend: s.notify != nil && len(f.Tickets) > 0,
		Timeline: timeline(f, messages, changes),
	}
	if f.Scoring.Score != nil {
		percent := int(*f.Scoring.Score*100 + 0.5)
		view.Percent = &percent
	}
	left := f.Payment.Amount
	for _, r := range f.Refunds {
		if r.State != checkout.RefundFailed {
			left.Minor -= r.Amount.Minor
		}
	}
	view.Left, view.Given = left, ropeline.Money{Minor: f.Payment.Amount.Minor - left.Minor, Currency: left.Currency}
	view.Refundable = f.Payment.State == checkout.PaymentConfirmed && left.Minor > 0
	view.Cancelable = f.State == checkout.OrderPending || f.State == checkout.OrderPaid
	view.Canceling = f.CancelAt != nil && view.Cancelable
	for _, p := range f.Payments {
		view.Payments = append(view.Payments, pages.PaymentRow{Provider: p.Provider, Ref: p.Ref, State: string(p.State), Amount: p.Amount, Failure: p.Failure,
			Card: cardWords(p), Duty: string(p.Duty)})
	}
	for _, t := range f.Tickets {
		view.Tickets = append(view.Tickets, pages.DeskTicket{ID: t.ID, Name: t.Name, State: string(t.State), Revision: t.Revision, Holder: t.Email,
			Live: t.State == checkout.TicketIssued || t.State == checkout.TicketCheckedIn})
	}
	view.Done = doneWords(c.Query("done"), f, s.notify)
	return s.pages.OrderFile(pages.Zip(c.Writer, c.Request), view)
}

func cardWords(p checkout.PaymentFile) string {
	if p.Card.Last4 == "" {
		return ""
	}
	words := p.Card.Brand + " ending in " + p.Card.Last4
	if p.Card.Country != "" {
		words += ", " + p.Card.Country
	}
	return words
}

// doneWords tells what came of what was just done, as it stands now.
func doneWords(done string, f checkout.OrderFile, n *notify.Notify) string {
	switch done {
	case "refund":
		if len(f.Refunds) == 0 {
			return ""
		}
		r := f.Refunds[len(f.Refunds)-1]
		return r.Amount.String() + " go back to " + f.Email + ": " + refundWords[r.State] + "."
	case "cancel":
		if f.State == checkout.OrderCanceled {
			return "The order is canceled."
		}
		return "The order is being canceled. That takes a moment: look again."
	case "resend":
		if n != nil && n.Via(notify.Email) == "log" {
			return "The tickets are written to the log: no mail server is configured, so nobody gets them."
		}
		return "The tickets are on their way to " + f.Email + " again."
	case "revoke":
		return "The ticket is void; gates know within seconds while they are online."
	case "reissue":
		return "The ticket has a new code, and every older one is void. The order’s page shows it; send the tickets again to mail it."
	case "undo-checkin":
		return "The check-in is undone: the ticket lets somebody in again."
	}
	return ""
}

// percentWords writes a probability.
func percentWords(score *float64) string {
	if score == nil {
		return ""
	}
	return strconv.Itoa(int(*score*100+0.5)) + " %"
}

func shortOf[T ~string](id T) string { return string(id)[max(0, len(id)-8):] }

func until(t time.Time) string { return "until " + t.UTC().Format("15:04:05 MST") }
