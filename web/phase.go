package web

import (
	"context"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/catalog"
	"github.com/ropeline/ropeline/identity"
	"github.com/ropeline/ropeline/internal/keyring"
)

// phaseBody is a step, with the times that catalog.StepMove wants.
type phaseBody struct {
	Step     catalog.Step `json:"step"`
	LobbyAt  *time.Time   `json:"lobby_at"`
	DropAt   *time.Time   `json:"drop_at"`
	ClosesAt *time.Time   `json:"closes_at"`
}

// setPhase: POST /admin/events/{id}/phase opens the lobby, starts the drop or
// ends the sale now, or moves what is still to come. Steps of the rate that
// count from the drop move with it.
func (s *Server) setPhase(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	var body phaseBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	ctx, by := c.Request.Context(), account(c)
	var (
		after catalog.Times
		rules admission.Rules
		moved bool
	)
	err = s.change(ctx, func(tx pgx.Tx) error {
		var before catalog.Times
		before, after, err = s.catalog.Reschedule(ctx, tx, event.ID, body.Step, catalog.Moves{LobbyAt: body.LobbyAt, DropAt: body.DropAt, ClosesAt: body.ClosesAt})
		if err != nil {
			return err
		}
		if !after.DropAt.Equal(before.DropAt) {
			if rules, moved, err = s.admission.MoveDrop(ctx, tx, event.ID, after.DropAt, by.Email); err != nil {
				return err
			}
		}
		return s.record(c, tx, "event.phase."+string(body.Step), "event/"+string(event.ID), before, after)
	})
	if err != nil {
		return err
	}
	s.catalog.Forget(event.ID)
	if moved {
		s.admission.Publish(ctx, event.ID, rules)
	}
	c.JSON(http.StatusOK, after)
	return nil
}

// change runs do in a transaction; errors of the database become unavailable.
func (s *Server) change(ctx context.Context, do func(pgx.Tx) error) error {
	err := pgx.BeginFunc(ctx, s.pool, do)
	if err != nil && ropeline.CodeOf(err) == ropeline.CodeInternal {
		err = ropeline.Unavailable(err)
	}
	return err
}

// record writes to the audit log what the organizer who asks has changed.
func (s *Server) record(c *gin.Context, tx pgx.Tx, action, object string, before, after any) error {
	by := account(c)
	recorded(c)
	return identity.Record(context.WithoutCancel(c.Request.Context()), tx, identity.Entry{
		Organization: string(organization(c)), Account: by.ID, Actor: by.Email, Action: action, Object: object,
		Address: hex.EncodeToString(s.keys.MAC(keyring.PurposeAddress, []byte(addressKey(s.address(c))))),
	}, before, after)
}
