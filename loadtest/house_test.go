package loadtest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ropeline/ropeline"
)

// flaws are the safeguards that a house may lack: each breaks one invariant.
type flaws struct {
	overtakes      bool // the tick takes somebody from the middle of the line now and then
	passesOver     bool // one fan is never let in
	hasty          bool // the bucket is forgotten now and then
	twoNumbers     bool // a repeated join gives another number
	sharedNumber   bool // two fans get one number
	forgets        bool // a fan's place vanishes
	movesBack      bool // positions rise
	oversells      bool // stock is not looked at
	ticketless     bool // a paid order has no tickets
	givesEarly     bool // a pending order has tickets
	oneCode        bool // all tickets have one code
	ignoresKeys    bool // every request makes something new
	takesAnyBody   bool // a key is good for another body
	sellsAtTheDoor bool // nobody asks for the shopper token
	trustsAnyToken bool // anybody's token will do
	trustsAnyPass  bool // anybody's pass will do
	holdsForever   bool // reservations do not expire
}

const (
	houseCapacity = 30
	houseHold     = 3 * time.Second
	houseTick     = 20 * time.Millisecond
	houseRate     = 1500 // per minute
	houseBurst    = 4
)

// house is a server in memory that speaks the API just enough for a crowd: the
// line, the passes, the stock and a gateway that says yes at once.
type house struct {
	t     testing.TB
	flaws flaws
	event ropeline.EventID
	kind  ropeline.TicketTypeID
	url   string

	mu           sync.Mutex
	minted, next int64
	fans         map[string]*guest // by token
	waiting      []*guest
	tokens       float64
	filled       time.Time
	ticks        int
	shut         bool // nobody is let in
	reservations map[string]*held
	orders       map[string]*sale
	tickets      int
}

type guest struct {
	token, pass, shopper string
	number               int64
	in, entered, left    bool
	forgotten            bool
	passUntil            time.Time
	asked                int64
	tickets              []map[string]any
	byKey                map[string]string
}

type held struct {
	id, state string
	guest     *guest
	body      string
	quantity  int
	deadline  time.Time
}

type sale struct {
	id, state   string
	reservation *held
	tickets     []map[string]any
}

// openHouse starts a house and its tick; both end with the test.
func openHouse(t testing.TB, f flaws) *house {
	h := &house{
		t: t, flaws: f, event: ropeline.NewID[ropeline.EventID](), kind: ropeline.NewID[ropeline.TicketTypeID](),
		fans: make(map[string]*guest), reservations: make(map[string]*held), orders: make(map[string]*sale),
		tokens: houseBurst, filled: time.Now(),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /events/{id}", h.getEvent)
	mux.HandleFunc("POST /events/{id}/queue", h.join)
	mux.HandleFunc("GET /events/{id}/queue", h.poll)
	mux.HandleFunc("GET /events/{id}/queue/ws", h.socket)
	mux.HandleFunc("DELETE /events/{id}/queue", h.leave)
	mux.HandleFunc("POST /events/{id}/enter", h.enter)
	mux.HandleFunc("POST /events/{id}/reserve-tickets", h.reserve)
	mux.HandleFunc("GET /reservations/{id}", h.getReservation)
	mux.HandleFunc("DELETE /reservations/{id}", h.release)
	mux.HandleFunc("POST /orders", h.placeOrder)
	mux.HandleFunc("GET /orders/{id}", h.getOrder)
	mux.HandleFunc("POST /sandbox/intents/{ref}/confirm", h.confirm)
	mux.HandleFunc("GET /users/me/tickets", h.myTickets)
	server := httptest.NewServer(mux)
	h.url = server.URL
	ctx, cancel := context.WithCancel(context.Background())
	var ticking sync.WaitGroup
	ticking.Go(func() { h.run(ctx) })
	t.Cleanup(func() { cancel(); ticking.Wait(); server.CloseClientConnections(); server.Close() })
	return h
}

func (h *house) run(ctx context.Context) {
	ticker := time.NewTicker(houseTick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			h.tick(now)
		}
	}
}

// tick lets fans in and lets holds expire.
func (h *house) tick(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ticks++
	for _, r := range h.reservations {
		if r.state == "held" && now.After(r.deadline) && !h.flaws.holdsForever {
			r.state = "expired"
		}
	}
	h.tokens = min(houseBurst, h.tokens+now.Sub(h.filled).Minutes()*houseRate)
	h.filled = now
	if h.shut {
		return
	}
	if h.flaws.forgets {
		h.waiting = slices.DeleteFunc(h.waiting, func(g *guest) bool {
			g.forgotten = g.number >= 10 && g.number <= 20
			return g.forgotten
		})
	}
	n := int(h.tokens)
	if h.flaws.hasty && h.ticks%25 == 0 {
		n = 10 * houseBurst
	}
	for ; n > 0 && len(h.waiting) > 0; n-- {
		at := 0
		if h.flaws.overtakes && h.ticks%5 == 0 {
			at = len(h.waiting) / 2
		}
		if h.flaws.passesOver && h.waiting[0].number == 5 {
			at = 1
		}
		if at >= len(h.waiting) {
			break
		}
		g := h.waiting[at]
		h.waiting = slices.Delete(h.waiting, at, at+1)
		h.tokens--
		g.in, g.pass, g.passUntil = true, "pass-for-"+g.token, now.Add(time.Minute)
	}
	h.tokens = max(h.tokens, 0)
}

