package web

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/skip2/go-qrcode"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
)

const qrPixels = 360

// orderView adds what the web knows to an order: where to pay, where the QR
// codes are, and the names of the ticket types.
type orderView struct {
	checkout.Order
	Payment *paymentView `json:"payment,omitempty"`
	Tickets []ticketView `json:"tickets"`
}

type paymentView struct {
	checkout.Payment
	Page string `json:"page,omitempty"`
}

type ticketView struct {
	checkout.Ticket
	Name string `json:"name"`
	QR   string `json:"qr"`
}

// placeOrder: POST /orders.
func (s *Server) placeOrder(c *gin.Context) error {
	fan, err := s.fan(c)
	if err != nil {
		return err
	}
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	if key == "" {
		key = ropeline.NewID[string]()
	}
	var body struct {
		Reservation string `json:"reservation"`
		Email       string `json:"email"`
	}
	if err := readJSON(c, &body); err != nil {
		return err
	}
	reservation, err := ropeline.ParseReservationID(body.Reservation)
	if err != nil {
		return ropeline.Errorf(ropeline.CodeReservationNotFound, "There is no such reservation.")
	}
	order, err := s.checkout.PlaceOrder(c.Request.Context(), fan, reservation, body.Email, key)
	if err != nil {
		return err
	}
	view, err := s.viewOrder(c, order)
	if err != nil {
		return err
	}
	c.Header("Location", "/orders/"+string(order.ID))
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusCreated, view)
	return nil
}

// getOrder: GET /orders/{id}.
func (s *Server) getOrder(c *gin.Context) error {
	fan, err := s.fan(c)
	if err != nil {
		return err
	}
	id, err := ropeline.ParseID[ropeline.OrderID](c.Param("order"))
	if err != nil {
		return ropeline.Errorf(ropeline.CodeOrderNotFound, "There is no such order.")
	}
	order, err := s.checkout.Order(c.Request.Context(), id, fan)
	if err != nil {
		return err
	}
	view, err := s.viewOrder(c, order)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.Header("Vary", "Accept")
	if wantsPage(c.Request) {
		return s.orderPage(c, view)
	}
	c.JSON(http.StatusOK, view)
	return nil
}

// viewOrder names the ticket types and says where to pay.
func (s *Server) viewOrder(c *gin.Context, order checkout.Order) (orderView, error) {
	view := orderView{Order: order}
	if p := order.Payment; p != nil {
		view.Payment = &paymentView{Payment: *p}
		if s.sandbox != nil && p.ProviderRef != "" && order.State == checkout.OrderPending {
			view.Payment.Page = "/sandbox/pay/" + p.ProviderRef
		}
	}
	var err error
	view.Tickets, err = s.viewTickets(c, order.Tickets)
	return view, err
}

func (s *Server) viewTickets(c *gin.Context, tickets []checkout.Ticket) ([]ticketView, error) {
	views := []ticketView{}
	for _, t := range tickets {
		event, err := s.catalog.Event(c.Request.Context(), t.Event)
		if err != nil {
			return nil, err
		}
		view := ticketView{Ticket: t, QR: "/tickets/" + string(t.ID) + "/qr.png"}
		for _, kind := range event.TicketTypes {
			if kind.ID == t.TicketType {
				view.Name = kind.Name
			}
		}
		views = append(views, view)
	}
	return views, nil
}

// myTickets: GET /users/me/tickets.
func (s *Server) myTickets(c *gin.Context) error {
	fan, err := s.fan(c)
	if err != nil {
		return err
	}
	tickets, err := s.checkout.Tickets(c.Request.Context(), fan)
	if err != nil {
		return err
	}
	views, err := s.viewTickets(c, tickets)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.Header("Vary", "Accept")
	if wantsPage(c.Request) {
		return s.ticketsPage(c, views)
	}
	c.JSON(http.StatusOK, gin.H{"tickets": views})
	return nil
}

// ticketQR: GET /tickets/{id}/qr.png, the ticket's code for the gate. Error
// correction M reads well from a phone's screen.
func (s *Server) ticketQR(c *gin.Context) error {
	fan, err := s.fan(c)
	if err != nil {
		return err
	}
	id, err := ropeline.ParseID[ropeline.TicketID](c.Param("ticket"))
	if err != nil {
		return ropeline.Errorf(ropeline.CodeTicketNotFound, "There is no such ticket.")
	}
	ticket, err := s.checkout.Ticket(c.Request.Context(), id, fan)
	if err != nil {
		return err
	}
	png, err := qrcode.Encode(ticket.Code, qrcode.Medium, qrPixels)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "private, max-age=60")
	c.Data(http.StatusOK, "image/png", png)
	return nil
}
