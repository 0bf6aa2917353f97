package web

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
)

// ticketDuty reads what the box office's changes of a ticket have in common.
func ticketDuty(c *gin.Context) (id ropeline.TicketID, reason string, err error) {
	id, err = ropeline.ParseID[ropeline.TicketID](c.Param("ticket"))
	if err != nil {
		return id, "", ropeline.Errorf(ropeline.CodeTicketNotFound, "There is no such ticket.")
	}
	var body struct {
		Reason string `json:"reason"`
	}
	if err := readJSON(c, &body); err != nil {
		return id, "", err
	}
	if !plain(body.Reason) {
		return id, "", ropeline.Errorf(ropeline.CodeInvalidRequest, "reason is not valid text.")
	}
	return id, body.Reason, nil
}

// revokeTicket: POST /admin/tickets/{id}/revoke makes its code void.
func (s *Server) revokeTicket(c *gin.Context) error {
	id, reason, err := ticketDuty(c)
	if err != nil {
		return err
	}
	if err := s.checkout.Revoke(c.Request.Context(), id, checkout.Revocation{Cause: checkout.CauseOrganizer, Reason: reason, By: account(c).Email}); err != nil {
		return err
	}
	c.JSON(http.StatusOK, gin.H{"ticket": id, "state": checkout.TicketRevoked})
	return nil
}

// reissueTicket: POST /admin/tickets/{id}/reissue gives it a new code, and
// makes the older ones void.
func (s *Server) reissueTicket(c *gin.Context) error {
	id, reason, err := ticketDuty(c)
	if err != nil {
		return err
	}
	revision, err := s.checkout.Reissue(c.Request.Context(), id, reason, account(c).Email)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, gin.H{"ticket": id, "state": checkout.TicketIssued, "revision": revision})
	return nil
}

// undoCheckIn: POST /admin/tickets/{id}/undo-checkin makes a ticket that was
// let in good again.
func (s *Server) undoCheckIn(c *gin.Context) error {
	id, reason, err := ticketDuty(c)
	if err != nil {
		return err
	}
	if err := s.checkout.UndoCheckIn(c.Request.Context(), id, reason, account(c).Email); err != nil {
		return err
	}
	c.JSON(http.StatusOK, gin.H{"ticket": id, "state": checkout.TicketIssued})
	return nil
}
