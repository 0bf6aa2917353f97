package web

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/checkout/payment/sandbox"
	"github.com/ropeline/ropeline/identity"
	"github.com/ropeline/ropeline/notify"
	"github.com/ropeline/ropeline/web/pages"
)

func (s *Server) offer(event ropeline.Event, stock checkout.Stocks) pages.Offer {
	offer := pages.Offer{Event: event, Phase: event.PhaseAt(time.Now(), stock.SoldOut()), Available: map[ropeline.TicketTypeID]int{}}
	for id, level := range stock.Types {
		offer.Available[id] = max(level.Left(), 0)
	}
	return offer
}

// offerOf finds the event in the path as it stands now.
func (s *Server) offerOf(c *gin.Context) (pages.Offer, error) {
	event, err := s.eventOf(c)
	if err != nil {
		return pages.Offer{}, err
	}
	stock, err := s.checkout.Available(c.Request.Context(), event.ID)
	return s.offer(event, stock), err
}

// eventsPage: GET /.
func (s *Server) eventsPage(c *gin.Context) error {
	views, next, err := s.eventList(c)
	if err != nil {
		return err
	}
	page := pages.EventsView{Query: c.Query("q"), When: c.Query("when"), Place: c.Query("place"), From: c.Query("from"), To: c.Query("to")}
	page.Filtered = page.Query+page.When+page.Place+page.From+page.To != ""
	c.Header("Cache-Control", listCache)
	for _, v := range views {
		offer := pages.Offer{Event: v.Event, Phase: v.Phase, Available: map[ropeline.TicketTypeID]int{}}
		for _, t := range v.TicketTypes {
			offer.Available[t.ID] = t.Available
		}
		page.Events = append(page.Events, offer)
	}
	if next != "" {
		query := c.Request.URL.Query()
		query.Set("after", next)
		page.Next = (&url.URL{Path: "/", RawQuery: query.Encode()}).String()
	}
	return s.pages.Events(pages.Zip(c.Writer, c.Request), page)
}

func (s *Server) eventPage(c *gin.Context, event ropeline.Event, stock checkout.Stocks) error {
	c.Header("Vary", "Accept")
	view := pages.EventView{Offer: s.offer(event, stock)}
	if status, err := s.standing(c); err == nil {
		view.InLine = status.Standing == ropeline.StandingLobby || status.Standing == ropeline.StandingWaiting || status.Standing == ropeline.StandingAdmitted
		view.Shopping = status.Standing == ropeline.StandingShopping
	}
	return s.pages.Event(pages.Zip(c.Writer, c.Request), view)
}

// joinForm: POST /events/{id}/line, the join of a page without JavaScript.
func (s *Server) joinForm(c *gin.Context) error {
	_, _, err := s.joinLine(c)
	if ropeline.CodeOf(err) == ropeline.CodeAccountRequired && err != nil && wantsPage(c.Request) {
		c.Redirect(http.StatusSeeOther, "/login?next="+url.QueryEscape("/events/"+c.Param("event")))
		return nil
	}
	if err != nil {
		return err
	}
	c.Redirect(http.StatusSeeOther, "/events/"+c.Param("event")+"/line")
	return nil
}

// linePage: GET /events/{id}/line, the waiting page.
func (s *Server) linePage(c *gin.Context) error {
	offer, err := s.offerOf(c)
	if err != nil {
		return err
	}
	status, err := s.standing(c)
	switch ropeline.CodeOf(err) {
	case ropeline.CodeNotInLine:
		if _, cookieErr := c.Request.Cookie(s.cookieName(cookiePlace + string(offer.ID))); cookieErr == nil {
			status.Standing = ropeline.StandingGone
		}
	case ropeline.CodeUnauthenticated, ropeline.CodeAccountRequired:
	default:
		if err != nil {
			return err
		}
	}
	status.Event, status.Phase = offer.ID, offer.Phase
	s.knowDevice(c)
	view := pages.LineView{Offer: offer, Status: status}
	if rules, err := s.admission.Rules(c.Request.Context(), offer.ID); err == nil {
		view.ShowUp = rules.ShowUp
	}
	if s.notify != nil {
		view.Tell, view.TellSMS, view.Alert = true, s.notify.Offers(notify.SMS), s.alertOf(c, offer.ID)
	}
	c.Header("Cache-Control", "no-store")
	return s.pages.Line(pages.Zip(c.Writer, c.Request), view)
}

