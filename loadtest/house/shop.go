package house

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/ropeline/ropeline"
)

func (h *House) enter(w http.ResponseWriter, r *http.Request) {
	g, done := h.guest(r)
	defer done()
	var body struct{ Pass string }
	json.NewDecoder(r.Body).Decode(&body)
	known := strings.HasPrefix(body.Pass, "pass-for-") && h.fans[strings.TrimPrefix(body.Pass, "pass-for-")] != nil
	if g == nil || !known || body.Pass != "pass-for-"+g.token && !h.flaws.TrustsAnyPass {
		problem(w, 403, ropeline.CodePassInvalid)
		return
	}
	g.entered, g.shopper = true, "shopper-"+g.token
	answerJSON(w, 200, map[string]any{"shopper": g.shopper, "shop_until": time.Now().Add(time.Minute)})
}

// mayShop looks at the shopper token, as far as the house's flaws let it.
func (h *House) mayShop(g *guest, token string) bool {
	owner := h.fans[strings.TrimPrefix(token, "shopper-")]
	switch {
	case g == nil:
		return false
	case h.flaws.SellsAtTheDoor:
		return true
	case h.flaws.TrustsAnyToken:
		return owner != nil
	}
	return g.entered && token == g.shopper
}

func (h *House) reserve(w http.ResponseWriter, r *http.Request) {
	g, done := h.guest(r)
	defer done()
	if !h.mayShop(g, r.Header.Get("Ropeline-Shopper")) {
		problem(w, 403, ropeline.CodeNoPass)
		return
	}
	raw, _ := io.ReadAll(r.Body)
	var body struct{ Items []ropeline.Item }
	json.Unmarshal(raw, &body)
	key := r.Header.Get("Idempotency-Key")
	if before := h.reservations[g.byKey[key]]; before != nil && !h.flaws.IgnoresKeys {
		if before.body != string(raw) && !h.flaws.TakesAnyBody {
			problem(w, 422, ropeline.CodeKeyReused)
			return
		}
		answerJSON(w, 201, h.viewReservation(before))
		return
	}
	quantity := body.Items[0].Quantity
	if quantity > h.left() && !h.flaws.Oversells {
		problem(w, 409, ropeline.CodeSoldOut)
		return
	}
	hold := &held{
		id: fmt.Sprintf("%s-%s", h.Event, ropeline.NewID[string]()), state: "held", guest: g,
		body: string(raw), quantity: quantity, deadline: time.Now().Add(hold),
	}
	h.reservations[hold.id], g.byKey[key] = hold, hold.id
	answerJSON(w, 201, h.viewReservation(hold))
}

func (h *House) viewReservation(r *held) map[string]any {
	return map[string]any{
		"id": r.id, "event": h.Event, "state": r.state, "deadline": r.deadline,
		"items": []ropeline.Item{{TicketType: h.kind, Quantity: r.quantity}},
	}
}

func (h *House) getReservation(w http.ResponseWriter, r *http.Request) {
	_, done := h.guest(r)
	defer done()
	answerJSON(w, 200, h.viewReservation(h.reservations[r.PathValue("id")]))
}

func (h *House) release(w http.ResponseWriter, r *http.Request) {
	_, done := h.guest(r)
	defer done()
	if hold := h.reservations[r.PathValue("id")]; hold.state == "held" {
		hold.state = "released"
	}
	w.WriteHeader(204)
}

func (h *House) placeOrder(w http.ResponseWriter, r *http.Request) {
	g, done := h.guest(r)
	defer done()
	var body struct{ Reservation string }
	json.NewDecoder(r.Body).Decode(&body)
	hold := h.reservations[body.Reservation]
	key := r.Header.Get("Idempotency-Key")
	order := h.orders[g.byKey[key]]
	switch {
	case order != nil:
	case hold.state != "held":
		problem(w, 409, ropeline.CodeReservationExpired)
		return
	default:
		order = &sale{id: ropeline.NewID[string](), state: "pending", reservation: hold}
		h.orders[order.id], g.byKey[key] = order, order.id
		if h.flaws.GivesEarly {
			h.issue(order)
		}
	}
	answerJSON(w, 201, h.viewOrder(order))
}

func (h *House) viewOrder(o *sale) map[string]any {
	return map[string]any{
		"id": o.id, "state": o.state, "reservation": o.reservation.id, "tickets": o.tickets,
		"payment": map[string]any{"state": "pending", "client_secret": "secret", "page": "/sandbox/pay/" + o.id},
	}
}

func (h *House) issue(o *sale) {
	for range o.reservation.quantity {
		id := ropeline.NewID[string]()
		code := "code-" + id
		if h.flaws.OneCode {
			code = "code"
		}
		o.tickets = append(o.tickets, map[string]any{"id": id, "ticket_type": h.kind, "code": code})
	}
	o.reservation.guest.tickets = append(o.reservation.guest.tickets, o.tickets...)
}

func (h *House) getOrder(w http.ResponseWriter, r *http.Request) {
	_, done := h.guest(r)
	defer done()
	answerJSON(w, 200, h.viewOrder(h.orders[r.PathValue("id")]))
}

// confirm is the gateway and the settlement in one.
func (h *House) confirm(w http.ResponseWriter, r *http.Request) {
	_, done := h.guest(r)
	defer done()
	var body struct{ Outcome string }
	json.NewDecoder(r.Body).Decode(&body)
	order := h.orders[r.PathValue("ref")]
	switch {
	case body.Outcome == "decline":
		answerJSON(w, 200, map[string]any{"state": "requires_confirmation"})
		return
	case body.Outcome == "three_d_secure":
		answerJSON(w, 200, map[string]any{"state": "requires_action"})
		return
	case order.reservation.state != "held":
		order.state = "expired"
	case order.state == "pending":
		order.state, order.reservation.state = "paid", "converted"
		h.tickets += order.reservation.quantity
		if !h.flaws.Ticketless && !h.flaws.GivesEarly {
			h.issue(order)
		}
	}
	answerJSON(w, 200, map[string]any{"state": "requires_capture"})
}

func (h *House) myTickets(w http.ResponseWriter, r *http.Request) {
	g, done := h.guest(r)
	defer done()
	answerJSON(w, 200, map[string]any{"tickets": g.tickets})
}
