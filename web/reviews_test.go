package web_test

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/fraud"
	"github.com/ropeline/ropeline/web"
)

// scoring is a house whose free orders go where the thresholds send them.
func scoring(t *testing.T) (h *house, event ropeline.Event, desk []string) {
	t.Helper()
	h = openHouse(t, func(o *web.Options) {
		o.Fraud = fraud.New(o.Redis, o.Pool, o.Keys, fraud.DefaultModel(), o.Log, fraud.Options{Budget: 5 * time.Second})
	})
	event = h.event(t, func(e *ropeline.Event, _ *admission.Rules) { e.TicketTypes[0].Price.Minor = 0 })
	return h, event, []string{h.signIn(t)}
}

func (h *house) thresholds(t *testing.T, event ropeline.EventID, desk []string, body string) answer {
	t.Helper()
	return h.ask(t, "PUT", "/admin/events/"+string(event)+"/fraud", body, desk...)
}

type orderSeen struct {
	ID     string `json:"id"`
	State  string `json:"state"`
	Review string `json:"review"`
}

// orders reserves a ticket and orders it.
func (f *fan) orders(t *testing.T, event ropeline.Event, email string) orderSeen {
	t.Helper()
	held := decode[struct {
		ID string `json:"id"`
	}](t, f.ask(t, "POST", "/events/"+string(event.ID)+"/reserve-tickets", `{"items":[{"ticket_type":"`+string(event.TicketTypes[0].ID)+`","quantity":1}]}`, "Prefer: wait=5"), http.StatusCreated)
	return decode[orderSeen](t, f.ask(t, "POST", "/orders", `{"reservation":"`+held.ID+`","email":"`+email+`"}`), http.StatusCreated)
}

func (f *fan) seen(t *testing.T, id string) orderSeen {
	t.Helper()
	return decode[orderSeen](t, f.ask(t, "GET", "/orders/"+id, ""), http.StatusOK)
}