func (h *house) left() int {
	left := houseCapacity - h.tickets
	for _, r := range h.reservations {
		if r.state == "held" {
			left -= r.quantity
		}
	}
	return left
}

func (h *house) phase() ropeline.Phase {
	if h.tickets >= houseCapacity && !h.flaws.oversells {
		return ropeline.PhaseSoldOut
	}
	return ropeline.PhaseOnSale
}

func (h *house) status(g *guest) ropeline.Status {
	s := ropeline.Status{
		Event: h.event, Phase: h.phase(), Standing: ropeline.StandingWaiting, Epoch: 1, Number: g.number,
		Waiting: int64(len(h.waiting)), Place: "place-of-" + g.token, NextMS: 100,
	}
	if g.in {
		s.Standing, s.Pass, s.PassUntil = ropeline.StandingAdmitted, g.pass, &g.passUntil
		return s
	}
	s.Position = int64(slices.Index(h.waiting, g))
	if g.asked++; h.flaws.movesBack {
		s.Position += 50 * g.asked
	}
	return s
}

// guest finds who asks, and locks the house until done is called.
func (h *house) guest(r *http.Request) (g *guest, done func()) {
	h.mu.Lock()
	token := r.Header.Get("Authorization")
	if len(token) > 7 {
		g = h.fans[token[7:]]
	}
	return g, h.mu.Unlock
}

func (h *house) getEvent(w http.ResponseWriter, r *http.Request) {
	_, done := h.guest(r)
	defer done()
	answerJSON(w, 200, map[string]any{
		"id": h.event, "phase": h.phase(), "drop_at": time.Now(),
		"ticket_types": []any{map[string]any{"id": h.kind, "max_per_order": 4, "capacity": houseCapacity, "available": h.left()}},
	})
}

func (h *house) join(w http.ResponseWriter, r *http.Request) {
	g, done := h.guest(r)
	defer done()
	if h.phase() == ropeline.PhaseSoldOut && (g == nil || !g.in) {
		problem(w, 409, ropeline.CodeSoldOut)
		return
	}
	minted := g == nil
	if minted {
		h.minted++
		g = &guest{token: fmt.Sprintf("fan-%06d", h.minted), byKey: make(map[string]string)}
		h.fans[g.token] = g
	}
	again := minted || g.forgotten
	if again || h.flaws.twoNumbers && !g.in {
		g.number, g.forgotten = h.next, false
		if h.next++; h.flaws.sharedNumber && g.number == 9 {
			g.number = 8
		}
		if again {
			h.waiting = append(h.waiting, g)
		}
	}
	s := h.status(g)
	if minted {
		s.FanToken = g.token
	}
	answerJSON(w, 201, s)
}

func (h *house) poll(w http.ResponseWriter, r *http.Request) {
	g, done := h.guest(r)
	defer done()
	if g == nil || g.left || g.forgotten {
		problem(w, 404, ropeline.CodeNotInLine)
		return
	}
	answerJSON(w, 200, h.status(g))
}

func (h *house) socket(w http.ResponseWriter, r *http.Request) {
	g, done := h.guest(r)
	if g == nil || g.forgotten {
		problem(w, 404, ropeline.CodeNotInLine)
		done()
		return
	}
	done()
	upgrader := websocket.Upgrader{}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
		}
	}()
	ticker := time.NewTicker(150 * time.Millisecond)
	defer ticker.Stop()
	for {
		h.mu.Lock()
		s, forgotten := h.status(g), g.forgotten
		h.mu.Unlock()
		if forgotten {
			conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4000, "gone"), time.Now().Add(time.Second))
			return
		}
		if conn.WriteJSON(s) != nil {
			return
		}
		select {
		case <-gone:
			return
		case <-ticker.C:
		}
	}
}

func (h *house) leave(w http.ResponseWriter, r *http.Request) {
	g, done := h.guest(r)
	defer done()
	if g != nil && !g.in {
		g.left = true
		h.waiting = slices.DeleteFunc(h.waiting, func(other *guest) bool { return other == g })
	}
	w.WriteHeader(204)
}

func answerJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

func problem(w http.ResponseWriter, status int, code ropeline.Code) {
	answerJSON(w, status, map[string]any{"status": status, "code": code})
}
