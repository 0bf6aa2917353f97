package web_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/identity"
)

// paid makes an order of a fan that is paid and has tickets, as the worker
// would have left it.
func (h *house) paid(t *testing.T, event ropeline.Event, email string, tickets int) (order ropeline.OrderID, ids []string) {
	t.Helper()
	order = ropeline.OrderID(h.join(t, event.ID).enter(t).buy(t, event, email))
	h.tx(t, func(tx pgx.Tx) error {
		for _, sql := range []string{
			"update payments set state = 'authorized', duty = null where order_id = $1",
			"update payments set state = 'confirmed' where order_id = $1",
			"update orders set state = 'paid', accepted_at = now(), risk_score = 0.12, risk_reasons = '{A new device}' where id = $1",
		} {
			if _, err := tx.Exec(t.Context(), sql, order); err != nil {
				return err
			}
		}
		for i := range tickets {
			id := string(ropeline.NewID[ropeline.TicketID]())
			ids = append(ids, id)
			if _, err := tx.Exec(t.Context(), `insert into tickets (id, order_id, event_id, ticket_type_id, ordinal, fan_id, state)
				select $1, id, event_id, $3, $4, fan_id, 'issued' from orders where id = $2`, id, order, event.TicketTypes[0].ID, i+1); err != nil {
				return err
			}
		}
		return nil
	})
	return order, ids
}

const browser = "Accept: text/html"

// post sends a form as a page does.
func (h *house) post(t *testing.T, session, path string, fields ...string) answer {
	t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return h.ask(t, "POST", path, form.Encode(), session, browser, "Content-Type: application/x-www-form-urlencoded")
}

// The box office finds an order, gives a part of it back after it has seen
// what that comes to, revokes a ticket, mails the rest, and reads it all in
// one story.
func TestOrdersConsole(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	own, sessions := h.organization(t, "own")
	event := h.event(t, func(e *ropeline.Event, _ *admission.Rules) { e.Organization = own })
	order, tickets := h.paid(t, event, "ann@example.com", 2)
	session := "Cookie: ropeline_session=" + sessions[identity.RoleBoxOffice]
	path := "/admin/orders/" + string(order)
	for _, query := range []string{"", "?q=ann@", "?q=" + string(order)[18:], "?q=" + tickets[0], "?state=paid&from=2020-01-01", "?event=" + string(event.ID)} {
		if got := h.ask(t, "GET", "/admin/orders"+query, "", session, browser); got.status != http.StatusOK || !strings.Contains(got.body, path) {
			t.Errorf("%q does not find it: %d", query, got.status)
		}
	}
	for _, query := range []string{"?q=bob@", "?state=expired", "?to=2020-01-01", "?state=review"} {
		if got := h.ask(t, "GET", "/admin/orders"+query, "", session, browser); got.status != http.StatusOK || strings.Contains(got.body, path) {
			t.Errorf("%q finds it: %d", query, got.status)
		}
	}
	for _, query := range []string{"?state=odd", "?from=yesterday", "?after=x", "?event=x"} {
		if got := h.ask(t, "GET", "/admin/orders"+query, "", session); got.status < 400 || got.status >= 500 {
			t.Errorf("%q: %d", query, got.status)
		}
	}
	page := h.ask(t, "GET", path, "", session, browser)
	key := regexp.MustCompile(`name="key" value="([^"]+)"`).FindStringSubmatch(page.body)
	if page.status != http.StatusOK || key == nil || !strings.Contains(page.body, "A new device") || strings.Contains(page.body, "Desk: ") {
		t.Fatalf("%d %s", page.status, page.body)
	}

	refund := []string{"what", "amount", "amount", "10,50", "reason", "Bad view", "key", key[1]}
	asked := h.post(t, session, path+"/refunds", refund...)
	if asked.status != http.StatusOK || !strings.Contains(asked.body, "Give back 10.50 EUR?") || !strings.Contains(asked.body, "45.00 EUR that are left") {
		t.Fatalf("%d %s", asked.status, asked.body)
	}
	if got := h.post(t, session, path+"/refunds", append(refund, "sure", "yes", "expect", "999")...); got.status != http.StatusConflict {
		t.Errorf("another amount than was shown: %d", got.status)
	}
	for range 2 { // sent twice, done once
		if got := h.post(t, session, path+"/refunds", append(refund, "sure", "yes", "expect", "1050")...); got.status != http.StatusSeeOther || got.header.Get("Location") != path+"?done=refund" {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	for _, amount := range []string{"35", "-1", "1.234", "x", ""} {
		if got := h.post(t, session, path+"/refunds", "what", "amount", "amount", amount, "reason", "more"); got.status < 400 || got.status >= 500 {
			t.Errorf("%q: %d", amount, got.status)
		}
	}
	if got := h.post(t, session, "/admin/tickets/"+tickets[1]+"/revoke", "reason", "Copied", "key", key[1]); got.status != http.StatusOK || !strings.Contains(got.body, "Revoke this ticket?") {
		t.Fatalf("%d %s", got.status, got.body)
	}
	for path, fields := range map[string][]string{
		"/admin/tickets/" + tickets[1] + "/revoke":  {"reason", "Copied", "key", key[1], "sure", "yes"},
		"/admin/tickets/" + tickets[0] + "/reissue": {"reason", "Shown around", "key", key[1]},
		path + "/resend": {"key", key[1]},
	} {
		for range 2 {
			if got := h.post(t, session, path, fields...); got.status != http.StatusSeeOther {
				t.Errorf("%s: %d %s", path, got.status, got.body)
			}
		}
	}
	told := h.ask(t, "GET", path+"?done=refund", "", "Cookie: ropeline_session="+sessions[identity.RoleOwner], browser)
	for _, words := range []string{"10.50 EUR go back to ann@example.com", "Refund asked for", "Bad view", "became void", "Copied", "Message “tickets”",
		"Desk: order.refund", "Desk: order.resend", "Desk: ticket.revoke", "Payment confirmed", "12 % likely fraud", "2 tickets were issued"} {
		if !strings.Contains(told.body, words) {
			t.Errorf("the page does not say %q", words)
		}
	}
	if n := strings.Count(told.body, "Desk: "); n != 4 {
		t.Errorf("%d changes, want 4", n)
	}
	if got := h.post(t, session, path+"/cancel", "reason", "No show"); got.status != http.StatusOK || !strings.Contains(got.body, "34.50 EUR go back") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := h.post(t, session, path+"/cancel", "reason", "No show", "sure", "yes"); got.status != http.StatusSeeOther {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := h.ask(t, "GET", path+"?done=cancel", "", session, browser); !strings.Contains(got.body, "The order is canceled.") || strings.Contains(got.body, "h-refund") {
		t.Errorf("%s", got.body)
	}
}
