package web_test

import (
	"crypto/ed25519"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/checkout"
)

// free makes an event's tickets cost nothing.
func free(e *ropeline.Event, _ *admission.Rules) { e.TicketTypes[0].Price.Minor = 0 }

// buy has a fan order free tickets, and waits until they are there.
func (h *house) buy(t *testing.T, event ropeline.Event, fan ropeline.FanID, quantity int) []checkout.Ticket {
	t.Helper()
	ctx := t.Context()
	held, err := h.checkout.Reserve(ctx, checkout.Request{Event: event.ID, Fan: fan, PassID: "pass", Key: ropeline.NewID[string](),
		Items: []ropeline.Item{{TicketType: event.TicketTypes[0].ID, Quantity: quantity}}}, 5*time.Second)
	if err != nil || held.State != checkout.ReservationHeld {
		t.Fatalf("%+v, %v", held, err)
	}
	order, err := h.checkout.PlaceOrder(ctx, fan, held.ID, "fan@example.org", ropeline.NewID[string]())
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "tickets", func() bool {
		if err := h.checkout.Nudge(ctx, event.ID); err != nil {
			t.Fatal(err)
		}
		owed, err := h.checkout.TakeUp(ctx, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, taken := range owed {
			if _, err := h.checkout.Perform(ctx, taken); err != nil {
				t.Fatal(err)
			}
		}
		order, err = h.checkout.Order(ctx, order.ID, fan)
		return err == nil && order.State == checkout.OrderPaid
	})
	return order.Tickets
}

type scanned struct {
	Scan, Result, Gate string
	TicketType         string `json:"ticket_type"`
	At                 time.Time
	First              *struct {
		At   time.Time
		Gate string
	}
}

func TestCheckInByTheAPI(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	session := h.signIn(t)
	event := h.event(t, free)
	path := "/admin/events/" + string(event.ID)
	bought := h.buy(t, event, ropeline.NewID[ropeline.FanID](), 3)
	one := func(code, gate string, headers ...string) scanned {
		t.Helper()
		return decode[scanned](t, h.ask(t, "POST", path+"/checkins", fmt.Sprintf(`{"code":%q,"gate":%q}`, code, gate), append(headers, session)...), http.StatusOK)
	}
	first := one(bought[0].Code, "North", "Idempotency-Key: k1")
	again := one(bought[0].Code, "North", "Idempotency-Key: k1")
	second := one(bought[0].Code, "South")
	if first.Result != "accepted" || first.TicketType != "Standing" || again.Result != "accepted" || !again.At.Equal(first.At) {
		t.Errorf("first %+v, again %+v", first, again)
	}
	if second.Result != "already" || second.First == nil || second.First.Gate != "North" || !second.First.At.Equal(first.At) {
		t.Errorf("second %+v", second)
	}

	at := time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)
	batch := fmt.Sprintf(`{"gate":"South","codes":[{"scan":"a","code":%q,"at":%q,"shown":"accepted"},{"scan":"b","code":%q,"at":%q,"shown":"accepted"},{"scan":"c","code":"x","at":%q}]}`,
		bought[0].Code, at, bought[1].Code, at, at)
	for range 2 {
		results := decode[struct{ Results []scanned }](t, h.ask(t, "POST", path+"/checkins", batch, session), http.StatusOK).Results
		if len(results) != 3 || results[0].Result != "already" || results[1].Result != "accepted" || results[1].At.Format(time.RFC3339) != at || results[2].Result != "bad_signature" {
			t.Errorf("%+v", results)
		}
	}

	list := decode[struct{ Checkins []scanned }](t, h.ask(t, "GET", path+"/checkins", "", session), http.StatusOK).Checkins
	if len(list) != 5 || list[0].Scan != "c" {
		t.Errorf("%+v", list)
	}
	if list = decode[struct{ Checkins []scanned }](t, h.ask(t, "GET", path+"/checkins?result=conflict", "", session), http.StatusOK).Checkins; len(list) != 1 || list[0].Scan != "a" {
		t.Errorf("conflicts %+v", list)
	}
	counts := decode[struct {
		Tickets   int
		CheckedIn int `json:"checked_in"`
		Gates     []struct {
			Gate              string
			Accepted, Refused int
		}
	}](t, h.ask(t, "GET", path+"/checkins/counts", "", session), http.StatusOK)
	if counts.Tickets != 3 || counts.CheckedIn != 2 || len(counts.Gates) != 2 || counts.Gates[1].Accepted != 1 || counts.Gates[1].Refused != 3 {
		t.Errorf("%+v", counts)
	}

	desk := "/admin/tickets/" + string(bought[0].ID)
	if got := h.ask(t, "POST", desk+"/undo-checkin", `{"reason":"the wrong phone"}`, session); got.status != http.StatusOK {
		t.Errorf("undo: %d %s", got.status, got.body)
	}
	if got := one(bought[0].Code, "North"); got.Result != "accepted" {
		t.Errorf("after the undoing: %+v", got)
	}
}

