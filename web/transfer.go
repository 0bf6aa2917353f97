package web

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/web/pages"
)

type transferBody struct {
	Email string `json:"email"`
}

// transferView is a ticket that was given away. What came in its place is only
// for whoever has it now.
type transferView struct {
	Ticket  ropeline.TicketID    `json:"ticket"`
	State   checkout.TicketState `json:"state"`
	GivenTo string               `json:"given_to"`
}

// holding is a ticket that the caller has, to give away.
func (s *Server) holding(c *gin.Context) (checkout.Ticket, ropeline.Event, error) {
	id, err := ropeline.ParseID[ropeline.TicketID](c.Param("ticket"))
	if err != nil {
		return checkout.Ticket{}, ropeline.Event{}, ropeline.Errorf(ropeline.CodeTicketNotFound, "There is no such ticket.")
	}
	fan, err := s.ticketHolder(c, id)
	if err != nil {
		return checkout.Ticket{}, ropeline.Event{}, err
	}
	ticket, err := s.checkout.Ticket(c.Request.Context(), id, fan)
	if err != nil {
		return ticket, ropeline.Event{}, err
	}
	event, err := s.catalog.Event(c.Request.Context(), ticket.Event)
	return ticket, event, err
}

// mayGive refuses what the page does not offer either; whether the ticket is
// still good is decided with its row locked.
func mayGive(event ropeline.Event) error {
	if event.CanceledAt != nil {
		return ropeline.Errorf(ropeline.CodeTicketEnded, "%s is canceled: there is no ticket to give any more.", event.Name)
	}
	return nil
}

// transferPage: GET /tickets/{id}/transfer asks to whom the ticket goes.
func (s *Server) transferPage(c *gin.Context) error {
	ticket, event, err := s.holding(c)
	if err != nil {
		return err
	}
	if err := mayGive(event); err != nil {
		return err
	}
	if ticket.State != checkout.TicketIssued {
		return ropeline.Errorf(ropeline.CodeTicketEnded, "This ticket was used, given away or ended: it cannot be given to somebody else.")
	}
	return s.form(c, transferForm(ticket, event, ""), nil)
}

func transferForm(ticket checkout.Ticket, event ropeline.Event, email string) pages.FormView {
	return pages.FormView{
		Title: "Give this ticket away", Lead: ticket.Name + " for " + event.Name + ", ticket " + shortOf(ticket.ID) + ". Whoever reads the address gets a new ticket by mail.",
		Action: "/tickets/" + string(ticket.ID) + "/transfer", Button: "Go on",
		Fields: []pages.Field{{Name: "email", Type: "email", Label: "Their e-mail address", Autocomplete: "off", Value: email}},
		Links:  []pages.Link{{Text: "Keep the ticket", Href: ticketHome(ticket)}},
	}
}

// ticketHome is where its holder finds a ticket: on the order's page, or among
// all of them when the order is somebody else's.
func ticketHome(t checkout.Ticket) string {
	if t.Email == "" {
		return "/orders/" + string(t.Order)
	}
	return "/users/me/tickets"
}

// transferTicket: POST /tickets/{id}/transfer. A page's form is asked first,
// with the address to read once more.
func (s *Server) transferTicket(c *gin.Context) error {
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	ticket, event, err := s.holding(c)
	if err != nil {
		return err
	}
	if err := mayGive(event); err != nil {
		return err
	}
	var body transferBody
	form := isForm(c.Request)
	if form {
		body.Email = c.PostForm("email")
	} else if err := readJSON(c, &body); err != nil {
		return err
	}
	email, err := checkout.ParseEmail(body.Email)
	if err != nil {
		if form {
			return s.form(c, transferForm(ticket, event, body.Email), err)
		}
		return err
	}
	if form && c.PostForm("sure") != "yes" {
		return s.askTransfer(c, ticket, event, email)
	}
	if err := s.mayTry(c, s.attempts.giftsFrom, s.attempts.giftsTo, email); err != nil {
		return err
	}
	err = s.onceThen(c, ticketHome(ticket), "transfer:"+string(ticket.ID)+":"+string(ticket.Fan), key, email, func(ctx context.Context, tx pgx.Tx) (int, any, error) {
		given, err := s.checkout.Transfer(ctx, tx, ticket.ID, ticket.Fan, email)
		return http.StatusCreated, transferView{Ticket: given.From, State: checkout.TicketTransferred, GivenTo: given.Email}, err
	})
	if form && ropeline.CodeOf(err) == ropeline.CodeInvalidEmail && err != nil {
		return s.form(c, transferForm(ticket, event, email), err)
	}
	return err
}

func (s *Server) askTransfer(c *gin.Context, ticket checkout.Ticket, event ropeline.Event, email string) error {
	c.Header("Cache-Control", "no-store")
	return s.pages.Confirm(pages.Zip(c.Writer, c.Request), pages.ConfirmView{
		Title: "Give it to " + email + "?", Action: c.Request.URL.Path, Yes: "Give it away", Danger: true,
		No: pages.Link{Text: "Keep the ticket", Href: ticketHome(ticket)},
		Detail: ticket.Name + " for " + event.Name + ", ticket " + shortOf(ticket.ID) + ".\nYour code opens no gate any more from then on, also not on paper, and you cannot take the ticket back: only they can give it to you." +
			"\nIs the address right? Nothing tells us whether somebody reads it.",
		Hidden: []pages.Field{{Name: "email", Value: email}, {Name: "key", Value: ropeline.NewID[string]()}},
	})
}
