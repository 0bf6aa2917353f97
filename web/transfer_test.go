package web_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/ropeline/ropeline"
)

type myTickets struct {
	Tickets []struct {
		ID, Order, State, Code string
		GivenTo                string `json:"given_to"`
		Given                  bool
	}
}

// mine are the tickets that somebody sees among their own.
func (h *house) mine(t *testing.T, who string) myTickets {
	t.Helper()
	return decode[myTickets](t, h.ask(t, "GET", "/users/me/tickets", "", who), http.StatusOK)
}

// One transfer with its key has one effect, and each side sees its own.
func TestTicketIsGivenToAnAccount(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, nil)
	ann, bob, eve := h.session(t, "ann@example.org"), h.session(t, "bob@example.org"), h.session(t, "eve@example.org")
	order, ids := h.paid(t, event, "Ann@Example.org", 2)
	if got := h.mine(t, ann); len(got.Tickets) != 2 {
		t.Fatalf("what came to the address is not there: %+v", got)
	}
	path := "/tickets/" + ids[0] + "/transfer"
	for body, want := range map[string]ropeline.Code{`{"email":"bob"}`: ropeline.CodeInvalidEmail, `{"email":"ann@example.org"}`: ropeline.CodeInvalidEmail, `{}`: ropeline.CodeInvalidEmail, `[`: ropeline.CodeInvalidRequest} {
		if got := h.ask(t, "POST", path, body, ann); got.status/100 != 4 || got.code(t) != string(want) {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
	}
	for who, session := range map[string]string{"the one who is to get it": bob, "a stranger": eve} {
		if got := h.ask(t, "POST", path, `{"email":"eve@example.org"}`, session); got.status != http.StatusNotFound || got.code(t) != string(ropeline.CodeTicketNotFound) {
			t.Errorf("%s: %d %s", who, got.status, got.body)
		}
	}
	for range 2 {
		given := decode[struct {
			Ticket, State string
			GivenTo       string `json:"given_to"`
		}](t, h.ask(t, "POST", path, `{"email":"bob@example.org"}`, ann, "Idempotency-Key: k"), http.StatusCreated)
		if given.Ticket != ids[0] || given.State != "transferred" || given.GivenTo != "bob@example.org" {
			t.Errorf("%+v", given)
		}
	}
	if got := h.ask(t, "POST", path, `{"email":"eve@example.org"}`, ann, "Idempotency-Key: k"); got.code(t) != string(ropeline.CodeKeyReused) {
		t.Errorf("the key for another address: %d %s", got.status, got.body)
	}
	if got := h.ask(t, "POST", path, `{"email":"eve@example.org"}`, ann); got.status != http.StatusConflict || got.code(t) != string(ropeline.CodeTicketEnded) {
		t.Errorf("a second time: %d %s", got.status, got.body)
	}

	his := h.mine(t, bob)
	if len(his.Tickets) != 1 || his.Tickets[0].State != "issued" || !his.Tickets[0].Given || his.Tickets[0].ID == ids[0] {
		t.Fatalf("%+v", his)
	}
	anew := his.Tickets[0]
	hers := h.ask(t, "GET", "/users/me/tickets", "", ann).body + h.ask(t, "GET", "/orders/"+string(order), "", ann).body
	if strings.Contains(hers, anew.Code) || strings.Contains(hers, anew.ID) || !strings.Contains(hers, `"given_to":"bob@example.org"`) {
		t.Errorf("she sees %s", hers)
	}
	if got := h.mine(t, eve); len(got.Tickets) != 0 {
		t.Errorf("a stranger sees %+v", got)
	}
	for _, address := range []string{"/tickets/" + anew.ID + ".pdf", "/tickets/" + anew.ID + "/qr.png"} {
		if got := h.ask(t, "GET", address, "", bob); got.status != http.StatusOK {
			t.Errorf("%s: %d", address, got.status)
		}
		if got := h.ask(t, "GET", address, "", ann); got.status != http.StatusNotFound {
			t.Errorf("%s for her: %d", address, got.status)
		}
	}
	if got := h.ask(t, "GET", "/orders/"+string(order), "", bob); got.status != http.StatusNotFound {
		t.Errorf("her order for him: %d", got.status)
	}
	page := h.ask(t, "GET", "/users/me/tickets", "", bob, browser).body
	if !strings.Contains(page, anew.Code) || strings.Contains(page, "/orders/") || !strings.Contains(page, "Given to you") {
		t.Errorf("his page: %s", page)
	}

	session := h.organizer(t)
	old := ""
	for _, ticket := range h.mine(t, ann).Tickets {
		if ticket.ID == ids[0] {
			old = ticket.Code
		}
	}
	scan := decode[struct{ Result, Cause string }](t, h.ask(t, "POST", "/admin/events/"+string(event.ID)+"/checkins", `{"gate":"North","scan":"1","code":"`+old+`"}`, session), http.StatusOK)
	if scan.Result != "revoked" || scan.Cause != "transfer" {
		t.Errorf("at the gate: %+v", scan)
	}
	if list := h.ask(t, "GET", "/admin/events/"+string(event.ID)+"/revocations", "", session).body; !strings.Contains(list, ids[0]) {
		t.Errorf("gates hold %s", list)
	}
	if file := h.ask(t, "GET", "/admin/orders/"+string(order), "", session, browser).body; !strings.Contains(file, "given to bob@example.org") || !strings.Contains(file, "came in the place of one") {
		t.Errorf("the desk does not tell the story: %s", file)
	}
}

