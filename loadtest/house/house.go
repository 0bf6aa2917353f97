package house

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

// Flaws are the safeguards that a house may lack: each breaks one invariant.
type Flaws struct {
	Overtakes      bool // the tick takes somebody from the middle of the line now and then
	PassesOver     bool // one fan is never let in
	Hasty          bool // the bucket is forgotten now and then
	TwoNumbers     bool // a repeated join gives another number
	SharedNumber   bool // two fans get one number
	Forgets        bool // a fan's place vanishes
	MovesBack      bool // positions rise
	Oversells      bool // stock is not looked at
	Ticketless     bool // a paid order has no tickets
	GivesEarly     bool // a pending order has tickets
	OneCode        bool // all tickets have one code
	IgnoresKeys    bool // every request makes something new
	TakesAnyBody   bool // a key is good for another body
	SellsAtTheDoor bool // nobody asks for the shopper token
	TrustsAnyToken bool // anybody's token will do
	TrustsAnyPass  bool // anybody's pass will do
	HoldsForever   bool // reservations do not expire
}

const (
	Capacity  = 30
	hold      = 3 * time.Second
	tickEvery = 20 * time.Millisecond
	Rate      = 1500 // per minute
	Burst     = 4
)

// House is a server in memory that speaks the API just enough for a crowd: the
// line, the passes, the stock and a gateway that says yes at once.
type House struct {
	t     testing.TB
	flaws Flaws
	Event ropeline.EventID
	kind  ropeline.TicketTypeID
	URL   string

	mu           sync.Mutex
	minted, next int64
	fans         map[string]*guest // by token
	waiting      []*guest
	doubled      time.Time // when somebody who waits was first given a second number
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

// Open starts a house and its tick; both end with the test.
func Open(t testing.TB, f Flaws) *House {
	h := &House{
		t: t, flaws: f, Event: ropeline.NewID[ropeline.EventID](), kind: ropeline.NewID[ropeline.TicketTypeID](),
		fans: make(map[string]*guest), reservations: make(map[string]*held), orders: make(map[string]*sale),
		tokens: Burst, filled: time.Now(),
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
	h.URL = server.URL
	ctx, cancel := context.WithCancel(context.Background())
	var ticking sync.WaitGroup
	ticking.Go(func() { h.run(ctx) })
	t.Cleanup(func() { cancel(); ticking.Wait(); server.CloseClientConnections(); server.Close() })
	return h
}

func (h *House) run(ctx context.Context) {
	ticker := time.NewTicker(tickEvery)
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
func (h *House) tick(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ticks++
	for _, r := range h.reservations {
		if r.state == "held" && now.After(r.deadline) && !h.flaws.HoldsForever {
			r.state = "expired"
		}
	}
	h.tokens = min(Burst, h.tokens+now.Sub(h.filled).Minutes()*Rate)
	h.filled = now
	if h.shut || h.flaws.TwoNumbers && (h.doubled.IsZero() || now.Sub(h.doubled) < 2*time.Second) {
		return // the flaw shows in fans who wait: on a slow machine all might be in before one repeats its join, and hears of it
	}
	if h.flaws.Forgets {
		h.waiting = slices.DeleteFunc(h.waiting, func(g *guest) bool {
			g.forgotten = g.number >= 10 && g.number <= 20
			return g.forgotten
		})
	}
	n := int(h.tokens)
	if h.flaws.Hasty && h.ticks%25 == 0 {
		n = 10 * Burst
	}
	for ; n > 0 && len(h.waiting) > 0; n-- {
		at := 0
		if h.flaws.Overtakes && h.ticks%5 == 0 {
			at = len(h.waiting) / 2
		}
		if h.flaws.PassesOver && h.waiting[0].number == 5 {
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

func (h *House) left() int {
	left := Capacity - h.tickets
	for _, r := range h.reservations {
		if r.state == "held" {
			left -= r.quantity
		}
	}
	return left
}

func (h *House) phase() ropeline.Phase {
	if h.tickets >= Capacity && !h.flaws.Oversells {
		return ropeline.PhaseSoldOut
	}
	return ropeline.PhaseOnSale
}

func (h *House) status(g *guest) ropeline.Status {
	s := ropeline.Status{
		Event: h.Event, Phase: h.phase(), Standing: ropeline.StandingWaiting, Epoch: 1, Number: g.number,
		Waiting: int64(len(h.waiting)), Place: "place-of-" + g.token, NextMS: 100,
	}
	if g.in {
		s.Standing, s.Pass, s.PassUntil = ropeline.StandingAdmitted, g.pass, &g.passUntil
		return s
	}
	s.Position = int64(slices.Index(h.waiting, g))
	if g.asked++; h.flaws.MovesBack {
		s.Position += 50 * g.asked
	}
	return s
}

// guest finds who asks, and locks the house until done is called.
func (h *House) guest(r *http.Request) (g *guest, done func()) {
	h.mu.Lock()
	token := r.Header.Get("Authorization")
	if len(token) > 7 {
		g = h.fans[token[7:]]
	}
	return g, h.mu.Unlock
}

func (h *House) getEvent(w http.ResponseWriter, r *http.Request) {
	_, done := h.guest(r)
	defer done()
	answerJSON(w, 200, map[string]any{
		"id": h.Event, "phase": h.phase(), "drop_at": time.Now(),
		"ticket_types": []any{map[string]any{"id": h.kind, "max_per_order": 4, "capacity": Capacity, "available": h.left()}},
	})
}

func (h *House) join(w http.ResponseWriter, r *http.Request) {
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
	if again || h.flaws.TwoNumbers && !g.in {
		if !again && h.doubled.IsZero() {
			h.doubled = time.Now()
		}
		g.number, g.forgotten = h.next, false
		if h.next++; h.flaws.SharedNumber && g.number == 9 {
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

func (h *House) poll(w http.ResponseWriter, r *http.Request) {
	g, done := h.guest(r)
	defer done()
	if g == nil || g.left || g.forgotten {
		problem(w, 404, ropeline.CodeNotInLine)
		return
	}
	answerJSON(w, 200, h.status(g))
}

func (h *House) socket(w http.ResponseWriter, r *http.Request) {
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

func (h *House) leave(w http.ResponseWriter, r *http.Request) {
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

// Shut lets nobody in from now on.
func (h *House) Shut() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shut = true
}

// Joined is how many fans have a number.
func (h *House) Joined() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.minted
}
