package fraud

import (
	"fmt"
	"math"
	"time"
)

// feature is how a signal is weighed and told.
type feature struct {
	name  Signal
	what  string  // for docs and for what is not known: "the card"
	sign  float64 // 1: more of it speaks for fraud, -1: less of it
	scale func(float64) float64
	words func(float64) string // the fact, as a reason
}

// features are all there are, in the order of documents and of model files.
var features = []feature{
	{Address10m, "the address", 1, math.Log1p, others("ordered from the same address", tenMinutes)},
	{Address24h, "the address", 1, math.Log1p, others("ordered from the same address", oneDay)},
	{Network10m, "the network", 1, math.Log1p, others("ordered from the same network", tenMinutes)},
	{Network24h, "the network", 1, math.Log1p, others("ordered from the same network", oneDay)},
	{Device10m, "the device", 1, math.Log1p, others("ordered on the same device", tenMinutes)},
	{Device24h, "the device", 1, math.Log1p, others("ordered on the same device", oneDay)},
	{Card10m, "the card", 1, math.Log1p, others("paid with the same card", tenMinutes)},
	{Card24h, "the card", 1, math.Log1p, others("paid with the same card", oneDay)},
	{Domain10m, "the e-mail domain", 1, math.Log1p, others("ordered with the same rare e-mail domain", tenMinutes)},
	{Domain24h, "the e-mail domain", 1, math.Log1p, others("ordered with the same rare e-mail domain", oneDay)},
	{Mailbox10m, "the mailbox", 1, math.Log1p, others("ordered with the same mailbox", tenMinutes)},
	{Mailbox24h, "the mailbox", 1, math.Log1p, others("ordered with the same mailbox", oneDay)},
	{JoinedAddress, "joins from the address", 1, math.Log1p, joined("address")},
	{JoinedDevice, "joins from the device", 1, math.Log1p, joined("device")},
	{SinceAdmitted, "the time since admission", -1, math.Log1p, after("ordered", "after being let in")},
	{FanAge, "the identity's age", -1, math.Log1p, after("the identity was first seen", "before the order")},
	{NoCookie, "the device cookie", 1, math.Abs, func(x float64) string {
		if x > 0 {
			return "the browser keeps no device cookie"
		}
		return "the browser keeps its device cookie"
	}},
	{GatewayRisk, "the gateway's risk", 1, func(x float64) float64 { return min(x, 100) / 100 }, func(x float64) string {
		return fmt.Sprintf("the payment gateway rates the risk %.0f of 100", x)
	}},
	{Declines, "declined attempts", 1, math.Log1p, func(x float64) string {
		if x == 1 {
			return "one attempt to pay was declined before"
		}
		return fmt.Sprintf("%.0f attempts to pay were declined before", x)
	}},
}

const (
	tenMinutes = "10 minutes"
	oneDay     = "24 hours"
)

func others(did, within string) func(float64) string {
	return func(n float64) string {
		switch n {
		case 0:
			return fmt.Sprintf("nobody else %s within %s", did, within)
		case 1:
			return fmt.Sprintf("one other fan %s within %s", did, within)
		}
		return fmt.Sprintf("%.0f other fans %s within %s", n, did, within)
	}
}

func joined(from string) func(float64) string {
	return func(n float64) string {
		switch n = math.Round(n); n {
		case 0:
			return "nobody else joined the line from the " + from
		case 1:
			return "about one more identity joined the line from the " + from
		}
		return fmt.Sprintf("about %.0f more identities joined the line from the %s", n, from)
	}
}

func after(did, what string) func(float64) string {
	return func(seconds float64) string {
		d := time.Duration(min(seconds, 1e8) * float64(time.Second)).Round(time.Second)
		switch hours := math.Round(d.Hours()); {
		case d < time.Hour:
			return fmt.Sprintf("%s %s %s", did, d, what)
		case hours == 1:
			return fmt.Sprintf("%s an hour %s", did, what)
		default:
			return fmt.Sprintf("%s %.0f hours %s", did, hours, what)
		}
	}
}

func featureOf(name Signal) (feature, bool) {
	for _, f := range features {
		if f.name == name {
			return f, true
		}
	}
	return feature{}, false
}