// shopPage: GET /events/{id}/shop, for admitted fans; the others are led back
// to the line.
func (s *Server) shopPage(c *gin.Context) error {
	offer, err := s.offerOf(c)
	if err != nil {
		return err
	}
	fan, err := s.actingFan(c, offer.Event)
	if err == nil {
		shopper, err := s.shopper(c, offer.ID, fan)
		if err == nil {
			c.Header("Cache-Control", "no-store")
			s.knowDevice(c)
			view := pages.ShopView{Offer: offer, ShopUntil: shopper.ShopUntil}
			if announced, err := s.catalog.Announced(c.Request.Context(), offer.ID); err == nil && announced != nil {
				view.Announced = announced.Text
			}
			held, found, err := s.checkout.Held(c.Request.Context(), offer.ID, fan)
			if err != nil {
				return err
			}
			if found {
				view.Reservation = &pages.Reservation{ID: held.ID, Total: held.Total(), Deadline: held.Deadline, Items: bill(offer.Event, held.Items)}
			}
			return s.pages.Shop(pages.Zip(c.Writer, c.Request), view)
		}
	}
	c.Redirect(http.StatusSeeOther, "/events/"+string(offer.ID)+"/line")
	return nil
}

// bill names the items of a reservation or an order.
func bill(event ropeline.Event, items []checkout.ReservedItem) []pages.Item {
	lines := make([]pages.Item, 0, len(items))
	for _, item := range items {
		line := pages.Item{Quantity: item.Quantity, Unit: item.Unit()}
		for _, t := range event.TicketTypes {
			if t.ID == item.TicketType {
				line.Name = t.Name
			}
		}
		lines = append(lines, line)
	}
	return lines
}

func (s *Server) orderPage(c *gin.Context, order checkout.Order) error {
	event, err := s.catalog.Event(c.Request.Context(), order.Event)
	if err != nil {
		return err
	}
	view := s.viewOrder(order)
	paid := pages.Payment{State: string(order.Payment.State), Page: view.Payment.Page}
	if view.Payment.Dispute != nil {
		paid.Dispute = strings.ReplaceAll(view.Payment.Dispute.State, "_", " ")
	}
	return s.pages.Order(pages.Zip(c.Writer, c.Request), pages.OrderView{
		Event: event, ID: order.ID, State: string(order.State), Email: order.Email, Items: bill(event, order.Items),
		Total: order.Total, CreatedAt: order.CreatedAt, Deadline: order.Deadline, Tickets: ticketPages(view.Tickets),
		Payment: paid, Review: view.Review, Refunds: refundPages(order.Refunds), Message: order.Message, Resend: s.notify != nil,
	})
}

var refundWords = map[checkout.RefundState]string{
	checkout.RefundCreated: "on its way", checkout.RefundTransit: "on its way", checkout.RefundDone: "given back",
	checkout.RefundFailed: "refused by the bank; the organizer looks into it",
}

func refundPages(refunds []checkout.Refund) []pages.Refund {
	list := make([]pages.Refund, 0, len(refunds))
	for _, r := range refunds {
		list = append(list, pages.Refund{Amount: r.Amount, Words: refundWords[r.State]})
	}
	return list
}

func ticketPages(views []ticketView) []pages.Ticket {
	tickets := make([]pages.Ticket, 0, len(views))
	for _, v := range views {
		tickets = append(tickets, pages.Ticket{ID: v.ID, Name: v.Name, Code: v.Code, State: string(v.State), To: v.GivenTo})
	}
	return tickets
}

