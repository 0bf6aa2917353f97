package web

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/queue"
	"github.com/ropeline/ropeline/web/desk"
)

// rulesBody is how the API writes an event's admission rules. Fields that are
// left out keep what they are, or at creation the default.
type rulesBody struct {
	Version       int64 `json:"version"`
	RatePerMinute *int  `json:"rate_per_minute"`
	Burst         *int  `json:"burst"`
	MaxShoppers   *int  `json:"max_shoppers"`
	Batch         *int  `json:"batch"`
	Paused        *bool `json:"paused"`
	StockGate     *bool `json:"stock_gate"`
	ShowUpSeconds *int  `json:"show_up_seconds"`
	ShopSeconds   *int  `json:"shop_seconds"`

	Schedule          *[]stepBody `json:"schedule"`
	CompensatePercent *int        `json:"compensate_percent"`
	Work              *int        `json:"work"`
}

// stepBody is a step of the schedule: from a moment, or from so many seconds
// after the drop as it is planned now.
type stepBody struct {
	From             time.Time `json:"from"`
	AfterDropSeconds *int64    `json:"after_drop_seconds"`
	RatePerMinute    int       `json:"rate_per_minute"`
}

const (
	mostSeconds = 86_400             // of the times in the rules; a day
	mostAhead   = 1000 * mostSeconds // from the drop to a step of the schedule
)

func (b rulesBody) apply(r admission.Rules, drop time.Time) (admission.Rules, error) {
	set(&r.RatePerMinute, b.RatePerMinute)
	set(&r.Burst, b.Burst)
	set(&r.MaxShoppers, b.MaxShoppers)
	set(&r.Batch, b.Batch)
	set(&r.Paused, b.Paused)
	set(&r.StockGate, b.StockGate)
	set(&r.CompensatePercent, b.CompensatePercent)
	set(&r.Work, b.Work)
	if b.Schedule != nil {
		r.Schedule = make([]admission.Step, 0, len(*b.Schedule))
		for _, step := range *b.Schedule {
			if step.AfterDropSeconds != nil {
				*step.AfterDropSeconds = min(max(*step.AfterDropSeconds, -mostAhead), mostAhead)
				step.From = drop.Add(time.Duration(*step.AfterDropSeconds) * time.Second)
			}
			r.Schedule = append(r.Schedule, admission.Step{From: step.From, RatePerMinute: step.RatePerMinute, AfterDrop: step.AfterDropSeconds})
		}
	}
	for _, seconds := range []struct {
		field string
		value *int
		into  *time.Duration
	}{{"show_up_seconds", b.ShowUpSeconds, &r.ShowUp}, {"shop_seconds", b.ShopSeconds, &r.Shop}} {
		if seconds.value == nil {
			continue
		}
		if *seconds.value < 0 || *seconds.value > mostSeconds {
			return r, ropeline.Errorf(ropeline.CodeInvalidRules, "%s must be at most %d.", seconds.field, mostSeconds)
		}
		*seconds.into = time.Duration(*seconds.value) * time.Second
	}
	return r, r.Validate()
}

func set[T any](into *T, value *T) {
	if value != nil {
		*into = *value
	}
}

// planBody is how the API writes what is promised about a draw's entropy.
type planBody struct {
	Source      string `json:"source"`
	Promise     string `json:"promise"`
	WaitSeconds int64  `json:"wait_seconds"`
}

func (b planBody) plan() queue.Plan {
	return queue.Plan{Source: b.Source, Promise: b.Promise, Wait: time.Duration(min(max(b.WaitSeconds, -1), 1<<30)) * time.Second}
}

// eventBody is a new event, with its rules and what is promised of its draw.
type eventBody struct {
	ropeline.Event
	Rules rulesBody `json:"rules"`
	Draw  planBody  `json:"draw"`
}

type rulesHistory struct {
	History []desk.Rules `json:"history"`
}

// createEvent: POST /admin/events, with JSON or the form of the desk.
func (s *Server) createEvent(c *gin.Context) error {
	if isForm(c.Request) {
		return s.createEventForm(c)
	}
	var body eventBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	return s.newEvent(c, body)
}

// newEvent makes the event of a body, once for each Idempotency-Key.
func (s *Server) newEvent(c *gin.Context, body eventBody) error {
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	rules, err := body.Rules.apply(admission.DefaultRules(), body.DropAt)
	if err != nil {
		return err
	}
	for i := range body.TicketTypes {
		t := &body.TicketTypes[i]
		t.Price.Currency = strings.ToUpper(t.Price.Currency)
		if t.MaxPerOrder == 0 {
			t.MaxPerOrder = 4
		}
		if t.MaxPerFan == 0 {
			t.MaxPerFan = t.MaxPerOrder
		}
	}
	by := account(c)
	body.Organization = organization(c)
	return s.onceThen(c, "/admin/events/{id}", "create-event:"+string(by.ID), key, body, func(ctx context.Context, tx pgx.Tx) (int, any, error) {
		event, err := s.CreateEvent(ctx, tx, body.Event, rules, body.Draw.plan(), by.Email)
		if err != nil {
			return 0, nil, err
		}
		return http.StatusCreated, newEventView(event, unsold(event)), nil
	})
}

// CreateEvent writes an event into every room that keeps a part of it, in one
// transaction. The plan counts for an event with a lobby only.
func (s *Server) CreateEvent(ctx context.Context, tx pgx.Tx, event ropeline.Event, rules admission.Rules, plan queue.Plan, by string) (ropeline.Event, error) {
	event, err := s.catalog.Create(ctx, tx, event)
	if err != nil {
		return event, err
	}
	if err := s.line.Open(ctx, tx, event.ID); err != nil {
		return event, err
	}
	if event.LobbyAt != nil {
		if err := s.line.OpenLobby(ctx, tx, event.ID, plan); err != nil {
			return event, err
		}
	}
	if err := s.admission.CreateRules(ctx, tx, event.ID, rules, by); err != nil {
		return event, err
	}
	return event, s.checkout.OpenSale(ctx, tx, event)
}

// getRules: GET /admin/events/{id}/rules, the rules in force first, then every
// version before them.
func (s *Server) getRules(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	history, err := s.admission.History(c.Request.Context(), event.ID)
	if err != nil {
		return err
	}
	views := make([]desk.Rules, len(history))
	for i, r := range history {
		views[len(history)-1-i] = desk.RulesOf(r)
	}
	c.JSON(http.StatusOK, rulesHistory{History: views})
	return nil
}

// putRules: PUT /admin/events/{id}/rules. A version in the body must be the
// one in force, so that two organizers do not undo each other unseen.
func (s *Server) putRules(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	var body rulesBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	rules, err := s.admission.Rules(c.Request.Context(), event.ID)
	if err != nil {
		return err
	}
	was := rules
	if rules, err = body.apply(rules, event.DropAt); err != nil {
		return err
	}
	rules, err = s.admission.SetRules(c.Request.Context(), event.ID, rules, body.Version, account(c).Email)
	if err != nil {
		return err
	}
	changed(c, desk.RulesOf(was), desk.RulesOf(rules))
	c.JSON(http.StatusOK, desk.RulesOf(rules))
	return nil
}
