package crowd

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/record"
)

// silence is how long a WebSocket may say nothing, not even a ping, before
// the fan takes it for dead. The server pings every 25 s.
const silence = 75 * time.Second

// Close codes of the server.
const (
	closeRefused = 4003 // replaced by another window, or over a limit
)

// listen reads frames until one is final, the time is up (zero: no end), or
// the connection ends. One goroutine, the caller's, reads; the end of ctx
// closes the connection under it.
func (f *fan) listen(ctx context.Context, until time.Time) ending {
	conn, end := f.dial(ctx)
	if conn == nil {
		return end
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()

	id := f.scene.conns.Add(1)
	conn.SetReadLimit(maxAnswer)
	extend := func() {
		deadline := time.Now().Add(silence)
		if !until.IsZero() && until.Before(deadline) {
			deadline = until
		}
		conn.SetReadDeadline(deadline)
	}
	conn.SetPingHandler(func(data string) error {
		extend()
		return conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(5*time.Second))
	})
	for {
		extend()
		_, raw, err := conn.ReadMessage()
		if err != nil {
			return f.hangUp(ctx, id, err, until)
		}
		var told ropeline.Status
		o := record.Observation{Fan: f.index, T: f.scene.since(time.Now()), Step: record.StepFrame, Conn: id}
		if err := json.Unmarshal(raw, &told); err != nil {
			o.Code = "bad_frame"
			f.scene.see(o)
			return broken
		}
		f.hear(told)
		o.Line = lineFacts(told)
		f.scene.see(o)
		if _, final := final(told); final {
			conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
			return toldEnough
		}
	}
}

// dial opens the WebSocket; without one it says how to go on.
func (f *fan) dial(ctx context.Context) (*websocket.Conn, ending) {
	base := *f.scene.client.base
	header := f.header()
	header.Set("Origin", base.Scheme+"://"+base.Host)
	base.Scheme = map[string]string{"http": "ws", "https": "wss"}[base.Scheme]

	began := time.Now()
	conn, res, err := f.scene.client.dialer.DialContext(ctx, base.String()+f.path("/queue/ws"), header)
	if err != nil && ctx.Err() != nil {
		return nil, broken
	}
	now := time.Now()
	o := record.Observation{Fan: f.index, T: f.scene.since(now), Took: now.Sub(began).Microseconds(), Step: record.StepSocket, Status: 101}
	end := broken
	if err != nil {
		a := answer{code: "transport"}
		if res != nil {
			a = read(res, nil)
		}
		if a.status >= 400 && a.status < 500 && a.status != 404 {
			end = refused
		}
		o.Status, o.Code = a.status, a.code
		conn = nil
	}
	f.scene.see(o)
	return conn, end
}

// hangUp sorts the ways a connection ends.
func (f *fan) hangUp(ctx context.Context, id int64, err error, until time.Time) ending {
	if ctx.Err() != nil {
		return broken
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() && !until.IsZero() && !time.Now().Before(until) {
		return timeIsUp
	}
	o := record.Observation{Fan: f.index, T: f.scene.since(time.Now()), Step: record.StepClosed, Conn: id, Code: "transport"}
	end := broken
	if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
		o.Code = "close_" + strconv.Itoa(closed.Code)
		if closed.Code == closeRefused {
			end = refused
		}
	}
	f.scene.see(o)
	return end
}