func (s *Server) ticketsPage(c *gin.Context, views []ticketView) error {
	page := pages.TicketsView{}
	index := map[string]int{}
	for _, v := range views {
		group, order := string(v.Order), v.Order
		if v.Given {
			group, order = string(v.Event), "" // the order's page is its buyer's
		}
		at, known := index[group]
		if !known {
			event, err := s.catalog.Event(c.Request.Context(), v.Event)
			if err != nil {
				return err
			}
			at = len(page.Groups)
			index[group] = at
			page.Groups = append(page.Groups, pages.TicketGroup{Event: event, Order: order})
		}
		page.Groups[at].Tickets = append(page.Groups[at].Tickets, ticketPages([]ticketView{v})...)
	}
	return s.pages.Tickets(pages.Zip(c.Writer, c.Request), page)
}

// sandboxPage: GET /sandbox/pay/{ref}, where a real gateway's card form would
// be. Only the fan whose order it is gets the client secret. Of an order that has
// ended there is nothing to pay: its own page says so.
func (s *Server) sandboxPage(c *gin.Context) error {
	fan, err := s.holder(c, func(account ropeline.AccountID) (ropeline.FanID, bool, error) {
		return s.checkout.PaymentFan(c.Request.Context(), s.sandbox.Name(), c.Param("ref"), account)
	})
	if err != nil {
		return err
	}
	order, err := s.checkout.OrderByPayment(c.Request.Context(), s.sandbox.Name(), c.Param("ref"), fan)
	if err != nil {
		return err
	}
	if order.State == checkout.OrderExpired || order.State == checkout.OrderCanceled {
		c.Redirect(http.StatusSeeOther, "/orders/"+string(order.ID))
		return nil
	}
	event, err := s.catalog.Event(c.Request.Context(), order.Event)
	if err != nil {
		return err
	}
	var cards []pages.SandboxCard
	for _, card := range sandbox.Cards {
		cards = append(cards, pages.SandboxCard{Number: card.Number, Country: card.Country, Risk: card.Risk.Level})
	}
	c.Header("Cache-Control", "no-store")
	return s.pages.SandboxPay(pages.Zip(c.Writer, c.Request), pages.SandboxView{
		Ref: c.Param("ref"), ClientSecret: order.Payment.ClientSecret, Order: order.ID, EventName: event.Name,
		Items: bill(event, order.Items), Total: order.Total, State: string(order.Payment.State), Deadline: order.Deadline, Cards: cards,
	})
}

// problemPage shows an error to a person.
func (s *Server) problemPage(c *gin.Context, p problem) {
	view := pages.ProblemView{Status: p.Status, Code: p.Code}
	view.Detail, view.Next = deadEnd(c, p)
	if actor, known := c.Get(actorKey); known { // at the desk
		view.Organizer = actor.(identity.Actor).Email
		view.Detail = p.Detail
		view.Next = pages.Link{Text: "Back to the desk", Href: "/admin"}
		if event, err := ropeline.ParseID[ropeline.EventID](c.Param("event")); err == nil && p.Code != ropeline.CodeEventNotFound && p.Code != ropeline.CodeForbidden {
			view.Next = pages.Link{Text: "Back to the event", Href: "/admin/events/" + string(event)}
		} else if order, err := ropeline.ParseID[ropeline.OrderID](c.Param("order")); err == nil && p.Code != ropeline.CodeOrderNotFound {
			view.Next = pages.Link{Text: "Back to the order", Href: "/admin/orders/" + string(order)}
		} else if ticket, err := ropeline.ParseID[ropeline.TicketID](c.Param("ticket")); err == nil && p.Code != ropeline.CodeTicketNotFound {
			view.Next = pages.Link{Text: "Back to the order", Href: "/admin/orders?q=" + string(ticket)}
		}
	}
	c.Header("Cache-Control", "no-store")
	if err := s.pages.Problem(pages.Zip(c.Writer, c.Request), view); err != nil {
		s.log.Error("problem page", "error", err)
	}
	c.Abort()
}
