package sandbox_test

import (
	"testing"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
	"github.com/ropeline/ropeline/checkout/payment/sandbox"
)

func TestCards(t *testing.T) {
	g := open(t)
	for _, c := range []struct {
		number string
		card   payment.Card
		level  string
	}{
		{"", payment.Card{Fingerprint: "sbf_52732deed8f96f62", Brand: "visa", Last4: "4242", Country: "US"}, "normal"},
		{"5555 5555 5555 4444", payment.Card{Brand: "mastercard", Last4: "4444", Country: "US"}, "normal"},
		{"378282246310005", payment.Card{Brand: "amex", Last4: "0005", Country: "US"}, "normal"},
		{"4000002760000016", payment.Card{Brand: "visa", Last4: "0016", Country: "DE"}, "normal"},
		{"4000000000009235", payment.Card{Brand: "visa", Last4: "9235", Country: "US"}, "elevated"},
		{"4000000000004954", payment.Card{Brand: "visa", Last4: "4954", Country: "US"}, "highest"},
	} {
		o := intent(t, g)
		got, err := g.ConfirmCard(t.Context(), o.Ref, o.ClientSecret, "approve", c.number)
		if c.card.Fingerprint == "" {
			c.card.Fingerprint = got.Card.Fingerprint
		}
		if err != nil || got.Card != c.card || got.Risk.Level != c.level || got.Card.Fingerprint == "" {
			t.Errorf("%q: %v %+v %+v", c.number, err, got.Card, got.Risk)
		}
		if read, err := g.Get(t.Context(), o.Ref); err != nil || read != got {
			t.Errorf("%q: confirmed as %+v, read as %+v (%v)", c.number, got, read, err)
		}
	}
	for _, bad := range []string{"4242424242424241", "42", "4242-4242-4242-4242", "424242424242424x", "00000000000000000000", "４２４２４２４２４２４２"} {
		o := intent(t, g)
		if _, err := g.ConfirmCard(t.Context(), o.Ref, o.ClientSecret, "approve", bad); ropeline.CodeOf(err) != ropeline.CodeInvalidRequest {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Every card that is offered has a good number, and its own fingerprint.
func TestOfferedCards(t *testing.T) {
	g := open(t)
	seen := map[string]string{}
	for _, c := range sandbox.Cards {
		o := intent(t, g)
		got, err := g.ConfirmCard(t.Context(), o.Ref, o.ClientSecret, "approve", c.Number)
		if err != nil || got.Card.Country != c.Country || got.Risk != c.Risk {
			t.Errorf("%s: %v %+v", c.Number, err, got)
		}
		if other := seen[got.Card.Fingerprint]; other != "" {
			t.Errorf("%s and %s look alike", c.Number, other)
		}
		seen[got.Card.Fingerprint] = c.Number
	}
}
