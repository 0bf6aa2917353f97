package web

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/web/desk"
)

// What a preview supposes of fans when the organizer does not say.
const (
	likelyShowUp   = 0.9
	likelyBuyers   = 0.8
	likelyPerBuyer = 1.5
	mostSupposed   = 10_000_000 // fans or tickets
)

type previewBody struct {
	rulesBody
	Fans            *int64   `json:"fans"`    // in line; those who wait now when absent
	Tickets         *int64   `json:"tickets"` // those left now when absent
	ShowUpShare     *float64 `json:"show_up_share"`
	BuyShare        *float64 `json:"buy_share"`
	TicketsPerBuyer *float64 `json:"tickets_per_buyer"`
}

type previewView struct {
	Words           string  `json:"words"`
	SoldOut         bool    `json:"sold_out"`
	AfterSeconds    int64   `json:"after_seconds"`
	Admitted        int64   `json:"admitted"`
	Entered         int64   `json:"entered"`
	Told            int64   `json:"told"`
	Left            int64   `json:"left"`
	Fans            int64   `json:"fans"`
	Tickets         int64   `json:"tickets"`
	ShowUpShare     float64 `json:"show_up_share"`
	BuyShare        float64 `json:"buy_share"`
	TicketsPerBuyer float64 `json:"tickets_per_buyer"`
}

// previewRules: POST /admin/events/{id}/rules/preview. The body is what PUT
// …/rules takes, and what to suppose; nothing is changed.
func (s *Server) previewRules(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	var body previewBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	ctx := c.Request.Context()
	rules, err := s.admission.Rules(ctx, event.ID)
	if err != nil {
		return err
	}
	now, err := s.situation(c, event)
	if err != nil {
		return err
	}
	return s.preview(c, body, rules, event.DropAt, now)
}

// plannedBody asks for the preview of an event that does not exist yet.
type plannedBody struct {
	previewBody
	DropAt time.Time `json:"drop_at"` // now when absent
}

// previewEvent: POST /admin/events/preview. The body is the rules of a new
// event, how many fans are expected, and its tickets; nothing is changed.
func (s *Server) previewEvent(c *gin.Context) error {
	recorded(c)
	var body plannedBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	if body.Fans == nil || body.Tickets == nil {
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "fans and tickets are required.")
	}
	if body.DropAt.IsZero() {
		body.DropAt = time.Now()
	}
	return s.preview(c, body.previewBody, admission.DefaultRules(), body.DropAt, likely(body.DropAt))
}

// preview answers what rules with the changes of a body lead to.
func (s *Server) preview(c *gin.Context, body previewBody, rules admission.Rules, drop time.Time, now admission.Situation) error {
	view, err := body.foresee(rules, drop, now)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, view)
	return nil
}

// foresee plays the rules with the body's changes forward, from what it supposes.
func (body previewBody) foresee(rules admission.Rules, drop time.Time, now admission.Situation) (view previewView, err error) {
	if rules, err = body.apply(rules, drop); err != nil {
		return view, err
	}
	set(&now.Fans, body.Fans)
	set(&now.Tickets, body.Tickets)
	set(&now.ShowUpShare, body.ShowUpShare)
	set(&now.BuyShare, body.BuyShare)
	set(&now.PerBuyer, body.TicketsPerBuyer)
	if now.Fans < 0 || now.Fans > mostSupposed || now.Tickets < 0 || now.Tickets > mostSupposed {
		return view, ropeline.Errorf(ropeline.CodeInvalidRequest, "fans and tickets must be between 0 and %d.", mostSupposed)
	}
	if outside(now.ShowUpShare, 0, 1) || outside(now.BuyShare, 0, 1) || outside(now.PerBuyer, 0, 100) {
		return view, ropeline.Errorf(ropeline.CodeInvalidRequest, "show_up_share and buy_share must be between 0 and 1, tickets_per_buyer between 0 and 100.")
	}
	p := admission.Foresee(rules, now)
	return previewView{
		Words: p.Words(rules, now), SoldOut: p.SoldOut, AfterSeconds: int64(p.After / time.Second),
		Admitted: p.Admitted, Entered: p.Entered, Told: p.Told, Left: p.Left,
		Fans: now.Fans, Tickets: now.Tickets, ShowUpShare: now.ShowUpShare, BuyShare: now.BuyShare, TicketsPerBuyer: now.PerBuyer,
	}, nil
}

func outside(x, least, most float64) bool { return !(x >= least && x <= most) }

// likely supposes of fans what is usual.
func likely(at time.Time) admission.Situation {
	return admission.Situation{At: at, ShowUpShare: likelyShowUp, BuyShare: likelyBuyers, PerBuyer: likelyPerBuyer}
}

// situation is how the event stands: before its drop, at the drop.
func (s *Server) situation(c *gin.Context, event ropeline.Event) (admission.Situation, error) {
	ctx := c.Request.Context()
	stock, err := s.checkout.Available(ctx, event.ID)
	if err != nil {
		return admission.Situation{}, err
	}
	room, err := s.hub.Room(ctx, event.ID)
	if err != nil {
		return admission.Situation{}, err
	}
	snapshot, _ := room.Line()
	now := likely(time.Now())
	now.Fans = snapshot.Waiting
	if event.DropAt.After(now.At) {
		now.At = event.DropAt
	}
	for _, t := range event.TicketTypes {
		level := stock.Types[t.ID]
		now.Tickets += int64(level.Capacity - level.Held - level.Sold)
	}
	return now, nil
}

// stopAdmissions: POST /admin/events/{id}/stop, the emergency stop.
func (s *Server) stopAdmissions(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	rules, err := s.admission.Stop(c.Request.Context(), event.ID, account(c).Email)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, desk.RulesOf(rules))
	return nil
}

// numbersBody is numbers in the line, and the answer to it.
type numbersBody struct {
	Numbers []int64 `json:"numbers"`
}

// bypass: POST /admin/events/{id}/bypass lets fans in past the line, named by
// the numbers that their pages show. The next ticks take them.
func (s *Server) bypass(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	var body numbersBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	if err := s.admission.Bypass(c.Request.Context(), event.ID, body.Numbers, account(c).Email); err != nil {
		return err
	}
	c.JSON(http.StatusAccepted, body)
	return nil
}
