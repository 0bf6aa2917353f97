package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
)

// TestBadInput sends what must not work: each is a 4xx problem with a stable
// code, at once, and nothing in Postgres changes.
func TestBadInput(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, nil)
	later := h.event(t, func(e *ropeline.Event, _ *admission.Rules) {
		e.DropAt, e.ClosesAt = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
	})
	over := h.event(t, func(e *ropeline.Event, _ *admission.Rules) {
		e.DropAt, e.ClosesAt = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	})
	buyer := h.join(t, event.ID).enter(t)
	stranger := h.join(t, event.ID)
	seat := string(event.TicketTypes[0].ID)
	reserve := "/events/" + string(event.ID) + "/reserve-tickets"
	items := func(quantity string) string {
		return `{"items":[{"ticket_type":"` + seat + `","quantity":` + quantity + `}]}`
	}
	held := decode[struct{ ID string }](t, buyer.ask(t, "POST", reserve, items("1"), "Prefer: wait=5", "Idempotency-Key: first"), http.StatusCreated)
	unknown := string(ropeline.NewID[ropeline.EventID]())
	owner, err := h.accounts.EnsureOwner(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	signIn := h.ask(t, "POST", "/admin/login", `{"email":"owner@ropeline.local","password":"`+owner+`"}`, "Content-Type: application/json")
	session := "Cookie: " + strings.Split(signIn.header.Get("Set-Cookie"), ";")[0]

	late := h.admission.Pass(admission.Shopper{Event: event.ID, Fan: ropeline.FanID(stranger.token[:26]), Epoch: 1, Number: 1,
		AdmittedAt: time.Now().Add(-time.Hour), PassUntil: time.Now().Add(-time.Minute)})
	ended := h.admission.ShopperToken(admission.Shopper{Event: event.ID, Fan: ropeline.FanID(stranger.token[:26]), Epoch: 1, Number: 1,
		AdmittedAt: time.Now().Add(-time.Hour), ShopUntil: time.Now().Add(-time.Minute)})

	gate := "/admin/events/" + string(event.ID)
	bought := h.join(t, event.ID).enter(t).buy(t, event, "a@b.example")

	before := h.rows(t)
	big := `{"items":"` + strings.Repeat("x", 10<<20) + `"}`
	for _, c := range []struct {
		name, method, path, body string
		as                       *fan
		headers                  []string
		status                   int
		code                     ropeline.Code
	}{
		{name: "unknown event", method: "GET", path: "/events/" + unknown, status: 404, code: ropeline.CodeEventNotFound},
		{name: "event id of another form", method: "GET", path: "/events/'; drop table events", status: 404, code: ropeline.CodeEventNotFound},
		{name: "zero byte in the address", method: "GET", path: "/sandbox/pay/%00", as: buyer, status: 400, code: ropeline.CodeInvalidRequest},
		{name: "no UTF-8 in the address", method: "POST", path: "/sandbox/intents/%ff/confirm", body: `{"client_secret":"","outcome":"approve"}`, status: 400, code: ropeline.CodeInvalidRequest},
		{name: "zero byte in the query", method: "GET", path: "/events?after=%00", status: 400, code: ropeline.CodeInvalidRequest},
		{name: "sign-in with a zero byte", method: "POST", path: "/admin/login", body: `{"email":"a\u0000b","password":"x"}`, status: 401, code: ropeline.CodeUnauthenticated},
		{name: "a browser's form type without a browser", method: "POST", path: "/events/" + string(event.ID) + "/enter", as: buyer, body: `{"pass":"x"}`, headers: []string{"Content-Type: application/x-www-form-urlencoded"}, status: 403, code: ropeline.CodePassInvalid},
		{name: "unknown address", method: "GET", path: "/nothing", status: 404, code: ropeline.CodeNotFound},
		{name: "unknown method", method: "PATCH", path: "/events", status: 405, code: ropeline.CodeMethodNotAllowed},
		{name: "false cursor", method: "GET", path: "/events?after=zzz", status: 400, code: ropeline.CodeInvalidRequest},
		{name: "join an unknown event", method: "POST", path: "/events/" + unknown + "/queue", status: 404, code: ropeline.CodeEventNotFound},
		{name: "join before the drop", method: "POST", path: "/events/" + string(later.ID) + "/queue", status: 409, code: ropeline.CodeNotOpen},
		{name: "join after the end", method: "POST", path: "/events/" + string(over.ID) + "/queue", status: 409, code: ropeline.CodeSaleClosed},
		{name: "join with a false identity", method: "POST", path: "/events/" + string(event.ID) + "/queue", headers: []string{"Authorization: Bearer me"}, status: 401, code: ropeline.CodeUnauthenticated},
		{name: "join with a false place", method: "POST", path: "/events/" + string(event.ID) + "/queue", as: stranger, headers: []string{"Ropeline-Place: abc"}, status: 400, code: ropeline.CodePlaceInvalid},
		{name: "join with another's place", method: "POST", path: "/events/" + string(event.ID) + "/queue", as: stranger, headers: []string{"Ropeline-Place: " + buyer.status.Place}, status: 400, code: ropeline.CodePlaceInvalid},
		{name: "poll without identity", method: "GET", path: "/events/" + string(event.ID) + "/queue", status: 401, code: ropeline.CodeUnauthenticated},
		{name: "poll without having joined", method: "GET", path: "/events/" + string(later.ID) + "/queue", headers: []string{"Authorization: Bearer " + stranger.token}, status: 404, code: ropeline.CodeNotInLine},
		{name: "socket from elsewhere", method: "GET", path: "/events/" + string(event.ID) + "/queue/ws", as: stranger, headers: []string{"Origin: https://evil.example"}, status: 403, code: ropeline.CodeCrossOrigin},
		{name: "socket without upgrade", method: "GET", path: "/events/" + string(event.ID) + "/queue/ws", as: stranger, status: 400, code: ropeline.CodeInvalidRequest},
		{name: "post from elsewhere", method: "POST", path: "/events/" + string(event.ID) + "/queue", headers: []string{"Origin: https://evil.example", "Sec-Fetch-Site: cross-site"}, status: 403, code: ropeline.CodeCrossOrigin},

		{name: "enter with garbage", method: "POST", path: "/events/" + string(event.ID) + "/enter", as: stranger, body: `{"pass":"AAAA"}`, status: 403, code: ropeline.CodePassInvalid},
		{name: "enter with another's pass", method: "POST", path: "/events/" + string(event.ID) + "/enter", as: stranger, body: `{"pass":"` + buyer.status.Pass + `"}`, status: 403, code: ropeline.CodePassInvalid},
		{name: "enter with a forged pass", method: "POST", path: "/events/" + string(event.ID) + "/enter", as: buyer, body: `{"pass":"` + forge(buyer.status.Pass) + `"}`, status: 403, code: ropeline.CodePassInvalid},
		{name: "enter with an expired pass", method: "POST", path: "/events/" + string(event.ID) + "/enter", as: stranger, body: `{"pass":"` + late + `"}`, status: 403, code: ropeline.CodePassExpired},
		{name: "enter another event", method: "POST", path: "/events/" + string(later.ID) + "/enter", as: buyer, body: `{"pass":"` + buyer.status.Pass + `"}`, status: 403, code: ropeline.CodePassInvalid},
		{name: "reserve after the time to shop", method: "POST", path: reserve, as: stranger, body: items("1"), headers: []string{"Ropeline-Shopper: " + ended}, status: 403, code: ropeline.CodePassExpired},
		{name: "enter with a broken body", method: "POST", path: "/events/" + string(event.ID) + "/enter", as: buyer, body: `{"pass":`, status: 400, code: ropeline.CodeInvalidRequest},
		{name: "enter with a number as pass", method: "POST", path: "/events/" + string(event.ID) + "/enter", as: buyer, body: `{"pass":7}`, status: 400, code: ropeline.CodeInvalidRequest},

		{name: "reserve without a pass", method: "POST", path: reserve, as: stranger, body: items("1"), status: 403, code: ropeline.CodeNoPass},
		{name: "reserve with another's admission", method: "POST", path: reserve, as: stranger, body: items("1"), headers: []string{"Ropeline-Shopper: " + buyer.shopper}, status: 403, code: ropeline.CodeNoPass},
		{name: "reserve with a forged admission", method: "POST", path: reserve, as: buyer, body: items("1"), headers: []string{"Ropeline-Shopper: " + forge(buyer.shopper)}, status: 403, code: ropeline.CodeNoPass},
		{name: "reserve nothing", method: "POST", path: reserve, as: buyer, body: items("0"), status: 422, code: ropeline.CodeInvalidQuantity},
		{name: "reserve less than nothing", method: "POST", path: reserve, as: buyer, body: items("-3"), status: 422, code: ropeline.CodeInvalidQuantity},
		{name: "reserve a million", method: "POST", path: reserve, as: buyer, body: items("1000000"), status: 422, code: ropeline.CodeInvalidQuantity},
		{name: "reserve more than an int", method: "POST", path: reserve, as: buyer, body: items("99999999999999999999"), status: 400, code: ropeline.CodeInvalidRequest},
		{name: "reserve one and a half", method: "POST", path: reserve, as: buyer, body: items("1.5"), status: 400, code: ropeline.CodeInvalidRequest},
		{name: "reserve no items", method: "POST", path: reserve, as: buyer, body: `{"items":[]}`, status: 422, code: ropeline.CodeInvalidQuantity},
		{name: "reserve null", method: "POST", path: reserve, as: buyer, body: `null`, status: 422, code: ropeline.CodeInvalidQuantity},
		{name: "reserve with malformed JSON", method: "POST", path: reserve, as: buyer, body: `{"items":[`, status: 400, code: ropeline.CodeInvalidRequest},
		{name: "reserve with an empty body", method: "POST", path: reserve, as: buyer, body: ``, status: 400, code: ropeline.CodeInvalidRequest},
		{name: "reserve with two values", method: "POST", path: reserve, as: buyer, body: items("1") + items("1"), status: 400, code: ropeline.CodeInvalidRequest},
		{name: "reserve with 10 MB", method: "POST", path: reserve, as: buyer, body: big, status: 413, code: ropeline.CodeBodyTooLarge},
		{name: "reserve with a used key and another body", method: "POST", path: reserve, as: buyer, body: items("2"), headers: []string{"Idempotency-Key: first", "Prefer: wait=5"}, status: 422, code: ropeline.CodeKeyReused},
		{name: "reserve with an endless key", method: "POST", path: reserve, as: buyer, body: items("1"), headers: []string{"Idempotency-Key: " + strings.Repeat("k", 300)}, status: 400, code: ropeline.CodeInvalidKey},

		{name: "someone else's reservation", method: "GET", path: "/reservations/" + held.ID, as: stranger, status: 404, code: ropeline.CodeReservationNotFound},
		{name: "give back someone else's reservation", method: "DELETE", path: "/reservations/" + held.ID, as: stranger, status: 404, code: ropeline.CodeReservationNotFound},
		{name: "a reservation that is none", method: "GET", path: "/reservations/x", as: buyer, status: 404, code: ropeline.CodeReservationNotFound},
		{name: "change someone else's reservation", method: "PUT", path: "/reservations/" + held.ID, as: stranger, body: items("1"), status: 404, code: ropeline.CodeReservationNotFound},
		{name: "change to nothing", method: "PUT", path: "/reservations/" + held.ID, as: buyer, body: `{"items":[]}`, status: 422, code: ropeline.CodeInvalidQuantity},
		{name: "change with an endless key", method: "PUT", path: "/reservations/" + held.ID, as: buyer, body: items("1"), headers: []string{"Idempotency-Key: " + strings.Repeat("k", 300)}, status: 400, code: ropeline.CodeInvalidKey},
		{name: "orders without sign-in", method: "GET", path: "/admin/orders", status: 401, code: ropeline.CodeUnauthenticated},
		{name: "orders of no event", method: "GET", path: "/admin/orders?event=x", headers: []string{session}, status: 404, code: ropeline.CodeEventNotFound},
		{name: "orders from a false cursor", method: "GET", path: "/admin/orders?after=zzz", headers: []string{session}, status: 400, code: ropeline.CodeInvalidRequest},
		{name: "an endless search", method: "GET", path: "/admin/orders?q=" + strings.Repeat("q", 300), headers: []string{session}, status: 400, code: ropeline.CodeInvalidRequest},
		{name: "file of no order", method: "GET", path: "/admin/orders/x", headers: []string{session}, status: 404, code: ropeline.CodeOrderNotFound},
		{name: "refund of no order", method: "POST", path: "/admin/orders/" + string(ropeline.NewID[ropeline.OrderID]()) + "/refunds", body: `{"reason":"r"}`, headers: []string{session}, status: 404, code: ropeline.CodeOrderNotFound},
		{name: "refund without a reason", method: "POST", path: "/admin/orders/" + bought + "/refunds", body: `{}`, headers: []string{session}, status: 400, code: ropeline.CodeInvalidRequest},
		{name: "refund of less than nothing", method: "POST", path: "/admin/orders/" + bought + "/refunds", body: `{"reason":"r","amount":-1}`, headers: []string{session}, status: 400, code: ropeline.CodeInvalidRequest},
		{name: "refund of no ticket", method: "POST", path: "/admin/orders/" + bought + "/refunds", body: `{"reason":"r","tickets":["x"]}`, headers: []string{session}, status: 404, code: ropeline.CodeTicketNotFound},
		{name: "refund of a misspelt amount", method: "POST", path: "/admin/orders/" + bought + "/refunds", body: `{"reason":"r","amount_minor":100}`, headers: []string{session}, status: 400, code: ropeline.CodeInvalidRequest},
		{name: "refund of an empty list", method: "POST", path: "/admin/orders/" + bought + "/refunds", body: `{"reason":"r","tickets":[]}`, headers: []string{session}, status: 400, code: ropeline.CodeInvalidRequest},
		{name: "cancel with a misspelt restock", method: "POST", path: "/admin/orders/" + bought + "/cancel", body: `{"reason":"r","restok":true}`, headers: []string{session}, status: 400, code: ropeline.CodeInvalidRequest},
		{name: "cancel no order", method: "POST", path: "/admin/orders/" + string(ropeline.NewID[ropeline.OrderID]()) + "/cancel", body: `{"reason":"r"}`, headers: []string{session}, status: 404, code: ropeline.CodeOrderNotFound},
		{name: "cancel an event without a reason", method: "POST", path: "/admin/events/" + string(event.ID) + "/cancel", body: `{"reason":" "}`, headers: []string{session}, status: 400, code: ropeline.CodeInvalidRequest},
		{name: "progress of no cancellation", method: "GET", path: "/admin/events/" + string(event.ID) + "/cancel", headers: []string{session}, status: 404, code: ropeline.CodeEventNotFound},
		{name: "a capacity without sign-in", method: "PUT", path: "/admin/events/" + string(event.ID) + "/types/" + seat, body: `{"capacity":1}`, status: 401, code: ropeline.CodeUnauthenticated},
		{name: "a capacity below nothing", method: "PUT", path: "/admin/events/" + string(event.ID) + "/types/" + seat, body: `{"capacity":-1}`, headers: []string{session}, status: 422, code: ropeline.CodeInvalidQuantity},
		{name: "no capacity", method: "PUT", path: "/admin/events/" + string(event.ID) + "/types/" + seat, body: `{}`, headers: []string{session}, status: 400, code: ropeline.CodeInvalidRequest},
		{name: "a capacity of another form", method: "PUT", path: "/admin/events/" + string(event.ID) + "/types/" + seat, body: `{"capacity":"many"}`, headers: []string{session}, status: 400, code: ropeline.CodeInvalidRequest},
		{name: "a capacity of no type", method: "PUT", path: "/admin/events/" + string(event.ID) + "/types/x", body: `{"capacity":1}`, headers: []string{session}, status: 422, code: ropeline.CodeUnknownTicketType},
		{name: "order someone else's reservation", method: "POST", path: "/orders", as: stranger, body: `{"reservation":"` + held.ID + `","email":"a@b.example"}`, status: 404, code: ropeline.CodeReservationNotFound},
		{name: "order without an address", method: "POST", path: "/orders", as: buyer, body: `{"reservation":"` + held.ID + `","email":"nobody"}`, status: 422, code: ropeline.CodeInvalidEmail},
		{name: "order with a header in the address", method: "POST", path: "/orders", as: buyer, body: `{"reservation":"` + held.ID + `","email":"a@b.example\r\nBcc: c@d.example"}`, status: 422, code: ropeline.CodeInvalidEmail},
		{name: "someone's order", method: "GET", path: "/orders/" + string(ropeline.NewID[ropeline.OrderID]()), as: buyer, status: 404, code: ropeline.CodeOrderNotFound},
		{name: "tickets of nobody", method: "GET", path: "/users/me/tickets", status: 401, code: ropeline.CodeUnauthenticated},
		{name: "someone's ticket", method: "GET", path: "/tickets/" + string(ropeline.NewID[ropeline.TicketID]()) + "/qr.png", as: buyer, status: 404, code: ropeline.CodeTicketNotFound},

		{name: "webhook without signature", method: "POST", path: "/payments/webhook", body: `{}`, status: 400, code: ropeline.CodeBadSignature},
		{name: "webhook with a false signature", method: "POST", path: "/payments/webhook", body: `{}`, headers: []string{fmt.Sprintf("Ropeline-Sandbox-Signature: t=%d,v1=00", time.Now().Unix())}, status: 400, code: ropeline.CodeBadSignature},
		{name: "webhook of 10 MB", method: "POST", path: "/payments/webhook", body: big, status: 413, code: ropeline.CodeBodyTooLarge},
		{name: "confirm an unknown payment", method: "POST", path: "/sandbox/intents/x/confirm", body: `{"client_secret":"","outcome":"approve"}`, status: 404, code: ropeline.CodeNotFound},

		{name: "organizer's API without sign-in", method: "PUT", path: "/admin/events/" + string(event.ID) + "/rules", body: `{}`, status: 401, code: ropeline.CodeUnauthenticated},
		{name: "organizer's API with a false session", method: "GET", path: "/admin/events/" + string(event.ID) + "/live", headers: []string{"Cookie: ropeline_session=x"}, status: 401, code: ropeline.CodeUnauthenticated},
		{name: "sign-in with a false password", method: "POST", path: "/admin/login", body: `{"email":"owner@ropeline.local","password":"x"}`, status: 401, code: ropeline.CodeUnauthenticated},
		{name: "rules beyond bounds", method: "PUT", path: "/admin/events/" + string(event.ID) + "/rules", body: `{"rate_per_minute":-1}`, headers: []string{session}, status: 422, code: ropeline.CodeInvalidRules},
		{name: "rules of another version", method: "PUT", path: "/admin/events/" + string(event.ID) + "/rules", body: `{"version":9,"rate_per_minute":1}`, headers: []string{session}, status: 409, code: ropeline.CodeRulesConflict},
		{name: "check in without sign-in", method: "POST", path: gate + "/checkins", body: `{"code":"X","gate":"North"}`, status: 401, code: ropeline.CodeUnauthenticated},
		{name: "check in without a code", method: "POST", path: gate + "/checkins", body: `{"gate":"North"}`, headers: []string{session}, status: 400, code: ropeline.CodeInvalidRequest},
		{name: "check in without a gate", method: "POST", path: gate + "/checkins", body: `{"code":"X"}`, headers: []string{session}, status: 400, code: ropeline.CodeInvalidRequest},
		{name: "check in nobody", method: "POST", path: gate + "/checkins", body: `{"gate":"North","codes":[]}`, headers: []string{session}, status: 400, code: ropeline.CodeInvalidRequest},
		{name: "check in one and many", method: "POST", path: gate + "/checkins", body: `{"gate":"North","code":"X","codes":[{"scan":"1","code":"X"}]}`, headers: []string{session}, status: 400, code: ropeline.CodeInvalidRequest},
		{name: "check in without the scan's name", method: "POST", path: gate + "/checkins", body: `{"gate":"North","codes":[{"code":"X"}]}`, headers: []string{session}, status: 400, code: ropeline.CodeInvalidRequest},
		{name: "check in at no time", method: "POST", path: gate + "/checkins", body: `{"gate":"North","codes":[{"scan":"1","code":"X","at":"noon"}]}`, headers: []string{session}, status: 400, code: ropeline.CodeInvalidRequest},
		{name: "check in at an unknown event", method: "POST", path: "/admin/events/" + unknown + "/checkins", body: `{"gate":"North","code":"X"}`, headers: []string{session}, status: 404, code: ropeline.CodeEventNotFound},
		{name: "scans before nothing", method: "GET", path: gate + "/checkins?before=x", headers: []string{session}, status: 400, code: ropeline.CodeInvalidRequest},
		{name: "revocations since nothing", method: "GET", path: gate + "/revocations?since=-1", headers: []string{session}, status: 400, code: ropeline.CodeInvalidRequest},
		{name: "entered after nothing", method: "GET", path: gate + "/entered?after=x", headers: []string{session}, status: 400, code: ropeline.CodeInvalidRequest},
		{name: "revoke no ticket", method: "POST", path: "/admin/tickets/x/revoke", body: `{"reason":"r"}`, headers: []string{session}, status: 404, code: ropeline.CodeTicketNotFound},
		{name: "revoke an unknown ticket", method: "POST", path: "/admin/tickets/" + unknown + "/revoke", body: `{"reason":"r"}`, headers: []string{session}, status: 404, code: ropeline.CodeTicketNotFound},
		{name: "revoke without a reason", method: "POST", path: "/admin/tickets/" + unknown + "/revoke", body: `{}`, headers: []string{session}, status: 404, code: ropeline.CodeTicketNotFound},
		{name: "reissue with a zero byte", method: "POST", path: "/admin/tickets/" + unknown + "/reissue", body: `{"reason":"a\u0000b"}`, headers: []string{session}, status: 404, code: ropeline.CodeTicketNotFound},
		{name: "undo no check-in", method: "POST", path: "/admin/tickets/" + unknown + "/undo-checkin", body: `{"reason":"r"}`, headers: []string{session}, status: 404, code: ropeline.CodeTicketNotFound},
		{name: "event without ticket types", method: "POST", path: "/admin/events", body: `{"name":"x"}`, headers: []string{session}, status: 400, code: ropeline.CodeInvalidRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			ask := h.ask
			if c.as != nil {
				ask = c.as.ask
			}
			start := time.Now()
			got := ask(t, c.method, strings.ReplaceAll(c.path, " ", "%20"), c.body, c.headers...)
			if got.status != c.status || got.code(t) != string(c.code) {
				t.Errorf("%d %s, want %d %s: %s", got.status, got.code(t), c.status, c.code, got.body)
			}
			if kind := got.header.Get("Content-Type"); kind != "application/problem+json" {
				t.Errorf("content type %q", kind)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
	if after := h.rows(t); after != before {
		t.Errorf("rows changed:\nbefore %s\nafter  %s", before, after)
	}
}

// rows counts what bad input must not change.
func (h *house) rows(t *testing.T) (counts string) {
	t.Helper()
	err := h.Pool.QueryRow(t.Context(), `
		select concat_ws(' ', (select count(*) from events), (select count(*) from reservations), (select sum(held) from stock),
			(select sum(sold) from stock), (select count(*) from orders), (select count(*) from payments), (select count(*) from webhook_events),
			(select count(*) from tickets), (select count(*) from admission_rules), (select count(*) from sessions),
			(select count(*) from checkins), (select count(*) from revocations))`).Scan(&counts)
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

// forge changes one character in the middle of a token.
func forge(token string) string {
	middle := len(token) / 2
	other := byte('A')
	if token[middle] == other {
		other = 'B'
	}
	return token[:middle] + string(other) + token[middle+1:]
}