// work does what is owed, as the worker does.
func (h *house) work(t *testing.T) {
	t.Helper()
	ids, err := h.checkout.TakeUp(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, taken := range ids {
		if _, err := h.checkout.Perform(t.Context(), taken); err != nil {
			t.Log(err)
		}
	}
}

func TestReviewQueue(t *testing.T) {
	h, event, desk := scoring(t)
	set := h.thresholds(t, event.ID, desk, `{"enabled":true,"review_at":0,"reject_at":1,"review_hours":5,"at_deadline":"approve"}`)
	if set.status != http.StatusOK || !strings.Contains(set.body, `"version":1`) {
		t.Fatalf("%d %s", set.status, set.body)
	}
	var fans []*fan
	var orders []orderSeen
	for n := range 2 {
		f := h.join(t, event.ID).enter(t)
		fans, orders = append(fans, f), append(orders, f.orders(t, event, fmt.Sprintf("fan%d@example.com", n)))
	}
	eventually(t, "both wait", func() bool {
		h.work(t)
		return fans[0].seen(t, orders[0].ID).Review == "waiting" && fans[1].seen(t, orders[1].ID).Review == "waiting"
	})
	page := fans[0].ask(t, "GET", "/orders/"+orders[0].ID, "", "Accept: text/html")
	if !strings.Contains(page.body, "being checked") || !strings.Contains(page.body, "Nothing to pay") {
		t.Errorf("the fan's page: %s", page.body)
	}
	queue := decode[struct {
		Reviews []struct {
			Order      string   `json:"order"`
			Decision   string   `json:"decision"`
			AtDeadline string   `json:"at_deadline"`
			Reasons    []string `json:"reasons"`
		} `json:"reviews"`
		Next string `json:"next"`
	}](t, h.ask(t, "GET", "/admin/reviews?event="+string(event.ID), "", desk...), http.StatusOK)
	if len(queue.Reviews) != 2 || queue.Next != "" || queue.Reviews[0].Order != orders[0].ID || queue.Reviews[0].Decision != "waiting" || queue.Reviews[0].AtDeadline != "approve" {
		t.Fatalf("%+v", queue)
	}
	list := h.ask(t, "GET", "/admin/reviews", "", append(desk, "Accept: text/html")...)
	if list.status != http.StatusOK || !strings.Contains(list.body, "/admin/reviews/"+orders[1].ID) {
		t.Errorf("the page: %d %s", list.status, list.body)
	}

	for _, why := range queue.Reviews[0].Reasons {
		if !strings.Contains(list.body, "<li>"+html.EscapeString(why)+"</li>") || !strings.Contains(why, " ") {
			t.Errorf("the page does not say the reason %q", why)
		}
	}
	path := "/admin/reviews/" + orders[0].ID
	first := h.ask(t, "POST", path, `{"decision":"approve","note":"knows them"}`, append(desk, "Idempotency-Key: k1")...)
	again := h.ask(t, "POST", path, `{"decision":"approve","note":"knows them"}`, append(desk, "Idempotency-Key: k1")...)
	if first.status != http.StatusOK || again.body != first.body || !strings.Contains(first.body, `"decision":"approve"`) {
		t.Errorf("%d %s, and again %d %s", first.status, first.body, again.status, again.body)
	}
	if other := h.ask(t, "POST", path, `{"decision":"reject"}`, desk...); other.status != http.StatusConflict || other.code(t) != "review_decided" || !strings.Contains(other.body, "has approved this order already.") {
		t.Errorf("%d %s", other.status, other.body)
	}
	form := h.ask(t, "POST", "/admin/reviews/"+orders[1].ID, "decision=reject&note=", append(desk, "Accept: text/html", "Content-Type: application/x-www-form-urlencoded")...)
	if form.status != http.StatusSeeOther || form.header.Get("Location") != "/admin/reviews?event="+string(event.ID) {
		t.Errorf("%d %s", form.status, form.body)
	}
	eventually(t, "both are decided", func() bool {
		h.work(t)
		return fans[0].seen(t, orders[0].ID).State == "paid" && fans[1].seen(t, orders[1].ID).State == "canceled"
	})
	if end := fans[1].seen(t, orders[1].ID); end.Review != "rejected" {
		t.Errorf("%+v", end)
	}
	var logged, labels int
	if err := h.Pool.QueryRow(t.Context(), `select (select count(*) from audit_log where action in ('review.approve', 'review.reject', 'fraud.settings')),
		(select count(*) from fraud_orders where label is not null)`).Scan(&logged, &labels); err != nil || logged != 3 || labels != 2 {
		t.Errorf("%v: %d in the audit log, %d labels", err, logged, labels)
	}
	found, err := checkout.Audit(t.Context(), h.Pool, event.ID)
	if err != nil || len(found) != 0 {
		t.Errorf("%v %v", err, found)
	}
}

// An order that ends with its event was not rejected by anybody, and its page
// says what has ended it.
func TestOrderUnderReviewOfACanceledEvent(t *testing.T) {
	h, event, desk := scoring(t)
	h.thresholds(t, event.ID, desk, `{"enabled":true,"review_at":0,"reject_at":1,"review_hours":5,"at_deadline":"approve"}`)
	f := h.join(t, event.ID).enter(t)
	order := f.orders(t, event, "fan@example.com")
	eventually(t, "it waits", func() bool { h.work(t); return f.seen(t, order.ID).Review == "waiting" })
	if got := h.ask(t, "POST", "/admin/events/"+string(event.ID)+"/cancel", `{"reason":"The hall is flooded."}`, desk...); got.status != http.StatusAccepted {
		t.Fatalf("%d %s", got.status, got.body)
	}
	eventually(t, "it is canceled", func() bool {
		if _, err := h.checkout.CancelDue(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
		h.work(t)
		return f.seen(t, order.ID).State == "canceled"
	})
	if end := f.seen(t, order.ID); end.Review != "" {
		t.Errorf("%+v", end)
	}
	page := html.UnescapeString(f.ask(t, "GET", "/orders/"+order.ID, "", "Accept: text/html").body)
	if !strings.Contains(page, "The event is canceled") || !strings.Contains(page, "The hall is flooded.") || strings.Contains(page, "could not accept") || strings.Contains(page, "back on sale") {
		t.Error(page)
	}
}

func TestOrdersAreScoredAndAllowedByDefault(t *testing.T) {
	h, event, _ := scoring(t)
	f := h.join(t, event.ID).enter(t)
	order := f.orders(t, event, "a@example.com")
	eventually(t, "paid", func() bool { h.work(t); return f.seen(t, order.ID).State == "paid" })
	var score *float64
	var decision, signals string
	if err := h.Pool.QueryRow(t.Context(), "select o.risk_score::float8, o.risk_decision, f.signals::text from orders o join fraud_orders f on f.order_id = o.id where o.id = $1", order.ID).
		Scan(&score, &decision, &signals); err != nil || score == nil || decision != "allow" {
		t.Fatalf("%v %v %s", err, score, decision)
	}
	var known map[string]float64
	if err := json.Unmarshal([]byte(signals), &known); err != nil || known["mailbox_24h"] != 0 || known["fan_age_seconds"] > 600 || known["no_device_cookie"] != 1 {
		t.Errorf("%v %s", err, signals)
	}
}

func TestDeviceCookieIsGivenOnce(t *testing.T) {
	h, event, _ := scoring(t)
	path := "/events/" + string(event.ID) + "/line"
	first := h.ask(t, "GET", path, "", "Accept: text/html")
	cookie := ""
	for _, set := range first.header.Values("Set-Cookie") {
		if strings.HasPrefix(set, "ropeline_device=") {
			cookie, _, _ = strings.Cut(set, ";")
		}
	}
	if cookie == "" {
		t.Fatalf("no device cookie: %v", first.header)
	}
	for cookie, given := range map[string]bool{cookie: false, "ropeline_device=forged": true} {
		a := h.ask(t, "GET", path, "", "Accept: text/html", "Cookie: "+cookie)
		if got := strings.Contains(strings.Join(a.header.Values("Set-Cookie"), " "), "ropeline_device="); got != given {
			t.Errorf("with %s a cookie was given: %v", cookie, got)
		}
	}
}

func TestBadReviews(t *testing.T) {
	h, event, desk := scoring(t)
	nobody := "/admin/reviews/" + ropeline.NewID[string]()
	bought := "/admin/reviews/" + h.join(t, event.ID).enter(t).buy(t, event, "buyer@example.org")
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/admin/reviews", "", 400},
		{"GET", "/admin/reviews?event=x", "", 400},
		{"GET", "/admin/reviews?event=" + ropeline.NewID[string](), "", 404},
		{"GET", "/admin/reviews?event=" + string(event.ID) + "&after=x", "", 400},
		{"GET", "/admin/reviews?event=" + string(event.ID) + "&after=LTEuMA", "", 400},
		{"POST", "/admin/reviews/x", `{"decision":"approve"}`, 404},
		{"POST", nobody, `{"decision":"approve"}`, 404},
		{"POST", bought, `{"decision":"maybe"}`, 400},
		{"POST", bought, `{"decision":"approve","note":"\u0000"}`, 400},
		{"POST", bought, `{"decision":"approve","note":"` + strings.Repeat("x", 1001) + `"}`, 400},
		{"POST", bought, `{`, 400},
		{"PUT", "/admin/events/" + string(event.ID) + "/fraud", `{"review_at":2}`, 422},
		{"PUT", "/admin/events/" + string(event.ID) + "/fraud", `{"review_at":0.9,"reject_at":0.1}`, 422},
		{"PUT", "/admin/events/" + string(event.ID) + "/fraud", `{"at_deadline":"later"}`, 422},
		{"PUT", "/admin/events/" + string(event.ID) + "/fraud", `{"review_hours":168}`, 422},
		{"PUT", "/admin/events/" + string(event.ID) + "/fraud", `{"version":7}`, 409},
		{"PUT", "/admin/events/" + ropeline.NewID[string]() + "/fraud", `{}`, 404},
	} {
		if a := h.ask(t, c.method, c.path, c.body, desk...); a.status != c.status {
			t.Errorf("%s %s %s: %d %s, want %d", c.method, c.path, c.body, a.status, a.body, c.status)
		}
	}
	if a := h.ask(t, "GET", "/admin/reviews?event="+string(event.ID), ""); a.status != http.StatusUnauthorized {
		t.Errorf("without a session: %d", a.status)
	}
	if history := h.ask(t, "GET", "/admin/events/"+string(event.ID)+"/fraud", "", desk...); !strings.Contains(history.body, `"enabled":false`) {
		t.Errorf("%s", history.body)
	}
}

// The desk's form for the thresholds says what the API says, and changes the same.
func TestThresholdsByForm(t *testing.T) {
	h, event, desk := scoring(t)
	path := "/admin/events/" + string(event.ID)
	send := func(form string) answer {
		t.Helper()
		return h.ask(t, "POST", path+"/fraud", form, append(desk, browserForm, "Accept: text/html")...)
	}
	shows := func(words ...string) {
		t.Helper()
		page := h.ask(t, "GET", path+"?fraud=1", "", append(desk, "Accept: text/html")...)
		for _, word := range words {
			if !strings.Contains(page.body, word) {
				t.Errorf("the desk does not show %s", word)
			}
		}
	}
	shows(`name="review_at" type="number" min="0" max="100" step="any" required value="50"`, `value="95"`, `name="version" value="0"`)
	const good = "version=0&enabled=yes&review_at=12.5&reject_at=99&review_hours=48&at_deadline=approve"
	for wrong, status := range map[string]int{
		strings.Replace(good, "12.5", "much", 1): 400, strings.Replace(good, "99", "101", 1): 400, strings.Replace(good, "99", "NaN", 1): 400, strings.Replace(good, "12.5", "99.5", 1): 422,
		strings.Replace(good, "48", "145", 1): 422, strings.Replace(good, "48", "", 1): 400, strings.Replace(good, "approve", "later", 1): 422, strings.Replace(good, "version=0", "version=x", 1): 400,
		strings.Replace(good, "version=0", "version=3", 1): 409,
	} {
		if got := send(wrong); got.status != status || !strings.Contains(got.header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: %d, want %d", wrong, got.status, status)
		}
	}
	if got := send(good); got.status != http.StatusSeeOther || got.header.Get("Location") != path+"?fraud=1#h-fraud" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	in := decode[struct{ History []map[string]any }](t, h.ask(t, "GET", path+"/fraud", "", desk...), http.StatusOK)
	if now := in.History[0]; len(in.History) != 2 || now["review_at"] != 0.125 || now["reject_at"] != 0.99 || now["review_hours"] != 48.0 || now["at_deadline"] != "approve" || now["enabled"] != true {
		t.Errorf("in force: %+v", in.History)
	}
	shows(`value="12.5"`, `value="99"`, `name="version" value="1"`, "Changed. Orders from now on", "owner@ropeline.local")
	if got := send(strings.Replace(good, "&enabled=yes", "", 1)); got.status != http.StatusSeeOther { // the second from a page of version 0, which is not checked
		t.Errorf("%d %s", got.status, got.body)
	}
	var logged int
	if err := h.Pool.QueryRow(t.Context(), "select count(*) from audit_log where action = 'fraud.settings'").Scan(&logged); err != nil || logged != 2 {
		t.Errorf("%d in the audit log: %v", logged, err)
	}
}
