package crowd

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/url"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/record"
)

// silence is how long a wire may say nothing, not even a ping, before the fan
// takes it for dead. The server pings every 25 s.
const silence = 75 * time.Second

// Close codes of the server.
const (
	closeRefused = 4003 // replaced by another window, or over a limit
)

// listen reads messages until one is final, the time is up (zero: no end), or
// the connection ends. The fan's own goroutine reads; the end of ctx closes
// the connection under it. A wire that the fan still has is used on.
func (f *fan) listen(ctx context.Context, until time.Time) ending {
	if f.wire == nil {
		var end ending
		if deep(func() { end = f.open(ctx) }); end != toldEnough {
			return end
		}
	}
	w := f.wire
	stop := context.AfterFunc(ctx, w.close)
	end := f.hearAll(ctx, w, until)
	stop()
	if end != timeIsUp {
		f.hangUp()
	}
	return end
}

// hangUp closes the fan's wire, if it has one.
func (f *fan) hangUp() {
	if f.wire != nil {
		f.wire.close()
		f.wire = nil
	}
}

func (f *fan) hearAll(ctx context.Context, w *wire, until time.Time) ending {
	extend := func() {
		deadline := time.Now().Add(silence)
		if !until.IsZero() && until.Before(deadline) {
			deadline = until
		}
		w.conn.SetReadDeadline(deadline)
	}
	for {
		extend()
		raw, err := w.next(extend)
		if err != nil {
			var end ending
			deep(func() { end = f.ended(ctx, err, until) })
			return end
		}
		var over, ok bool
		deep(func() { over, ok = f.frame(raw) })
		switch {
		case !ok:
			return broken
		case over:
			if !w.stream {
				w.say(opClose, []byte{0x03, 0xe8}) // 1000: done
			}
			return toldEnough
		}
	}
}

// frame takes one message in.
func (f *fan) frame(raw []byte) (over, ok bool) {
	var told ropeline.Status
	o := record.Observation{Fan: f.index, T: f.scene.since(time.Now()), Step: record.StepFrame, Conn: f.conn}
	if err := json.Unmarshal(raw, &told); err != nil {
		o.Code = "bad_frame"
		f.scene.see(o)
		return false, false
	}
	f.hear(told)
	tell(&o, told)
	f.scene.see(o)
	_, over = final(&told)
	return over, true
}

// open opens the wire; when there is none it says how to go on. A fan who was
// told something before asks for nothing older.
func (f *fan) open(ctx context.Context) ending {
	stream := f.plan.Is.Transport == Stream
	step, path := record.StepSocket, f.path("/queue/ws")
	if stream {
		step, path = record.StepStream, f.path("/queue/sse")
	}
	if f.status.Offset != "" {
		path += "?offset=" + url.QueryEscape(f.status.Offset)
	}
	late := f.lateness()
	w, a := f.client.openWire(ctx, path, f.header(), stream)
	if w == nil && ctx.Err() != nil {
		return broken
	}
	o := record.Observation{Fan: f.index, T: f.scene.since(a.at), Took: a.took.Microseconds(), Late: late.Microseconds(),
		Step: step, Status: a.status, Code: a.code}
	end := toldEnough
	if w == nil {
		if end = broken; a.status >= 400 && a.status < 500 && a.status != 404 && a.status != 429 {
			end = refused
		}
		if a.err != nil {
			f.scene.log.Debug("no connection", "fan", f.index, "err", a.err)
		}
	}
	f.wire, f.conn = w, f.scene.conns.Add(1)
	f.scene.see(o)
	return end
}

// ended sorts the ways a connection ends.
func (f *fan) ended(ctx context.Context, err error, until time.Time) ending {
	if ctx.Err() != nil {
		return broken
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() && !until.IsZero() && !time.Now().Before(until) {
		return timeIsUp
	}
	o := record.Observation{Fan: f.index, T: f.scene.since(time.Now()), Step: record.StepClosed, Conn: f.conn, Code: "transport"}
	end := broken
	if closed, ok := errors.AsType[hungUp](err); ok {
		o.Code = closed.Error()
		if closed.code == closeRefused {
			end = refused
		}
	}
	f.scene.see(o)
	return end
}
