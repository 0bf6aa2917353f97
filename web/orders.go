package web

import (
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/checkout/payment/stripe"
	"github.com/ropeline/ropeline/internal/qr"
)

const qrPixels = 360

// orderView is an order as the API shows it.
type orderView struct {
	ID          ropeline.OrderID       `json:"id"`
	Event       ropeline.EventID       `json:"event"`
	Reservation ropeline.ReservationID `json:"reservation"`
	State       checkout.OrderState    `json:"state"`
	Reason      ropeline.Code          `json:"reason,omitempty"` // why the tickets could not be given
	Message     string                 `json:"message,omitempty"`
	Email       string                 `json:"email"`
	Items       []itemView             `json:"items"`
	Total       ropeline.Money         `json:"total"`
	CreatedAt   time.Time              `json:"created_at"`
	Deadline    time.Time              `json:"deadline"` // pay before
	Payment     paymentView            `json:"payment"`
	Review      string                 `json:"review,omitempty"` // waiting: a person looks at it first, nothing is charged; rejected
	Tickets     []ticketView           `json:"tickets"`
	Refunds     []refundView           `json:"refunds,omitempty"`
}

type paymentView struct {
	ID             ropeline.PaymentID    `json:"id"`
	Provider       string                `json:"provider"`
	State          checkout.PaymentState `json:"state"`
	ClientSecret   string                `json:"client_secret,omitempty"`
	PublishableKey string                `json:"publishable_key,omitempty"` // Stripe's, to pay with the client secret
	Failure        string                `json:"failure,omitempty"`         // why the last attempt was declined
	Page           string                `json:"page,omitempty"`            // where to pay, while that is possible
	Dispute        *disputeView          `json:"dispute,omitempty"`         // the newest, if the payer has complained at the bank
}

type disputeView struct {
	State  string         `json:"state"` // the gateway's names
	Reason string         `json:"reason"`
	Amount ropeline.Money `json:"amount"`
}

type ticketView struct {
	ID         ropeline.TicketID     `json:"id"`
	Order      ropeline.OrderID      `json:"order"`
	Event      ropeline.EventID      `json:"event"`
	TicketType ropeline.TicketTypeID `json:"ticket_type"`
	Name       string                `json:"name"`
	State      checkout.TicketState  `json:"state"`
	Code       string                `json:"code"`
	GivenTo    string                `json:"given_to,omitempty"` // of a transferred one: the address that has it now
	Given      bool                  `json:"given,omitempty"`    // it was given to the one who asks: the order is another's
	QR         string                `json:"qr"`
}

type orderBody struct {
	Reservation string `json:"reservation"`
	Email       string `json:"email"`
}

type ticketsView struct {
	Tickets []ticketView `json:"tickets"`
}

func (s *Server) viewOrder(o checkout.Order) orderView {
	view := orderView{
		ID: o.ID, Event: o.Event, Reservation: o.Reservation, State: o.State, Reason: o.Reason, Message: o.Message, Email: o.Email,
		Items: viewItems(o.Items, true), Total: o.Total, CreatedAt: o.CreatedAt, Deadline: o.Deadline,
		Payment: paymentView{ID: o.Payment.ID, Provider: o.Payment.Provider, State: o.Payment.State,
			ClientSecret: o.Payment.ClientSecret, Failure: o.Payment.Failure},
		Tickets: viewTickets(o.Tickets),
	}
	if d := o.Payment.Disputes; len(d) > 0 {
		view.Payment.Dispute = &disputeView{State: d[0].State, Reason: d[0].Reason, Amount: d[0].Amount}
	}
	for _, r := range o.Refunds {
		shown := viewRefund(r)
		shown.Reason = "" // for the organizer
		view.Refunds = append(view.Refunds, shown)
	}
	switch {
	case o.UnderReview():
		view.Review = "waiting"
	case o.Risk == checkout.RiskReject && o.Message == "": // a message says what else has ended it
		view.Review = "rejected"
	}
	open := o.Payment.State == checkout.PaymentCreated || o.Payment.State == checkout.PaymentPending
	switch {
	case o.Payment.Ref == "" || !open:
	case s.sandbox != nil && o.Payment.Provider == s.sandbox.Name():
		view.Payment.Page = "/sandbox/pay/" + o.Payment.Ref
	case s.stripeKey != "" && o.Payment.Provider == stripe.Name:
		view.Payment.Page, view.Payment.PublishableKey = "/orders/"+string(o.ID)+"/pay", s.stripeKey
	}
	return view
}

func viewTickets(tickets []checkout.Ticket) []ticketView {
	views := make([]ticketView, len(tickets))
	for i, t := range tickets {
		views[i] = ticketView{ID: t.ID, Order: t.Order, Event: t.Event, TicketType: t.TicketType, Name: t.Name,
			State: t.State, Code: t.Code, GivenTo: t.GivenTo, Given: t.Email != "", QR: "/tickets/" + string(t.ID) + "/qr.png"}
	}
	return views
}

