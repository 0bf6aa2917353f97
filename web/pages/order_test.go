package pages

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
)

func orderPage(t *testing.T, v OrderView) string {
	t.Helper()
	w := httptest.NewRecorder()
	v.Event, v.ID, v.Email, v.Deadline = eventOf(calm), "0dq3k5m2p8r7t1v9b4c6f0h0d1", "fan@example.com", time.Now()
	if err := newRenderer(t).Order(w, v); err != nil {
		t.Fatal(err)
	}
	return w.Body.String()
}

// The page of an order that costs nothing has no words about cards and money,
// that of another has.
func TestFreeOrdersAreNotPaid(t *testing.T) {
	tickets := []Ticket{{ID: "0dq3k5m2p8r7t1v9b4c6f0h0c1", Name: "Standing", State: "issued"}}
	for name, v := range map[string]OrderView{
		"reviewed":  {State: "pending", Payment: Payment{State: "authorized"}, Review: "waiting"},
		"arrived":   {State: "pending", Payment: Payment{State: "authorized"}},
		"accepted":  {State: "paid", Payment: Payment{State: "confirmed"}},
		"fulfilled": {State: "paid", Payment: Payment{State: "confirmed"}, Tickets: tickets},
		"expired":   {State: "expired", Payment: Payment{State: "canceled"}},
		"rejected":  {State: "canceled", Payment: Payment{State: "canceled"}, Review: "rejected"},
		"canceled":  {State: "canceled", Payment: Payment{State: "canceled"}},
	} {
		for _, minor := range []int64{0, 4500} {
			v.Total = ropeline.Money{Minor: minor, Currency: "EUR"}
			page := strings.ToLower(orderPage(t, v))
			_, page, _ = strings.Cut(page, "<main")
			var found []string
			for _, word := range []string{"your card", "charged", "bank", ", paid", ">paid", "the payment", "payment received", "money"} {
				if strings.Contains(page, word) {
					found = append(found, word)
				}
			}
			if (minor == 0) != (found == nil) {
				t.Errorf("%s, %v: %q", name, v.Total, found)
			}
		}
	}
}

// An order that has ended is not waited for any more.
func TestEndedOrdersAreNotToBePaid(t *testing.T) {
	total := ropeline.Money{Minor: 4500, Currency: "EUR"}
	for state, words := range map[string]string{"expired": "Not paid in time", "canceled": "Not paid", "pending": "Waiting for your payment"} {
		page := orderPage(t, OrderView{State: state, Total: total, Payment: Payment{State: "pending"}})
		if !strings.Contains(page, "<dd>"+words+"</dd>") {
			t.Errorf("%s: no %q in\n%s", state, words, page)
		}
	}
}
