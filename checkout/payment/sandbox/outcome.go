package sandbox

import (
	"strings"
	"time"

	"github.com/ropeline/ropeline"
)

// Outcome is how the sandbox behaves when a payer confirms: the good way or
// one of the misbehaviours that real gateways have.
type Outcome string

// The outcomes. Those with a delay may carry their own, as "late:90s".
const (
	Approve      Outcome = "approve"
	Decline      Outcome = "decline"        // the intent stays open for another attempt
	ThreeDSecure Outcome = "three_d_secure" // asks for a second confirmation
	Delay        Outcome = "delay"          // authorized now, the webhook comes seconds later
	Duplicate    Outcome = "duplicate"      // the webhook comes twice
	Reorder      Outcome = "reorder"        // an older state's webhook comes after the newer one
	Late         Outcome = "late"           // authorized only after the hold has run out
	CaptureFails Outcome = "capture_fails"  // authorized, but the capture is refused for good
)

// Outcomes lists them all, for a page that offers them.
var Outcomes = []Outcome{Approve, Decline, ThreeDSecure, Delay, Duplicate, Reorder, Late, CaptureFails}

const webhookDelay = 3 * time.Second

// parseOutcome splits "late:90s" into the outcome and its delay.
func (g *Gateway) parseOutcome(s string) (Outcome, time.Duration, error) {
	name, after, hasDelay := strings.Cut(s, ":")
	outcome := Outcome(name)
	var delay time.Duration
	known := false
	for _, o := range Outcomes {
		known = known || o == outcome
	}
	switch outcome {
	case Delay:
		delay = webhookDelay
	case Late:
		delay = g.options.Late
	}
	if hasDelay && delay > 0 {
		d, err := time.ParseDuration(after)
		if err != nil || d < 0 || d > 24*time.Hour {
			known = false
		}
		delay = d
	} else if hasDelay {
		known = false
	}
	if !known {
		return "", 0, ropeline.Errorf(ropeline.CodeInvalidRequest, "The sandbox does not know this outcome.")
	}
	return outcome, delay, nil
}
