package web

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/identity"
	"github.com/ropeline/ropeline/notify"
	"github.com/ropeline/ropeline/web/desk"
	"github.com/ropeline/ropeline/web/pages"
)

// loginPage: GET /admin/login.
func (s *Server) loginPage(c *gin.Context) error {
	if actor, err := s.actor(c); err == nil && len(actor.Members) > 0 {
		c.Redirect(http.StatusSeeOther, ownPath(c.Query("next")))
		return nil
	}
	return s.pages.Login(pages.Zip(c.Writer, c.Request), pages.LoginView{Next: c.Query("next")})
}

func (s *Server) wrongLogin(c *gin.Context, email string, err error) error {
	return s.pages.Login(pages.Zip(c.Writer, c.Request), pages.LoginView{Email: email, Problem: problemOf(err).Detail, Next: c.PostForm("next")})
}

// organizerPage: GET /admin.
func (s *Server) organizerPage(c *gin.Context) error {
	form := pages.FreshEvent()
	form.Key = ropeline.NewID[string]()
	return s.organizerWith(c, form)
}

// organizerWith is the list of events, with the form for a new one as it is.
func (s *Server) organizerWith(c *gin.Context, form pages.NewEvent) error {
	ctx := c.Request.Context()
	events, err := s.catalog.ListOf(ctx, actorOf(c).Organizations(identity.ViewDesk), eventsPerPage)
	if err != nil {
		return err
	}
	page := pages.OrganizerView{Frame: pages.Frame{Organizer: account(c).Email}, New: form, Owner: identity.Authorize(actorOf(c), identity.Operate, ropeline.HouseOrganization) == nil && s.notify != nil && s.inspector != nil,
		MailLogged: s.notify != nil && s.notify.Via(notify.Email) == "log"}
	actor := actorOf(c)
	for _, m := range actor.Members {
		page.Places = append(page.Places, pages.Link{Text: m.Name, Href: "/admin/organizations/" + string(m.Organization)})
	}
	if len(actor.Organizations(identity.ViewOrders)) > 0 {
		page.Places = append(page.Places, pages.Link{Text: "Orders", Href: "/admin/orders"})
	}
	if len(actor.Organizations(identity.ViewAudit)) > 0 {
		page.Places = append(page.Places, pages.Link{Text: "Changes", Href: "/admin/audit"})
	}
	page.Places = append(page.Places, pages.Link{Text: "Second factor", Href: "/admin/security"}, pages.Link{Text: "Gate", Href: "/gate"})
	for _, event := range events {
		row, err := s.row(ctx, event)
		if err != nil {
			return err
		}
		page.Events = append(page.Events, row)
	}
	c.Header("Cache-Control", "no-store")
	return s.pages.Organizer(pages.Zip(c.Writer, c.Request), page)
}

// row is one event of the list. It looks at the line once instead of opening
// a room, which would follow every old event for minutes.
func (s *Server) row(ctx context.Context, event ropeline.Event) (pages.OrganizerRow, error) {
	stock, err := s.checkout.Available(ctx, event.ID)
	if err != nil {
		return pages.OrganizerRow{}, err
	}
	row := pages.OrganizerRow{Event: event, Phase: event.PhaseAt(time.Now(), stock.SoldOut())}
	for _, level := range stock.Types {
		row.Sold += level.Sold
		row.Capacity += level.Capacity
	}
	totals, err := s.checkout.Totals(ctx, event.ID)
	if err != nil {
		return row, err
	}
	row.Revenue = revenue(event, totals)
	if row.Phase != ropeline.PhaseOnSale {
		return row, nil
	}
	snapshot, err := s.line.Snapshot(ctx, event.ID)
	if err != nil {
		return row, err
	}
	counts, err := s.admission.Counts(ctx, event.ID)
	row.Waiting, row.Shoppers = snapshot.Waiting, counts.Shoppers
	return row, err
}

