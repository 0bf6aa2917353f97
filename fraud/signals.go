package fraud

import (
	"fmt"
	"math"
	"slices"
)

// Signal names one thing that is known of an order. The names are part of
// model files and of training data.
type Signal string

// Signals are what is known of an order, each as a plain number: a count,
// seconds, 0 to 100, or 0 and 1. What is absent is not known.
type Signals map[Signal]float64

// The signals. Counts are of other fans who have ordered for the same event
// with the same trace within the last 10 minutes or 24 hours.
const (
	Address10m    Signal = "address_10m"
	Address24h    Signal = "address_24h"
	Network10m    Signal = "network_10m" // IPv4 /24, IPv6 /64
	Network24h    Signal = "network_24h"
	Device10m     Signal = "device_10m"
	Device24h     Signal = "device_24h"
	Card10m       Signal = "card_10m"
	Card24h       Signal = "card_24h"
	Domain10m     Signal = "domain_10m" // of the e-mail address, as it is registered; providers that everybody uses count as unknown
	Domain24h     Signal = "domain_24h"
	Mailbox10m    Signal = "mailbox_10m" // the e-mail address without +tags and case
	Mailbox24h    Signal = "mailbox_24h"
	JoinedAddress Signal = "joined_address"          // fresh identities that joined the line from the address, besides this one
	JoinedDevice  Signal = "joined_device"           // the same, from the device
	SinceAdmitted Signal = "seconds_since_admission" // until the order
	FanAge        Signal = "fan_age_seconds"         // since the identity was first seen
	NoCookie      Signal = "no_device_cookie"        // 1: the browser kept none
	GatewayRisk   Signal = "gateway_risk"            // 0 to 100, the gateway's own
	Declines      Signal = "declines"                // attempts that the gateway declined
)

// most is the largest value that a signal can sensibly have; more counts as
// that much, so that no clock gone wrong makes an infinite feature.
const most = 1e10

// check refuses what no signal can be.
func (s Signals) check() error {
	for name, value := range s {
		if !slices.ContainsFunc(features, func(f feature) bool { return f.name == name }) {
			return fmt.Errorf("there is no signal %q", name)
		}
		if math.IsNaN(value) || value < 0 || value > most {
			return fmt.Errorf("signal %s is %v: want 0 to %g", name, value, float64(most))
		}
	}
	return nil
}

// features turns signals into what the model weighs; what is not known is absent.
func (s Signals) features() map[Signal]float64 {
	x := make(map[Signal]float64, len(s))
	for _, f := range features {
		if value, known := s[f.name]; known {
			x[f.name] = f.scale(min(max(value, 0), most))
		}
	}
	return x
}