func (h *house) session(t *testing.T, email string) string {
	return "Authorization: Bearer " + h.account(t, email)
}

// A fan without an account and without JavaScript gives a ticket away: the
// address, the question, done once however often the button is pressed.
func TestTicketIsGivenByForms(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, nil)
	order, ids := h.paid(t, event, "ann@example.org", 1)
	cookie := "Cookie: ropeline_fan=" + h.fanOf(t, order)
	page := h.ask(t, "GET", "/orders/"+string(order), "", cookie, browser)
	path := regexp.MustCompile(`/tickets/[0-9a-v]{26}/transfer`).FindString(page.body)
	if path != "/tickets/"+ids[0]+"/transfer" {
		t.Fatalf("the order's page leads to %q", path)
	}
	if form := h.ask(t, "GET", path, "", cookie, browser); form.status != http.StatusOK || !strings.Contains(form.body, `action="`+path+`"`) || !strings.Contains(form.body, `href="/orders/`+string(order)) {
		t.Fatalf("%d %s", form.status, form.body)
	}
	if again := h.post(t, cookie, path, "email", "bob"); again.status != http.StatusUnprocessableEntity || !strings.Contains(again.body, `value="bob"`) || !strings.Contains(again.body, `role="alert"`) {
		t.Fatalf("%d %s", again.status, again.body)
	}
	asked := h.post(t, cookie, path, "email", "bob@example.org")
	key := regexp.MustCompile(`name="key" value="([^"]+)"`).FindStringSubmatch(asked.body)
	if asked.status != http.StatusOK || key == nil || !strings.Contains(asked.body, "Give it to bob@example.org?") {
		t.Fatalf("%d %s", asked.status, asked.body)
	}
	if got := h.ask(t, "GET", "/orders/"+string(order), "", cookie); !strings.Contains(got.body, `"issued"`) {
		t.Fatalf("asking has changed it: %s", got.body)
	}
	for range 2 {
		if done := h.post(t, cookie, path, "email", "bob@example.org", "sure", "yes", "key", key[1]); done.status != http.StatusSeeOther || done.header.Get("Location") != "/orders/"+string(order) {
			t.Fatalf("%d %s", done.status, done.body)
		}
	}
	after := h.ask(t, "GET", "/orders/"+string(order), "", cookie, browser).body
	if !strings.Contains(after, "Given to bob@example.org") || strings.Contains(after, "/transfer") || strings.Contains(after, "You’re going") {
		t.Errorf("%s", after)
	}
	if got := h.ask(t, "GET", path, "", cookie, browser); got.status != http.StatusConflict || !strings.Contains(got.body, "/users/me/tickets") {
		t.Errorf("the form once more: %d %s", got.status, got.body)
	}
	if got := h.ask(t, "GET", path, "", browser); got.status != http.StatusUnauthorized {
		t.Errorf("nobody: %d", got.status)
	}
}