func TestRevokeByTheAPI(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	session := h.signIn(t)
	event := h.event(t, free)
	bought := h.buy(t, event, ropeline.NewID[ropeline.FanID](), 3)
	path := "/admin/events/" + string(event.ID) + "/revocations"
	type voids struct {
		Cursor  int64
		Revoked [][2]any
	}
	empty := h.ask(t, "GET", path, "", session)
	if list := decode[voids](t, empty, http.StatusOK); list.Cursor == 0 || len(list.Revoked) != 0 {
		t.Errorf("%+v", list)
	}
	etag := "If-None-Match: " + empty.header.Get("ETag")
	if got := h.ask(t, "GET", path, "", session, etag); got.status != http.StatusNotModified || got.body != "" {
		t.Errorf("nothing new: %d %s", got.status, got.body)
	}
	if got := h.ask(t, "POST", "/admin/tickets/"+string(bought[0].ID)+"/revoke", `{"reason":"stolen"}`, session); got.status != http.StatusOK {
		t.Errorf("revoke: %d %s", got.status, got.body)
	}
	for range 2 {
		if got := h.ask(t, "POST", "/admin/tickets/"+string(bought[1].ID)+"/reissue", `{"reason":"shown around"}`, session, "Idempotency-Key: k"); got.status != http.StatusOK || !strings.Contains(got.body, `"revision":2`) {
			t.Errorf("reissue: %d %s", got.status, got.body)
		}
	}
	var audited int
	if err := h.Pool.QueryRow(t.Context(), "select count(*) from audit_log where object in ($1, $2) and action like 'ticket.%'",
		"ticket/"+string(bought[0].ID), "ticket/"+string(bought[1].ID)).Scan(&audited); err != nil || audited != 2 {
		t.Errorf("%d changes in the audit log, %v", audited, err)
	}
	list := decode[voids](t, h.ask(t, "GET", path, "", session, etag), http.StatusOK)
	want := map[any]any{string(bought[0].ID): 1.0, string(bought[1].ID): 1.0}
	for _, v := range list.Revoked {
		if want[v[0]] != v[1] {
			t.Errorf("%v is void", v)
		}
		delete(want, v[0])
	}
	if len(want) > 0 {
		t.Errorf("not void: %v", want)
	}
}

// Whoever has the public keys can verify a code without asking.
func TestGateKeysVerifyACode(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, free)
	ticket := h.buy(t, event, ropeline.NewID[ropeline.FanID](), 1)[0]
	keys := decode[struct {
		Keys []struct {
			ID        uint8
			Algorithm string
			Public    string
			Signs     bool
		}
	}](t, h.ask(t, "GET", "/events/"+string(event.ID)+"/gate/keys", ""), http.StatusOK).Keys
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(ticket.Code)
	if err != nil || len(raw) != 100 || len(keys) != 1 || keys[0].ID != raw[1] || keys[0].Algorithm != "Ed25519" || !keys[0].Signs {
		t.Fatalf("%d bytes, %v, %+v", len(raw), err, keys)
	}
	public, err := base64.StdEncoding.DecodeString(keys[0].Public)
	if err != nil || !ed25519.Verify(public, raw[:36], raw[36:]) {
		t.Error("the code does not verify")
	}
}

