package web

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/internal/keyring"
)

const checkInsPerPage = 100

// scanBody is one scan of a gate.
type scanBody struct {
	Scan  string    `json:"scan"` // the gate's own name for it
	Code  string    `json:"code"`
	At    time.Time `json:"at"`    // by the device's clock, for a scan that waited
	Shown string    `json:"shown"` // what the gate showed by itself while offline
}

// scansBody is one scan, or in codes a batch of them.
type scansBody struct {
	scanBody
	Gate  string      `json:"gate"`
	Codes *[]scanBody `json:"codes"`
}

type checkInResults struct {
	Results []checkInView `json:"results"` // in the order of the batch
}

type checkInsView struct {
	CheckIns []checkInView `json:"checkins"`
	Next     int64         `json:"next"` // 0: there is no next page
}

type checkInView struct {
	Seq        int64               `json:"seq"`
	Scan       string              `json:"scan"`
	Result     checkout.ScanResult `json:"result"`
	Ticket     ropeline.TicketID   `json:"ticket,omitempty"`
	TicketType string              `json:"ticket_type,omitempty"`
	Revision   int                 `json:"revision,omitempty"`
	Gate       string              `json:"gate"`
	At         time.Time           `json:"at"`
	RecordedAt time.Time           `json:"recorded_at"`
	Shown      string              `json:"shown,omitempty"`
	By         string              `json:"by"`
	Reason     string              `json:"reason,omitempty"`
	First      *firstView          `json:"first,omitempty"`
	Cause      checkout.Cause      `json:"cause,omitempty"` // why a revoked code is void
}

type firstView struct {
	At   time.Time `json:"at"`
	Gate string    `json:"gate"`
}

func newCheckInView(c checkout.CheckIn) checkInView {
	v := checkInView{Seq: c.Seq, Scan: c.ScanID, Result: c.Result, Ticket: c.Ticket, TicketType: c.TicketType, Revision: c.Revision,
		Gate: c.Gate, At: c.ScannedAt.UTC(), RecordedAt: c.RecordedAt.UTC(), Shown: c.Shown, By: c.By, Reason: c.Reason, Cause: c.Cause}
	if c.First != nil {
		v.First = &firstView{At: c.First.At.UTC(), Gate: c.First.Gate}
	}
	return v
}

// checkIn: POST /admin/events/{id}/checkins. One code, or a batch of them from
// a gate that was offline: {"gate", "codes": [{"scan", "code", "at", "shown"}]}.
// A scan that names itself is recorded once, however often it is sent; a single
// one may do so by its Idempotency-Key.
func (s *Server) checkIn(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	key, err := keyOrNew(c)
	if err != nil {
		return err
	}
	var body scansBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	batch := []scanBody{body.scanBody}
	if body.Codes != nil {
		if batch = *body.Codes; body.Code != "" {
			return ropeline.Errorf(ropeline.CodeInvalidRequest, "Send code or codes, not both.")
		}
	} else if batch[0].Scan == "" {
		batch[0].Scan = key
	}
	scans := make([]checkout.Scan, len(batch))
	for i, b := range batch {
		scans[i] = checkout.Scan{ID: b.Scan, Code: b.Code, Gate: body.Gate, Shown: b.Shown, At: b.At}
	}
	done, err := s.checkout.CheckIn(c.Request.Context(), event.ID, scans, account(c).Email)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	if body.Codes == nil {
		c.JSON(http.StatusOK, newCheckInView(done[0]))
		return nil
	}
	c.JSON(http.StatusOK, checkInResults{Results: viewCheckIns(done)})
	return nil
}

func viewCheckIns(list []checkout.CheckIn) []checkInView {
	views := make([]checkInView, len(list))
	for i, done := range list {
		views[i] = newCheckInView(done)
	}
	return views
}

// listCheckIns: GET /admin/events/{id}/checkins, every scan, the newest first;
// ?result= one kind of them, or conflict; ?before= the next page.
func (s *Server) listCheckIns(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	before, err := countOf(c, "before")
	if err != nil {
		return err
	}
	list, err := s.checkout.CheckIns(c.Request.Context(), event.ID, c.Query("result"), before, checkInsPerPage)
	if err != nil {
		return err
	}
	next := int64(0)
	if len(list) == checkInsPerPage {
		next = list[len(list)-1].Seq
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, checkInsView{CheckIns: viewCheckIns(list), Next: next})
	return nil
}

type typeCountView struct {
	TicketType ropeline.TicketTypeID `json:"ticket_type"`
	Name       string                `json:"name"`
	Tickets    int                   `json:"tickets"`
	CheckedIn  int                   `json:"checked_in"`
}

type gateCountView struct {
	Gate     string `json:"gate"`
	Accepted int    `json:"accepted"`
	Refused  int    `json:"refused"`
}

