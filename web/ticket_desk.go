package web

import (
	"context"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/web/pages"
)

type reasonBody struct {
	Reason string `json:"reason"`
}

// ticketDutyView is a ticket after a change of the box office.
type ticketDutyView struct {
	Ticket   ropeline.TicketID    `json:"ticket"`
	State    checkout.TicketState `json:"state"`
	Revision int                  `json:"revision,omitempty"` // of the new code
}

// ticketDuty reads what the box office's changes of a ticket have in common.
func ticketDuty(c *gin.Context) (id ropeline.TicketID, reason string, err error) {
	id, err = ropeline.ParseID[ropeline.TicketID](c.Param("ticket"))
	if err != nil {
		return id, "", ropeline.Errorf(ropeline.CodeTicketNotFound, "There is no such ticket.")
	}
	var body reasonBody
	if isForm(c.Request) {
		body.Reason = strings.TrimSpace(c.PostForm("reason"))
	} else if err := readJSON(c, &body); err != nil {
		return id, "", err
	}
	if !plain(body.Reason) {
		return id, "", ropeline.Errorf(ropeline.CodeInvalidRequest, "reason is not valid text.")
	}
	return id, body.Reason, nil
}

// revokeTicket: POST /admin/tickets/{id}/revoke makes its code void.
func (s *Server) revokeTicket(c *gin.Context) error {
	return s.changeTicket(c, "revoke", func(ctx context.Context, tx pgx.Tx, id ropeline.TicketID, reason, by string) (any, error) {
		err := s.checkout.Revoke(ctx, tx, id, checkout.Revocation{Cause: checkout.CauseOrganizer, Reason: reason, By: by})
		return ticketDutyView{Ticket: id, State: checkout.TicketRevoked}, err
	})
}

// reissueTicket: POST /admin/tickets/{id}/reissue gives it a new code, and
// makes the older ones void.
func (s *Server) reissueTicket(c *gin.Context) error {
	return s.changeTicket(c, "reissue", func(ctx context.Context, tx pgx.Tx, id ropeline.TicketID, reason, by string) (any, error) {
		revision, err := s.checkout.Reissue(ctx, tx, id, reason, by)
		return ticketDutyView{Ticket: id, State: checkout.TicketIssued, Revision: revision}, err
	})
}

// undoCheckIn: POST /admin/tickets/{id}/undo-checkin makes a ticket that was
// let in good again.
func (s *Server) undoCheckIn(c *gin.Context) error {
	return s.changeTicket(c, "undo-checkin", func(ctx context.Context, tx pgx.Tx, id ropeline.TicketID, reason, by string) (any, error) {
		err := s.checkout.UndoCheckIn(ctx, tx, id, reason, by)
		return ticketDutyView{Ticket: id, State: checkout.TicketIssued}, err
	})
}

// changeTicket does a change of the box office once, and keeps in the audit
// log who made it and why.
func (s *Server) changeTicket(c *gin.Context, action string, do func(ctx context.Context, tx pgx.Tx, id ropeline.TicketID, reason, by string) (any, error)) error {
	id, reason, err := ticketDuty(c)
	if err != nil {
		return err
	}
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	order, err := s.checkout.OrderOfTicket(c.Request.Context(), id)
	if err != nil {
		return err
	}
	if words, asks := ticketQuestions[action]; asks && isForm(c.Request) && c.PostForm("sure") != "yes" {
		return s.sure(c, pages.ConfirmView{Title: words.title, Detail: words.detail, Yes: words.yes, No: pages.Link{Text: "Leave it as it is", Href: "/admin/orders/" + string(order)}}, "reason")
	}
	return s.onceThen(c, orderDone(order, action), "ticket."+action+":"+string(id), key, reason, func(ctx context.Context, tx pgx.Tx) (int, any, error) {
		after, err := do(ctx, tx, id, reason, account(c).Email)
		if err != nil {
			return 0, nil, err
		}
		return http.StatusOK, after, s.record(c, tx, "ticket."+action, "ticket/"+string(id), nil, gin.H{"ticket": after, "reason": reason})
	})
}

// ticketQuestions are what the page asks before a ticket is changed.
var ticketQuestions = map[string]struct{ title, detail, yes string }{
	"revoke": {"Revoke this ticket?", "Its code opens no gate any more, also not on paper. No money goes back with it; to give money back, refund the ticket instead.", "Revoke it"},
}