func TestTicketsToKeep(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, free)
	status := h.join(t, event.ID)
	buyer := ropeline.FanID(status.token[:26])
	tickets := h.buy(t, event, buyer, 2)
	one, all := "/tickets/"+string(tickets[0].ID)+".pdf", "/orders/"+string(tickets[0].Order)+"/tickets.pdf"
	for path, pages := range map[string]int{one: 1, all: 2} {
		got := status.ask(t, "GET", path, "")
		if got.status != http.StatusOK || got.header.Get("Content-Type") != "application/pdf" || strings.Count(got.body, "/Type /Page\n") != pages {
			t.Errorf("%s: %d %v", path, got.status, got.header)
		}
	}
	stranger := h.join(t, event.ID)
	for path, code := range map[string]string{one: "ticket_not_found", all: "order_not_found", strings.TrimSuffix(one, ".pdf"): "ticket_not_found", "/tickets/x.pdf": "ticket_not_found"} {
		if got := stranger.ask(t, "GET", path, ""); got.status != http.StatusNotFound || got.code(t) != code {
			t.Errorf("%s of another fan: %d %s", path, got.status, got.body)
		}
	}
	revoke := func(i int) {
		t.Helper()
		err := pgx.BeginFunc(t.Context(), h.Pool, func(tx pgx.Tx) error {
			return h.checkout.Revoke(t.Context(), tx, tickets[i].ID, checkout.Revocation{Cause: checkout.CauseOrganizer, Reason: "a test", By: "test"})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	revoke(0)
	if got := status.ask(t, "GET", one, ""); got.status != http.StatusConflict || got.code(t) != "ticket_ended" {
		t.Errorf("a revoked ticket: %d %s", got.status, got.body)
	}
	if got := status.ask(t, "GET", all, ""); strings.Count(got.body, "/Type /Page\n") != 1 {
		t.Errorf("the order without its revoked ticket: %d", got.status)
	}
}

// A changed event is a newer file of the same entry.
func TestCalendarKnowsChanges(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, nil)
	path := "/events/" + string(event.ID) + "/calendar.ics"
	first := h.ask(t, "GET", path, "")
	if first.status != http.StatusOK || !strings.HasPrefix(first.header.Get("Content-Type"), "text/calendar") || !strings.Contains(first.body, "\r\nSEQUENCE:0\r\n") {
		t.Fatalf("%d %s", first.status, first.body)
	}
	for _, sql := range []string{
		"update events set starts_at = starts_at + interval '1 hour' where id = $1",
		"update events set drop_at = drop_at where id = $1",
		"update venues set city = 'Graz' where id = (select venue_id from events where id = $1)",
	} {
		if _, err := h.Pool.Exec(t.Context(), sql, event.ID); err != nil {
			t.Fatal(err)
		}
	}
	if again := h.ask(t, "GET", path, ""); !strings.Contains(again.body, "\r\nSEQUENCE:2\r\n") || !strings.Contains(again.body, "UID:"+string(event.ID)+"@") {
		t.Errorf("%d %s", again.status, again.body)
	}
}

// A scan is in the audit log although Postgres keeps no zero bytes.
func TestScanOfAnythingIsAudited(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event, session := h.event(t, free), h.organizer(t)
	if got := h.ask(t, "POST", "/admin/events/"+string(event.ID)+"/checkins", `{"code":"a\u0000b","gate":"North"}`, session); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	got := h.ask(t, "GET", "/admin/audit?object=event/"+string(event.ID), "", session)
	if log := decode[struct{ Entries []struct{ Object string } }](t, got, http.StatusOK); len(log.Entries) != 1 || !strings.Contains(got.body, "North") {
		t.Errorf("%s", got.body)
	}
}