type gateCountsView struct {
	Tickets   int             `json:"tickets"`
	CheckedIn int             `json:"checked_in"`
	Types     []typeCountView `json:"types"`
	Gates     []gateCountView `json:"gates"`
}

// countCheckIns: GET /admin/events/{id}/checkins/counts, by type and by gate.
func (s *Server) countCheckIns(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	counts, err := s.checkout.GateCounts(c.Request.Context(), event.ID)
	if err != nil {
		return err
	}
	types, gates := []typeCountView{}, []gateCountView{}
	tickets, in := 0, 0
	for _, t := range counts.Types {
		types = append(types, typeCountView(t))
		tickets, in = tickets+t.Tickets, in+t.CheckedIn
	}
	for _, g := range counts.Gates {
		gates = append(gates, gateCountView(g))
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, gateCountsView{Tickets: tickets, CheckedIn: in, Types: types, Gates: gates})
	return nil
}

type revocationsView struct {
	Cursor  int64    `json:"cursor"`
	Count   int64    `json:"count"`
	Revoked [][2]any `json:"revoked"` // ticket, revision
}

// revocations: GET /admin/events/{id}/revocations, the void codes for gates as
// [ticket, revision]: every revision up to this one is void. ?since= what came
// to it since a cursor; the list may repeat some.
func (s *Server) revocations(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	since, err := countOf(c, "since")
	if err != nil {
		return err
	}
	list, err := s.checkout.Revocations(c.Request.Context(), event.ID, since)
	if err != nil {
		return err
	}
	// The list only grows, so its length names its state; the cursor moves on by
	// itself and is no news.
	etag := fmt.Sprintf(`W/"%d-%d"`, list.Count, since)
	c.Header("Cache-Control", "no-cache, private")
	c.Header("ETag", etag)
	if c.GetHeader("If-None-Match") == etag {
		c.Status(http.StatusNotModified)
		return nil
	}
	voids := make([][2]any, len(list.Voids))
	for i, v := range list.Voids {
		voids[i] = [2]any{v.Ticket, v.Revision}
	}
	c.JSON(http.StatusOK, revocationsView{Cursor: list.Cursor, Count: list.Count, Revoked: voids})
	return nil
}

type enteredView struct {
	Cursor  int64    `json:"cursor"`
	Next    int64    `json:"next"`    // 0: there is no next page
	Entered [][6]any `json:"entered"` // ticket, revision, turn, in, at, gate
}

// entered: GET /admin/events/{id}/entered, who is in, for a gate to know when it
// loses the network: [ticket, revision, turn, in, at, gate], oldest first. ?since=
// is the cursor of the first page of the listing before; ?after= the next page.
func (s *Server) entered(c *gin.Context) error {
	event, err := s.eventOf(c)
	if err != nil {
		return err
	}
	since, err := countOf(c, "since")
	if err != nil {
		return err
	}
	after, err := countOf(c, "after")
	if err != nil {
		return err
	}
	list, err := s.checkout.Entered(c.Request.Context(), event.ID, since, after)
	if err != nil {
		return err
	}
	entries, next := make([][6]any, len(list.Entries)), int64(0)
	for i, e := range list.Entries {
		entries[i] = [6]any{e.Ticket, e.Revision, e.Turn, e.In, e.At.UTC(), e.Gate}
		if list.More {
			next = e.Seq
		}
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, enteredView{Cursor: list.Cursor, Next: next, Entered: entries})
	return nil
}

type keyView struct {
	ID        uint8     `json:"id"`
	Algorithm string    `json:"algorithm"`
	Public    string    `json:"public"` // base64 of the 32 bytes
	From      time.Time `json:"from"`   // signs from then on, until a newer one does
	Signs     bool      `json:"signs"`
}

type keysView struct {
	Keys []keyView `json:"keys"`
}

// gateKeys: GET /events/{id}/gate/keys, the public keys that tickets verify
// with. They are the house's, and no secret: anybody may check a ticket.
func (s *Server) gateKeys(c *gin.Context) error {
	if _, err := s.eventOf(c); err != nil {
		return err
	}
	keys, err := s.keys.Keys(c.Request.Context(), keyring.PurposeTicket)
	if err != nil {
		return ropeline.Unavailable(err)
	}
	views := make([]keyView, len(keys))
	for i, key := range keys {
		views[i] = keyView{ID: key.ID, Algorithm: "Ed25519", Public: base64.StdEncoding.EncodeToString(key.Public), From: key.ActiveAt.UTC(), Signs: key.Signs}
	}
	c.Header("Cache-Control", "public, max-age=2")
	c.JSON(http.StatusOK, keysView{Keys: views})
	return nil
}

// countOf reads a number of the query that is 0 when absent.
func countOf(c *gin.Context, name string) (int64, error) {
	text := c.Query(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, ropeline.Errorf(ropeline.CodeInvalidRequest, "%s must be a number that an answer gave.", name)
	}
	return n, nil
}