// fanOf is the token of the fan who placed an order.
func (h *house) fanOf(t *testing.T, order ropeline.OrderID) string {
	t.Helper()
	var fan ropeline.FanID
	if err := h.Pool.QueryRow(t.Context(), "select fan_id from orders where id = $1", order).Scan(&fan); err != nil {
		t.Fatal(err)
	}
	return h.fans.Token(fan)
}

// What was bought without an account is nobody's until the address is
// verified, then in its account, with what was given to the address; and in
// nobody else's.
func TestMyTicketsBeforeAndAfterTheAddressIsVerified(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	event := h.event(t, nil)
	order, ids := h.paid(t, event, "Ann@example.org", 1)
	gift, other := h.paid(t, event, "bob@example.org", 1)
	if got := h.ask(t, "POST", "/tickets/"+other[0]+"/transfer", `{"email":"ann@Example.org"}`, "Authorization: Bearer "+h.fanOf(t, gift)); got.status != http.StatusCreated {
		t.Fatalf("%d %s", got.status, got.body)
	}
	stranger := h.session(t, "eve@example.org")

	if got := h.ask(t, "POST", "/accounts", `{"email":"ann@example.org"}`); got.status != http.StatusAccepted {
		t.Fatalf("%d %s", got.status, got.body)
	}
	link := (<-h.mails).data["url"]
	if got := h.ask(t, "POST", "/sessions", `{"email":"ann@example.org","password":"`+goodPassword+`"}`); got.status != http.StatusUnauthorized {
		t.Errorf("logged in before the address is verified: %d", got.status)
	}
	if got := h.ask(t, "GET", "/users/me/tickets", ""); got.status != http.StatusUnauthorized {
		t.Errorf("nobody's tickets: %d %s", got.status, got.body)
	}
	if n := h.adopted(t, order); n != 0 {
		t.Error("adopted before the address is verified")
	}
	opened := decode[struct{ Token string }](t, h.ask(t, "POST", "/accounts/password", `{"token":"`+link[strings.LastIndexByte(link, '/')+1:]+`","password":"`+goodPassword+`"}`), http.StatusCreated)
	ann := "Authorization: Bearer " + opened.Token
	hers := h.mine(t, ann)
	if len(hers.Tickets) != 2 {
		t.Fatalf("%+v", hers)
	}
	for _, ticket := range hers.Tickets {
		if ticket.Given == (ticket.ID == ids[0]) || ticket.State != "issued" {
			t.Errorf("%+v", ticket)
		}
	}
	page := h.ask(t, "GET", "/users/me/tickets", "", ann, browser).body
	for _, ticket := range hers.Tickets {
		if !strings.Contains(page, ticket.Code) {
			t.Errorf("ticket %s is not on the page", ticket.ID)
		}
	}
	if got := h.ask(t, "GET", "/orders/"+string(order), "", ann); got.status != http.StatusOK {
		t.Errorf("her order: %d", got.status)
	}
	if got := h.mine(t, stranger); len(got.Tickets) != 0 {
		t.Errorf("another address sees %+v", got)
	}
	for _, address := range []string{"/orders/" + string(order), "/tickets/" + ids[0] + "/qr.png", "/tickets/" + ids[0] + ".pdf"} {
		if got := h.ask(t, "GET", address, "", stranger); got.status != http.StatusNotFound {
			t.Errorf("%s for another address: %d", address, got.status)
		}
	}
}

func (h *house) adopted(t *testing.T, order ropeline.OrderID) (n int) {
	t.Helper()
	if err := h.Pool.QueryRow(t.Context(), "select count(*) from orders where id = $1 and account_id is not null", order).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