// organizerEventPage: GET /admin/events/{id}.
func (s *Server) organizerEventPage(c *gin.Context) error {
	offer, err := s.offerOf(c)
	if err != nil {
		return err
	}
	history, err := s.admission.History(c.Request.Context(), offer.ID)
	if err != nil {
		return err
	}
	page := pages.OrganizerEventView{Frame: pages.Frame{Organizer: account(c).Email}, Offer: offer, Changed: c.Query("changed") != "", Key: ropeline.NewID[string]()}
	if page.Sequence, page.Starts, err = s.changeForm(c.Request.Context(), offer.Event); err != nil {
		return err
	}
	for i, r := range slices.Backward(history) {
		row := rulesPage(desk.RulesOf(r), offer.DropAt)
		if i > 0 {
			row.Changes = changesOf(rulesPage(desk.RulesOf(history[i-1]), offer.DropAt), row)
		}
		page.History = append(page.History, row)
	}
	if offer.LobbyAt != nil {
		d, err := s.line.Draw(c.Request.Context(), offer.ID)
		if err != nil {
			return err
		}
		record := d.Record()
		page.Draw = &record
	}
	if len(page.History) > 0 {
		page.Rules = page.History[0]
	}
	if page.Thresholds, err = s.thresholdsPage(c.Request.Context(), offer.ID); err != nil {
		return err
	}
	page.ThresholdsChanged = c.Query("fraud") != ""
	c.Header("Cache-Control", "no-store")
	return s.pages.OrganizerEvent(pages.Zip(c.Writer, c.Request), page)
}

// revenue is the sum of the event's one currency.
func revenue(event ropeline.Event, totals checkout.Totals) ropeline.Money {
	if len(totals.Revenue) > 0 {
		return totals.Revenue[0]
	}
	return ropeline.Money{Currency: event.TicketTypes[0].Price.Currency}
}

func rulesPage(r desk.Rules, drop time.Time) pages.Rules {
	steps := make([]string, len(r.Schedule))
	for i, step := range r.Schedule {
		steps[i] = strconv.FormatFloat(math.Round(step.From.Sub(drop).Minutes()*100)/100, 'f', -1, 64) + ":" + strconv.Itoa(step.RatePerMinute)
	}
	return pages.Rules{
		Version: r.Version, RatePerMinute: r.RatePerMinute, Burst: r.Burst, MaxShoppers: r.MaxShoppers, Batch: r.Batch,
		Paused: r.Paused, StockGate: r.StockGate, ShowUpSeconds: r.ShowUpSeconds, ShopSeconds: r.ShopSeconds,
		ChangedBy: r.ChangedBy, ChangedAt: r.ChangedAt,
		Schedule: strings.Join(steps, ", "), CompensatePercent: r.CompensatePercent, Work: r.Work,
	}
}

// changesOf says what a version of the rules changed.
func changesOf(before, after pages.Rules) string {
	var words []string
	for _, f := range []struct {
		name     string
		from, to any
	}{
		{"rate", before.RatePerMinute, after.RatePerMinute}, {"burst", before.Burst, after.Burst}, {"most shoppers", before.MaxShoppers, after.MaxShoppers},
		{"batch", before.Batch, after.Batch}, {"paused", before.Paused, after.Paused}, {"stock gate", before.StockGate, after.StockGate},
		{"seconds to show up", before.ShowUpSeconds, after.ShowUpSeconds}, {"seconds to shop", before.ShopSeconds, after.ShopSeconds},
		{"schedule", before.Schedule, after.Schedule}, {"no-shows made up", before.CompensatePercent, after.CompensatePercent}, {"work", before.Work, after.Work},
	} {
		if f.from != f.to {
			words = append(words, fmt.Sprintf("%s %v → %v", f.name, orNone(f.from), orNone(f.to)))
		}
	}
	return strings.Join(words, ", ")
}

func orNone(v any) any {
	if v == "" {
		return "none"
	}
	return v
}
