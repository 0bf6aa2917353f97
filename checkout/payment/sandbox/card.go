package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// Card is a test card that the sandbox's page offers. The numbers are those of
// https://docs.stripe.com/testing, so that both gateways know the same ones.
type Card struct {
	Number  string
	Country string
	Risk    payment.Risk
}

var normal = payment.Risk{Score: 10, Level: "normal"}

// DefaultCard is the number of the card that pays when none is named.
const DefaultCard = "4242424242424242"

// Cards are the cards with a country or a risk of their own. Any other number
// that passes the Luhn check is a card of the US with a normal risk.
var Cards = []Card{
	{DefaultCard, "US", normal},
	{"5555555555554444", "US", normal},
	{"378282246310005", "US", normal},
	{"4000002760000016", "DE", normal},
	{"4000002500000003", "FR", normal},
	{"4000008260000000", "GB", normal},
	{"4000000000009235", "US", payment.Risk{Score: 72, Level: "elevated"}},
	{"4000000000004954", "US", payment.Risk{Score: 92, Level: "highest"}},
}

// parseCard is what the gateway keeps of a number. The fingerprint depends on
// nothing else, so tests and the demo can foretell it.
func parseCard(number string) (payment.Card, payment.Risk, error) {
	number = strings.ReplaceAll(number, " ", "")
	if number == "" {
		number = DefaultCard
	}
	if !luhn(number) {
		return payment.Card{}, payment.Risk{}, ropeline.Errorf(ropeline.CodeInvalidRequest, "This is not the number of a card.")
	}
	sum := sha256.Sum256([]byte("sandbox card " + number))
	card := payment.Card{
		Fingerprint: "sbf_" + hex.EncodeToString(sum[:8]), Brand: brand(number), Last4: number[len(number)-4:], Country: "US",
	}
	for _, known := range Cards {
		if known.Number == number {
			card.Country = known.Country
			return card, known.Risk, nil
		}
	}
	return card, normal, nil
}

func brand(number string) string {
	switch {
	case number[0] == '4':
		return "visa"
	case number[0] == '5', number[0] == '2':
		return "mastercard"
	case strings.HasPrefix(number, "34"), strings.HasPrefix(number, "37"):
		return "amex"
	}
	return "unknown"
}

// luhn checks the digits of a card number: 12 to 19 of them, the last a check.
func luhn(number string) bool {
	if len(number) < 12 || len(number) > 19 {
		return false
	}
	sum := 0
	for i := range len(number) {
		digit := int(number[len(number)-1-i] - '0')
		if digit < 0 || digit > 9 {
			return false
		}
		if i%2 == 1 {
			if digit *= 2; digit > 9 {
				digit -= 9
			}
		}
		sum += digit
	}
	return sum%10 == 0
}
