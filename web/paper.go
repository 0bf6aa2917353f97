package web

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/internal/paper"
)

// ticketPDF: GET /tickets/{id}.pdf, a fan's ticket to print or to keep.
func (s *Server) ticketPDF(c *gin.Context) error {
	name, pdf := strings.CutSuffix(c.Param("ticket"), ".pdf")
	id, err := ropeline.ParseID[ropeline.TicketID](name)
	if err != nil || !pdf {
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
	return s.writePDF(c, "ticket-"+name, []checkout.Ticket{ticket})
}

// orderPDF: GET /orders/{id}/tickets.pdf, a page for each ticket of an order.
func (s *Server) orderPDF(c *gin.Context) error {
	id, err := ropeline.ParseID[ropeline.OrderID](c.Param("order"))
	if err != nil {
		return ropeline.Errorf(ropeline.CodeOrderNotFound, "There is no such order.")
	}
	fan, err := s.orderHolder(c, id)
	if err != nil {
		return err
	}
	order, err := s.checkout.Order(c.Request.Context(), id, fan)
	if err != nil {
		return err
	}
	return s.writePDF(c, "tickets-"+string(id), order.Tickets)
}

// pressTime is how long a PDF waits for its turn.
const pressTime = 10 * time.Second

// writePDF leaves out the tickets that let nobody in. A file costs some 40 ms
// of a core, so that only half of them may be at it: the line goes on.
func (s *Server) writePDF(c *gin.Context, name string, tickets []checkout.Ticket) error {
	var pages []paper.Ticket
	for _, t := range tickets {
		if t.State == checkout.TicketRevoked || t.State == checkout.TicketTransferred {
			continue
		}
		event, err := s.catalog.Event(c.Request.Context(), t.Event)
		if err != nil {
			return err
		}
		pages = append(pages, paper.Ticket{Event: event, ID: t.ID, Order: t.Order, Name: t.Name, Code: t.Code, IssuedAt: t.IssuedAt})
	}
	if len(pages) == 0 {
		return ropeline.Errorf(ropeline.CodeTicketEnded, "There is no ticket here that lets anybody in.")
	}
	select {
	case s.presses <- struct{}{}:
		defer func() { <-s.presses }()
	case <-c.Request.Context().Done():
		return ropeline.Unavailable(c.Request.Context().Err())
	case <-time.After(pressTime):
		return ropeline.Unavailable(errors.New("web: too many PDFs at once"))
	}
	var file bytes.Buffer
	if err := paper.WriteTickets(&file, pages[0].Event.Name, pages); err != nil {
		return err
	}
	c.Header("Cache-Control", "private, no-cache")
	c.Header("Content-Security-Policy", "frame-ancestors 'none'") // the browser's own viewer loads things
	c.Header("Content-Disposition", `inline; filename="`+name+`.pdf"`)
	c.Data(http.StatusOK, "application/pdf", file.Bytes())
	return nil
}

// calendar: GET /events/{id}/calendar.ics.
func (s *Server) calendar(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	// In this order, and past the cache: a calendar that has got the newest
	// sequence with what was before would keep it.
	sequence, at, err := s.catalog.Changed(c.Request.Context(), event.ID)
	if err != nil {
		return err
	}
	if event, err = s.catalog.Current(c.Request.Context(), event.ID); err != nil {
		return err
	}
	var file bytes.Buffer
	if err := paper.WriteCalendar(&file, event, paper.Change{Sequence: sequence, At: at, Canceled: event.CanceledAt != nil}, s.publicURL+"/events/"+string(event.ID)); err != nil {
		return err
	}
	c.Header("Cache-Control", "public, max-age=60")
	c.Header("Content-Disposition", `attachment; filename="event-`+string(event.ID)+`.ics"`)
	c.Data(http.StatusOK, "text/calendar; charset=utf-8", file.Bytes())
	return nil
}
