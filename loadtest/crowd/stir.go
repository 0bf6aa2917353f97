package crowd

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ropeline/ropeline/loadtest/record"
)

// stirs are the moments at which a waiting fan does something unasked; zero:
// never.
type stirs struct{ leave, reload, lose, sleep, move time.Time }

func (f *fan) newStirs() *stirs {
	after := func(d time.Duration) time.Time {
		if d <= 0 {
			return time.Time{}
		}
		return time.Now().Add(d)
	}
	return &stirs{
		leave: after(f.plan.Patience), reload: after(f.vary(f.plan.reload)), lose: after(f.plan.lost),
		sleep: after(f.plan.wake), move: after(f.plan.moves),
	}
}

// vary draws from half to one and a half of d.
func (f *fan) vary(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d/2 + time.Duration(f.rng.Int64N(int64(d)+1))
}

// next is the earliest of them.
func (s *stirs) next() (next time.Time) {
	for _, at := range []time.Time{s.leave, s.reload, s.lose, s.sleep, s.move} {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// stir does what is due.
func (f *fan) stir(ctx context.Context, s *stirs) record.Outcome {
	now := time.Now()
	due := func(at time.Time) bool { return !at.IsZero() && !now.Before(at) }
	switch {
	case due(s.leave):
		return record.Left
	case due(s.move):
		s.move = time.Time{}
		f.moveOn(ctx)
	case due(s.lose):
		away := f.plan.Is.NetAway.draw(f.rng, f.scene.pace)
		outcome := f.loseNet(ctx, away)
		s.lose = time.Now().Add(f.vary(f.plan.lost))
		return outcome
	case due(s.sleep):
		// The connection stays, and nobody reads it: the kernel takes what comes,
		// until it is full.
		f.rest(ctx, f.plan.Is.Sleep.draw(f.rng, f.scene.pace))
		s.sleep = time.Now().Add(f.vary(f.plan.wake))
	case due(s.reload):
		f.hangUp()
		s.reload = time.Now().Add(f.vary(f.plan.reload))
		if f.rng.IntN(2) == 0 {
			return f.glance(ctx, 0)
		}
		f.askToJoin(ctx)
	}
	return ""
}

// loseNet: nothing goes in or out, and the server is not told. The fan's page
// connects anew when the network is back.
func (f *fan) loseNet(ctx context.Context, away time.Duration) record.Outcome {
	f.rest(ctx, away)
	f.hangUp()
	return f.glance(ctx, 0)
}

// moveOn goes on on another device, by the recovery link that the first one
// shows.
func (f *fan) moveOn(ctx context.Context) {
	var link struct {
		URL string `json:"url"`
	}
	a := f.ask(ctx, request{step: record.StepLink, method: "POST", path: f.path("/queue/link"), into: &link}, nil)
	if !a.ok() {
		return
	}
	opened, err := url.Parse(link.URL)
	if err != nil {
		return
	}
	f.hangUp()
	var cookies []*http.Cookie
	f.ask(ctx, request{step: record.StepLink, method: "GET", path: opened.Path, header: header{}, jar: &cookies}, nil)
	for _, c := range cookies {
		switch name := strings.TrimPrefix(c.Name, "__Host-"); { // which a site behind TLS adds
		case name == "ropeline_fan":
			f.token = c.Value
		case strings.HasPrefix(name, "ropeline_place_"):
			f.place = c.Value
		}
	}
}

// readNothing opens the socket and leaves it alone until the server hangs up
// or patience ends; the fan then polls.
func (f *fan) readNothing(ctx context.Context, s *stirs) record.Outcome {
	if f.open(ctx) != toldEnough {
		return ""
	}
	if tcp, ok := f.wire.conn.(interface{ SetReadBuffer(int) error }); ok {
		tcp.SetReadBuffer(2 << 10)
	}
	longest := time.Minute
	if !s.leave.IsZero() {
		longest = min(longest, time.Until(s.leave))
	}
	f.rest(ctx, min(longest, time.Duration(f.scene.pace*float64(longest))+5*time.Second))
	f.hangUp()
	if ctx.Err() != nil {
		return ""
	}
	return f.glance(ctx, 0)
}

// tryTheDoor is what a bot does before anything else: it calls the API out of
// order.
func (f *fan) tryTheDoor(ctx context.Context) record.Outcome {
	if !f.plan.Is.Bot {
		return ""
	}
	header := f.header()
	header.set("Idempotency-Key", f.key())
	f.trick(ctx, record.TrickNoPass, "/reserve-tickets", header, map[string]any{"items": f.choose()})
	f.trick(ctx, record.TrickForgedPass, "/enter", f.header(), map[string]string{"pass": forge("", f.token)})
	return ""
}

// replay shows a pass again whose visit is over. The server is given a moment
// to have made an end of it.
func (f *fan) replay(ctx context.Context) {
	if !f.plan.Is.Bot || f.status.Pass == "" || f.shopper == "" || !f.home {
		return
	}
	if f.rest(ctx, time.Second) {
		f.trick(ctx, record.TrickReplayedPass, "/enter", f.header(), map[string]string{"pass": f.status.Pass})
	}
}
