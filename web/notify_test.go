package web_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/hibiken/asynq"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/internal/redisdb"
	"github.com/ropeline/ropeline/notify"
)

const formType, page = "Content-Type: application/x-www-form-urlencoded", "Accept: text/html"

// A fan who waits asks to be told, by the API and by the page's form.
func TestTellMeWhenMyTurnIsNear(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, func(_ *ropeline.Event, r *admission.Rules) { r.Paused = true })
	f := h.join(t, event.ID)
	path := "/events/" + string(event.ID)
	for body, code := range map[string]ropeline.Code{
		`{}`: ropeline.CodeInvalidEmail, `{"email":"x"}`: ropeline.CodeInvalidEmail, `{"phone":"12"}`: ropeline.CodeInvalidPhone,
		`{"phone":"+436641234567"}`:                           ropeline.CodeChannelUnavailable,
		`{"email":"fan@example.com","phone":"+436641234567"}`: ropeline.CodeInvalidRequest, `[`: ropeline.CodeInvalidRequest, `{"email":7}`: ropeline.CodeInvalidRequest,
	} {
		if got := f.ask(t, "POST", path+"/notify", body); got.code(t) != string(code) || got.status >= 500 {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
	}
	got := decode[map[string]string](t, f.ask(t, "POST", path+"/notify", `{"email":"fan@Example.com"}`), http.StatusOK)
	if got["to"] != "f…@example.com" {
		t.Errorf("%v", got)
	}
	var to string
	var number int64
	find := func() {
		t.Helper()
		if err := h.Pool.QueryRow(t.Context(), "select recipient, number from turn_alerts where event_id = $1 and told_at is null", event.ID).Scan(&to, &number); err != nil {
			t.Fatal(err)
		}
	}
	if find(); to != "fan@example.com" || number != f.status.Number {
		t.Errorf("%s %d", to, number)
	}
	sent := f.ask(t, "POST", path+"/notify", url.Values{"to": {"other@example.com"}}.Encode(), formType, page)
	if find(); sent.status != http.StatusSeeOther || sent.header.Get("Location") != path+"/line" || to != "other@example.com" {
		t.Fatalf("%d %s: %s", sent.status, to, sent.body)
	}
	cookie, _, _ := strings.Cut(sent.header.Get("Set-Cookie"), ";")
	shown := f.ask(t, "GET", path+"/line", "", page, "Cookie: "+cookie)
	if !strings.Contains(shown.body, "We write to o…@example.com") {
		t.Error("the waiting page does not say where the message goes")
	}
	if gone := f.ask(t, "DELETE", path+"/notify", ""); gone.status != http.StatusNoContent {
		t.Errorf("%d %s", gone.status, gone.body)
	}
	decode[map[string]string](t, f.ask(t, "POST", path+"/notify", `{"email":"fan@example.com"}`), http.StatusOK)
	if _, err := h.Pool.Exec(t.Context(), "update turn_alerts set told_at = now() where event_id = $1", event.ID); err != nil {
		t.Fatal(err)
	}
	if told := f.ask(t, "POST", path+"/notify", `{"email":"other@example.com"}`); told.status != http.StatusConflict || told.code(t) != string(ropeline.CodeAlreadyTold) || told.header.Get("Set-Cookie") != "" {
		t.Errorf("%d %s", told.status, told.body)
	}
	if stranger := h.ask(t, "POST", path+"/notify", `{"email":"fan@example.com"}`); stranger.status != http.StatusUnauthorized {
		t.Errorf("somebody who is not in the line: %d", stranger.status)
	}
}

