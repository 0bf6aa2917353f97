package stripe

import (
	"time"

	api "github.com/stripe/stripe-go/v76"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

var statuses = map[api.PaymentIntentStatus]payment.Status{
	api.PaymentIntentStatusRequiresPaymentMethod: payment.StatusPending,
	api.PaymentIntentStatusRequiresConfirmation:  payment.StatusPending,
	api.PaymentIntentStatusRequiresAction:        payment.StatusActionRequired,
	api.PaymentIntentStatusProcessing:            payment.StatusProcessing,
	api.PaymentIntentStatusRequiresCapture:       payment.StatusAuthorized,
	api.PaymentIntentStatusSucceeded:             payment.StatusCaptured,
	api.PaymentIntentStatusCanceled:              payment.StatusCanceled,
}

func objectOf(pi *api.PaymentIntent) payment.Object {
	o := payment.Object{
		Ref: pi.ID, House: pi.Metadata["house"], PaymentID: ropeline.PaymentID(pi.Metadata["payment"]), Status: statuses[pi.Status],
		Amount: money(pi.Amount, pi.Currency), ClientSecret: pi.ClientSecret, Risk: payment.UnknownRisk,
		Created: time.Unix(pi.Created, 0).UTC(),
	}
	if o.Status == "" {
		// A status that the pinned version does not have; nothing is done about it.
		o.Status = payment.StatusProcessing
	}
	if o.Status == payment.StatusPending {
		o.Decline = declineOf(pi.LastPaymentError)
	}
	if charge := pi.LatestCharge; charge != nil {
		o.Refunded, o.Disputed = fromStripe(charge.AmountRefunded, currency(pi.Currency)).Minor, charge.Disputed
		if d := charge.PaymentMethodDetails; d != nil && d.Card != nil {
			o.Card = payment.Card{Fingerprint: d.Card.Fingerprint, Brand: string(d.Card.Brand), Last4: d.Card.Last4, Country: d.Card.Country}
		}
		if charge.Outcome != nil {
			o.Risk = riskOf(charge.Outcome)
		}
	}
	// An attempt that failed at 3-D Secure has no charge of its own.
	if e := pi.LastPaymentError; e != nil && e.PaymentMethod != nil && e.PaymentMethod.Card != nil {
		c := e.PaymentMethod.Card
		o.Card = payment.Card{Fingerprint: c.Fingerprint, Brand: string(c.Brand), Last4: c.Last4, Country: c.Country}
	}
	return o
}

// riskOf: Stripe tells a level with Radar, and a score with Radar for Fraud
// Teams only. The library cannot tell a score of 0 from none.
func riskOf(outcome *api.ChargeOutcome) payment.Risk {
	switch outcome.RiskLevel {
	case "normal", "elevated", "highest":
		risk := payment.Risk{Score: int(outcome.RiskScore), Level: outcome.RiskLevel}
		if risk.Score <= 0 || risk.Score > 100 {
			risk.Score = -1
		}
		return risk
	}
	return payment.UnknownRisk
}

// secretDeclines are the reasons that Stripe asks not to tell the payer, who
// may be the thief: https://docs.stripe.com/declines/codes.
var secretDeclines = map[api.DeclineCode]bool{
	"fraudulent": true, "lost_card": true, "stolen_card": true, "merchant_blacklist": true, "pickup_card": true,
	"restricted_card": true, "security_violation": true, "generic_decline": true,
}

func declineOf(e *api.Error) string {
	switch {
	case e == nil:
		return ""
	case e.DeclineCode != "" && !secretDeclines[e.DeclineCode]:
		return string(e.DeclineCode)
	case e.Code != "":
		return string(e.Code)
	}
	return string(e.Type)
}
