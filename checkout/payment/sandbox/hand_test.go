package sandbox_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/ropeline/ropeline/checkout/payment/sandbox"
)

// Once somebody in this process takes what is handed over, a webhook that is due
// at once goes to them and to nobody else, and one that they refuse comes again.
// One that is due later is claimed, as ever.
func TestWebhooksAreHandedOver(t *testing.T) {
	g := open(t)
	if some := g.TakeHanded(10); len(some) != 0 {
		t.Fatalf("%+v before anything happened", some)
	}
	o := intent(t, g)
	if _, err := g.Confirm(t.Context(), o.Ref, o.ClientSecret, "approve"); err != nil {
		t.Fatal(err)
	}
	if due := claim(t, g); len(due) != 0 {
		t.Fatalf("claimed too: %+v", due)
	}
	some := g.TakeHanded(10)
	if len(some) != 1 || some[0].Attempts != 1 || len(g.TakeHanded(10)) != 0 {
		t.Fatalf("%+v", some)
	}
	header := http.Header{}
	header.Set(sandbox.SignatureHeader, g.Sign(some[0].Body, time.Now()))
	events, err := g.ParseWebhook(header, some[0].Body)
	if err != nil || len(events) != 1 || events[0].Ref != o.Ref || events[0].PaymentID != o.PaymentID || events[0].Kind != "intent.authorized" {
		t.Errorf("%+v, %v", events, err)
	}
	if err := g.Refused(t.Context(), some[0].Seq); err != nil {
		t.Fatal(err)
	}
	var again []sandbox.Delivery
	poll(5*time.Second, func() bool { again = claim(t, g); return len(again) > 0 })
	if len(again) != 1 || again[0].Seq != some[0].Seq || again[0].Attempts != 2 || string(again[0].Body) != string(some[0].Body) {
		t.Errorf("%+v, then %+v", some, again)
	}

	late := intent(t, g)
	if _, err := g.Confirm(t.Context(), late.Ref, late.ClientSecret, "delay:100ms"); err != nil {
		t.Fatal(err)
	}
	if some := g.TakeHanded(10); len(some) != 0 {
		t.Errorf("handed over before its time: %+v", some)
	}
	poll(5*time.Second, func() bool { again = claim(t, g); return len(again) > 0 })
	if len(again) != 1 || again[0].Attempts != 1 {
		t.Errorf("%+v", again)
	}
}