// Messages and queues are the owner's to see and to act upon, and that is
// written down.
func TestOperators(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	for _, path := range []string{"/admin/notifications", "/admin/queues"} {
		if got := h.ask(t, "GET", path, ""); got.status != http.StatusUnauthorized {
			t.Errorf("%s is open to everybody: %d", path, got.status)
		}
	}
	cookie := h.signIn(t)
	ctx := t.Context()
	event := h.event(t, nil)
	if _, err := h.Pool.Exec(ctx, `insert into notifications (id, dedupe, kind, channel, recipient, event_id, subject, state, due_at, last_error)
		values ('m1', 'a', 'tickets', 'email', 'fan@example.com', $1, 'o', 'dead', null, '<b>no such mailbox</b>'), ('m2', 'b', 'tickets', 'email', 'x@example.com', $1, 'o', 'dead', null, 'no')`, event.ID); err != nil {
		t.Fatal(err)
	}
	type listed struct {
		Notifications []notify.Row
		Counts        map[string]int
		Via           map[string]string
	}
	list := decode[listed](t, h.ask(t, "GET", "/admin/notifications", "", cookie), http.StatusOK)
	if len(list.Notifications) != 2 || list.Counts["dead"] != 2 || list.Via["email"] != "log" || strings.Contains(h.ask(t, "GET", "/admin/notifications", "", cookie).body, "fan@") {
		t.Errorf("%+v", list)
	}
	shown := h.ask(t, "GET", "/admin/notifications", "", cookie, page)
	if !strings.Contains(shown.body, "&lt;b&gt;no such mailbox") || !strings.Contains(shown.body, "No mail server is configured") {
		t.Error(shown.body)
	}
	if got := h.ask(t, "GET", "/admin/notifications?state=odd", "", cookie); got.status != http.StatusBadRequest {
		t.Errorf("%d", got.status)
	}
	if got := h.ask(t, "POST", "/admin/notifications", `{"resend":"m1"}`, cookie); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body)
	}
	for body, code := range map[string]ropeline.Code{`{"resend":"m1"}`: ropeline.CodeNotificationNotDead, `{"resend":"m0"}`: ropeline.CodeNotificationNotFound} {
		if got := h.ask(t, "POST", "/admin/notifications", body, cookie); got.code(t) != string(code) {
			t.Errorf("%s: %s", body, got.body)
		}
	}
	if got := h.ask(t, "POST", "/admin/notifications", "resend=dead", cookie, formType, page); got.status != http.StatusSeeOther {
		t.Errorf("%d %s", got.status, got.body)
	}
	if list = decode[listed](t, h.ask(t, "GET", "/admin/notifications?state=queued", "", cookie), http.StatusOK); len(list.Notifications) != 2 {
		t.Errorf("%+v", list)
	}

	r, err := redisdb.Open(ctx, h.RedisURL)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	client := asynq.NewClient(r.Asynq())
	defer client.Close()
	if _, err := client.Enqueue(asynq.NewTask("letter", []byte("id 1")), asynq.Queue("letters"), asynq.TaskID("letter:id 1")); err != nil {
		t.Fatal(err)
	}
	type work struct {
		Queues []struct {
			Queue             string
			Pending, Archived int
		}
		Tasks []struct{ ID, Type, Payload, State string }
	}
	look := func(state string) work {
		t.Helper()
		return decode[work](t, h.ask(t, "GET", "/admin/queues?queue=letters&state="+state, "", cookie), http.StatusOK)
	}
	if w := look("pending"); len(w.Queues) != 1 || w.Queues[0].Pending != 1 || len(w.Tasks) != 1 || w.Tasks[0].Payload != "id 1" {
		t.Fatalf("%+v", w)
	}
	act := func(action string, want int) {
		t.Helper()
		body, _ := json.Marshal(map[string]string{"task": "letter:id 1", "action": action})
		if got := h.ask(t, "POST", "/admin/queues/letters", string(body), cookie); got.status != want {
			t.Errorf("%s: %d %s", action, got.status, got.body)
		}
	}
	act("run", http.StatusConflict) // it is pending
	act("archive", http.StatusNoContent)
	if shown := h.ask(t, "GET", "/admin/queues?queue=letters", "", cookie, page); !strings.Contains(shown.body, "id 1") || !strings.Contains(shown.body, `value="run"`) || strings.Contains(shown.body, "Failed") {
		t.Error(shown.body)
	}
	act("run", http.StatusNoContent)
	act("eat", http.StatusBadRequest)
	if got := h.ask(t, "POST", "/admin/queues/letters", "task=letter%3Aid+1&action=delete", cookie, formType, page); got.status != http.StatusSeeOther {
		t.Errorf("%d %s", got.status, got.body)
	}
	act("delete", http.StatusNotFound)
	for _, query := range []string{"queue=none&state=pending", "queue=letters&state=odd"} {
		if got := h.ask(t, "GET", "/admin/queues?"+query, "", cookie); got.status != http.StatusNotFound && got.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
	var audited int
	if err := h.Pool.QueryRow(ctx, "select count(*) from audit_log where action in ('task.run', 'task.archive', 'task.delete', 'notification.resend') and actor = 'owner@ropeline.local'").Scan(&audited); err != nil || audited != 5 {
		t.Errorf("%d audited: %v", audited, err)
	}
}

// The tickets of a paid order are sent again on demand, to its own fan, and not
// by clicking.
func TestTicketsAreSentAgain(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, func(e *ropeline.Event, _ *admission.Rules) { e.TicketTypes[0].Price.Minor = 0 })
	f := h.join(t, event.ID).enter(t)
	held := decode[struct{ ID string }](t, f.ask(t, "POST", "/events/"+string(event.ID)+"/reserve-tickets",
		`{"items":[{"ticket_type":"`+string(event.TicketTypes[0].ID)+`","quantity":1}]}`, "Prefer: wait=10"), http.StatusCreated)
	order := decode[struct{ ID ropeline.OrderID }](t, f.ask(t, "POST", "/orders", `{"reservation":"`+held.ID+`","email":"fan@example.com"}`), http.StatusCreated)
	path := "/orders/" + string(order.ID)
	if early := f.ask(t, "POST", path+"/resend", ""); early.status != http.StatusConflict && early.status != http.StatusAccepted {
		t.Errorf("before it is paid: %d %s", early.status, early.body)
	}
	eventually(t, "the tickets", func() bool {
		owed, err := h.checkout.TakeUp(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, taken := range owed {
			if _, err := h.checkout.Perform(t.Context(), taken); err != nil {
				t.Error(err)
			}
		}
		return strings.Contains(f.ask(t, "GET", path, "").body, `"qr"`)
	})
	if shown := f.ask(t, "GET", path, "", page); !strings.Contains(shown.body, "Send again") {
		t.Error("the page of the order does not offer it")
	}
	if sent := f.ask(t, "POST", path+"/resend", "", formType, page); sent.status != http.StatusSeeOther {
		t.Errorf("%d %s", sent.status, sent.body)
	}
	if soon := f.ask(t, "POST", path+"/resend", ""); soon.status != http.StatusTooManyRequests {
		t.Errorf("at once again: %d", soon.status)
	}
	if other := h.join(t, event.ID).ask(t, "POST", path+"/resend", ""); other.code(t) != string(ropeline.CodeOrderNotFound) {
		t.Errorf("somebody else: %s", other.body)
	}
	var rows int
	if err := h.Pool.QueryRow(t.Context(), "select count(*) from notifications where subject = $1 and kind = 'tickets'", order.ID).Scan(&rows); err != nil || rows != 1 {
		t.Errorf("%d messages: %v", rows, err)
	}
}
