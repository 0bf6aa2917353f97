package web

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/catalog"
	"github.com/ropeline/ropeline/checkout"
)

const eventsPerPage = 50

// eventView is an event as the API shows it.
type eventView struct {
	ropeline.Event
	Phase       ropeline.Phase   `json:"phase"`
	TicketTypes []ticketTypeView `json:"ticket_types"`
}

type eventsView struct {
	Events []eventView `json:"events"`
	Next   string      `json:"next"` // "": there is no next page
}

type ticketTypeView struct {
	ropeline.TicketType
	Available int `json:"available"`
}

func newEventView(event ropeline.Event, stock checkout.Stocks) eventView {
	view := eventView{Event: event, Phase: event.PhaseAt(time.Now(), stock.SoldOut()), TicketTypes: []ticketTypeView{}}
	for _, t := range event.TicketTypes {
		level := stock.Types[t.ID]
		t.Capacity = level.Capacity
		view.TicketTypes = append(view.TicketTypes, ticketTypeView{TicketType: t, Available: max(level.Left(), 0)})
	}
	return view
}

// unsold is the stock of an event that was just created.
func unsold(event ropeline.Event) checkout.Stocks {
	stock := checkout.Stocks{Types: map[ropeline.TicketTypeID]checkout.Stock{}}
	for _, t := range event.TicketTypes {
		stock.Types[t.ID] = checkout.Stock{Capacity: t.Capacity}
	}
	return stock
}

// listEvents: GET /events, the latest drop first, in pages; eventFilter tells
// by what it is filtered.
func (s *Server) listEvents(c *gin.Context) error {
	if wantsPage(c.Request) {
		return s.eventsPage(c)
	}
	events, next, err := s.eventList(c)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", listCache)
	c.Header("Vary", "Accept")
	c.JSON(http.StatusOK, eventsView{Events: events, Next: next})
	return nil
}

// eventList reads the page of the list that the cursor in the query names.
func (s *Server) eventList(c *gin.Context) (views []eventView, next string, err error) {
	after, err := parseCursor(c.Query("after"))
	if err != nil {
		return nil, "", err
	}
	filter, err := s.eventFilter(c)
	if err != nil {
		return nil, "", err
	}
	events, err := s.catalog.List(c.Request.Context(), filter, after, eventsPerPage)
	if err != nil {
		return nil, "", err
	}
	views = []eventView{}
	for _, event := range events {
		stock, err := s.checkout.Available(c.Request.Context(), event.ID)
		if err != nil {
			return nil, "", err
		}
		views = append(views, newEventView(event, stock))
	}
	if len(events) == eventsPerPage {
		last := events[len(events)-1]
		next = formatCursor(catalog.Cursor{DropAt: last.DropAt, ID: last.ID})
	}
	return views, next, nil
}

// listCache lets any cache answer for a moment: the list is the same for all.
const listCache = "public, max-age=2"

const mostFilter = 100 // characters of a text in the query

// eventFilter reads when (on_sale, upcoming, sold_out or past), place, q, and
// from and to, the days or times at which the event starts.
func (s *Server) eventFilter(c *gin.Context) (f catalog.Filter, err error) {
	f.When, f.Place, f.Query = catalog.When(c.Query("when")), strings.TrimSpace(c.Query("place")), strings.TrimSpace(c.Query("q"))
	switch f.When {
	case "", catalog.Upcoming, catalog.Past:
	case catalog.OnSale, catalog.SoldOut:
		if f.Sold, err = s.checkout.SoldOut(c.Request.Context()); err != nil {
			return f, err
		}
	default:
		return f, ropeline.Errorf(ropeline.CodeInvalidRequest, "when must be on_sale, upcoming, sold_out or past.")
	}
	if utf8.RuneCountInString(f.Place) > mostFilter || utf8.RuneCountInString(f.Query) > mostFilter {
		return f, ropeline.Errorf(ropeline.CodeInvalidRequest, "place and q are at most %d characters long.", mostFilter)
	}
	if f.From, err = timeOf(c, "from", 0); err != nil {
		return f, err
	}
	if f.To, err = timeOf(c, "to", 24*time.Hour); err != nil {
		return f, err
	}
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		return f, ropeline.Errorf(ropeline.CodeInvalidRequest, "from must come before to.")
	}
	return f, nil
}

// getEvent: GET /events/{id}.
func (s *Server) getEvent(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	stock, err := s.checkout.Available(c.Request.Context(), event.ID)
	if err != nil {
		return err
	}
	if wantsPage(c.Request) {
		return s.eventPage(c, event, stock)
	}
	c.Header("Cache-Control", "public, max-age=1")
	c.Header("Vary", "Accept")
	return writeTagged(c, newEventView(event, stock))
}

// writeTagged answers with JSON under an ETag of its bytes, or with 304 to who
// has them.
func writeTagged(c *gin.Context, view any) error {
	body, err := json.Marshal(view)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	c.Header("ETag", tag)
	for shown := range strings.SplitSeq(c.GetHeader("If-None-Match"), ",") {
		if shown = strings.TrimSpace(shown); shown == "*" || strings.TrimPrefix(shown, "W/") == tag {
			c.Status(http.StatusNotModified)
			c.Writer.WriteHeaderNow()
			return nil
		}
	}
	c.Data(http.StatusOK, "application/json; charset=utf-8", body)
	return nil
}

// A cursor is "<drop in Unix microseconds>.<event id>" in base64url.
func formatCursor(cur catalog.Cursor) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(cur.DropAt.UnixMicro(), 10) + "." + string(cur.ID)))
}

func parseCursor(text string) (catalog.Cursor, error) {
	if text == "" {
		return catalog.Cursor{}, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		at, id, _ := strings.Cut(string(raw), ".")
		micros, err := strconv.ParseInt(at, 10, 64)
		event, idErr := ropeline.ParseID[ropeline.EventID](id)
		if err == nil && idErr == nil && micros > -1<<50 && micros < 1<<57 {
			return catalog.Cursor{DropAt: time.UnixMicro(micros), ID: event}, nil
		}
	}
	return catalog.Cursor{}, ropeline.Errorf(ropeline.CodeInvalidRequest, "The cursor in \"after\" is not one of ours.")
}