// placeOrder: POST /orders.
func (s *Server) placeOrder(c *gin.Context) error {
	key, err := keyOrNew(c)
	if err != nil {
		return err
	}
	var body orderBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	reservation, err := ropeline.ParseReservationID(body.Reservation)
	if err != nil {
		return ropeline.Errorf(ropeline.CodeReservationNotFound, "There is no such reservation.")
	}
	event, err := s.catalog.Event(c.Request.Context(), reservation.Event())
	if ropeline.CodeOf(err) == ropeline.CodeEventNotFound && err != nil {
		return ropeline.Errorf(ropeline.CodeReservationNotFound, "There is no such reservation.")
	}
	if err != nil {
		return err
	}
	fan, err := s.actingFan(c, event)
	if err != nil {
		return err
	}
	account, err := s.anyAccount(c)
	if err != nil {
		return err
	}
	order, err := s.checkout.Place(c.Request.Context(), s.scored(c, checkout.Placing{Fan: fan, Reservation: reservation, Email: body.Email, Key: key}, account))
	if err != nil {
		return err
	}
	if account != "" {
		if err := s.checkout.GiveOrder(c.Request.Context(), order.ID, account); err != nil {
			return err
		}
	}
	c.Header("Location", "/orders/"+string(order.ID))
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusCreated, s.viewOrder(order))
	return nil
}

// getOrder: GET /orders/{id}.
func (s *Server) getOrder(c *gin.Context) error {
	order, err := s.orderOf(c)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.Header("Vary", "Accept")
	if wantsPage(c.Request) {
		return s.orderPage(c, order)
	}
	c.JSON(http.StatusOK, s.viewOrder(order))
	return nil
}

// orderOf finds the order in the path, for the fan who asks.
func (s *Server) orderOf(c *gin.Context) (checkout.Order, error) {
	id, err := ropeline.ParseID[ropeline.OrderID](c.Param("order"))
	if err != nil {
		return checkout.Order{}, ropeline.Errorf(ropeline.CodeOrderNotFound, "There is no such order.")
	}
	fan, err := s.orderHolder(c, id)
	if err != nil {
		return checkout.Order{}, err
	}
	return s.checkout.Order(c.Request.Context(), id, fan)
}

// myTickets: GET /users/me/tickets.
func (s *Server) myTickets(c *gin.Context) error {
	tickets, err := s.ownTickets(c)
	if err != nil && !(wantsPage(c.Request) && ropeline.CodeOf(err) == ropeline.CodeUnauthenticated) {
		return err // a page says by itself how to find them
	}
	views := viewTickets(tickets)
	c.Header("Cache-Control", "no-store")
	c.Header("Vary", "Accept")
	if wantsPage(c.Request) {
		return s.ticketsPage(c, views)
	}
	c.JSON(http.StatusOK, ticketsView{Tickets: views})
	return nil
}

// ownTickets are those of the account that is logged in, with what came to its
// address since, and those that this browser bought without one.
func (s *Server) ownTickets(c *gin.Context) ([]checkout.Ticket, error) {
	account, err := s.signedIn(c)
	if err != nil && ropeline.CodeOf(err) != ropeline.CodeUnauthenticated {
		return nil, err
	}
	var all []checkout.Ticket
	if account.ID != "" {
		if err := s.accounts.Adopt(c.Request.Context(), account); err != nil {
			return nil, err
		}
		if all, err = s.checkout.AccountTickets(c.Request.Context(), account.ID); err != nil {
			return nil, err
		}
	}
	fan, err := s.fan(c)
	if err != nil {
		if account.ID != "" {
			return all, nil
		}
		return nil, err
	}
	more, err := s.checkout.Tickets(c.Request.Context(), fan)
	if err != nil {
		return nil, err
	}
	for _, t := range more {
		if !slices.ContainsFunc(all, func(known checkout.Ticket) bool { return known.ID == t.ID }) {
			all = append(all, t)
		}
	}
	return all, nil
}

// ticketQR: GET /tickets/{id}/qr.png, the ticket's code for the gate. Error
// correction M reads well from a phone's screen.
func (s *Server) ticketQR(c *gin.Context) error {
	id, err := ropeline.ParseID[ropeline.TicketID](c.Param("ticket"))
	if err != nil {
		return ropeline.Errorf(ropeline.CodeTicketNotFound, "There is no such ticket.")
	}
	fan, err := s.ticketHolder(c, id)
	if err != nil {
		return err
	}
	ticket, err := s.checkout.Ticket(c.Request.Context(), id, fan)
	if err != nil {
		return err
	}
	png, err := qr.PNG(ticket.Code, qr.Medium, qrPixels)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "private, max-age=60")
	c.Data(http.StatusOK, "image/png", png)
	return nil
}
