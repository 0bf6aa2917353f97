package web

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/catalog"
	"github.com/ropeline/ropeline/queue"
)

type publishedView struct {
	Event ropeline.EventID `json:"event"`
	New   bool             `json:"new"` // it was a draft until now
}

// publishEvent: POST /admin/events/{id}/publish shows a draft to everybody.
// Nothing makes a draft of it again.
func (s *Server) publishEvent(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	view := publishedView{Event: event.ID}
	if err := s.change(c.Request.Context(), func(tx pgx.Tx) error {
		if view.New, err = s.catalog.Publish(c.Request.Context(), tx, event.ID); err != nil || !view.New {
			recorded(c)
			return err
		}
		return s.record(c, tx, "event.publish", "event/"+string(event.ID), nil, nil)
	}); err != nil {
		return err
	}
	s.catalog.Forget(event.ID)
	if isForm(c.Request) {
		c.Redirect(http.StatusSeeOther, "/admin/events/"+string(event.ID))
		return nil
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, view)
	return nil
}

type duplicateBody struct {
	Name   string    `json:"name"` // "": the same
	DropAt time.Time `json:"drop_at"`
}

// duplicateEvent: POST /admin/events/{id}/duplicate makes a draft that is like
// the event: its venue, types with their capacity now, rules in force and
// picture, all times as far from the new drop as they were from the old.
func (s *Server) duplicateEvent(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	if event, err = s.catalog.Current(ctx, event.ID); err != nil {
		return err
	}
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	var body duplicateBody
	if isForm(c.Request) {
		drop, err := parseVenueTime("drop", c.PostForm("drop"), event.Venue.TimeZone)
		if err != nil {
			return err
		}
		body = duplicateBody{Name: c.PostForm("name"), DropAt: *drop}
	} else if err := readJSON(c, &body); err != nil {
		return err
	}
	if !body.DropAt.After(time.Now()) || body.DropAt.Year() > 9999 {
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "drop_at must be a moment that is still to come.")
	}
	next, err := catalog.Again(event, body.DropAt)
	if err != nil {
		return err
	}
	if body.Name != "" {
		next.Name = body.Name
	}
	stock, err := s.checkout.Available(ctx, event.ID)
	if err != nil {
		return err
	}
	for i, t := range next.TicketTypes {
		next.TicketTypes[i].Capacity = stock.Types[t.ID].Capacity
	}
	rules, err := s.admission.Rules(ctx, event.ID)
	if err != nil {
		return err
	}
	rules.Paused = false
	rules.Schedule = append([]admission.Step{}, rules.Schedule...)
	for i := range rules.Schedule {
		rules.Schedule[i].From = rules.Schedule[i].From.Add(next.DropAt.Sub(event.DropAt))
	}
	by := account(c)
	return s.onceThen(c, "/admin/events/{id}", "duplicate-event:"+string(event.ID)+":"+string(by.ID), key, body, func(ctx context.Context, tx pgx.Tx) (int, any, error) {
		made, err := s.CreateEvent(ctx, tx, next, rules, queue.Plan{}, by.Email)
		if err != nil {
			return 0, nil, err
		}
		if err := s.catalog.CopyPicture(ctx, tx, event.ID, made.ID); err != nil {
			return 0, nil, err
		}
		view := newEventView(made, unsold(made))
		return http.StatusCreated, view, s.record(c, tx, "event.duplicate", "event/"+string(made.ID), gin.H{"event": event.ID}, view)
	})
}
