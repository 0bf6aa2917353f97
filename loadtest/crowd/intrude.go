package crowd

import (
	"context"
	"sync"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/record"
)

// loot is what careless fans let others see: the last pass and the last
// shopper token.
type loot struct {
	mu            sync.Mutex
	pass, shopper struct {
		owner int
		token string
	}
}

func (l *loot) dropPass(owner int, token string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pass.owner, l.pass.token = owner, token
}

func (l *loot) dropShopper(owner int, token string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shopper.owner, l.shopper.token = owner, token
}

func (l *loot) take() (pass, shopper string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pass.token, l.shopper.token
}

// intrude tries the fan's trick, if it has one, once it stands in the line.
func (f *fan) intrude(ctx context.Context) record.Outcome {
	if f.plan.trick == "" || f.status.Standing != ropeline.StandingWaiting {
		return ""
	}
	pass, shopper := f.scene.loot.take()
	switch trick := f.plan.trick; trick {
	case record.TrickForgedPass, record.TrickOthersPass:
		if trick == record.TrickForgedPass || pass == "" {
			trick, pass = record.TrickForgedPass, forge(pass, f.place)
		}
		f.trick(ctx, trick, "/enter", f.header(), map[string]string{"pass": pass})
	default:
		header := f.header()
		switch {
		case trick == record.TrickNoPass:
		case trick == record.TrickForgedShopper || shopper == "":
			trick = record.TrickForgedShopper
			header.set("Ropeline-Shopper", forge(shopper, f.place))
		default:
			header.set("Ropeline-Shopper", shopper)
		}
		header.set("Idempotency-Key", f.key())
		header.set("Prefer", "wait=2")
		f.trick(ctx, trick, "/reserve-tickets", header, map[string]any{"items": f.choose()})
	}
	return ""
}

func (f *fan) trick(ctx context.Context, trick, rest string, header header, body any) answer {
	return f.ask(ctx, request{step: record.StepIntrude, trick: trick, method: "POST", path: f.path(rest), header: header, body: body}, nil)
}

// tryOtherBody sends the key of a reservation with another quantity.
func (f *fan) tryOtherBody(ctx context.Context, key string, items []ropeline.Item) {
	other := append([]ropeline.Item(nil), items...)
	if other[0].Quantity++; other[0].Quantity > 2 {
		other[0].Quantity = 1
	}
	header := f.header()
	header.set("Idempotency-Key", key)
	f.trick(ctx, record.TrickOtherBody, "/reserve-tickets", header, map[string]any{"items": other})
}

// forge changes one character in the middle of a token; without one it takes
// the fan's place for it, which is signed for another purpose.
func forge(token, place string) string {
	if len(token) < 8 {
		return place
	}
	raw, at := []byte(token), len(token)/2
	if raw[at] == 'A' {
		raw[at] = 'B'
	} else {
		raw[at] = 'A'
	}
	return string(raw)
}
