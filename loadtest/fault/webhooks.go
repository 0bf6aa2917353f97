package fault

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Webhooks stands between the gateway and the house: it takes webhooks and
// passes them on, some twice, some late and so out of order. One that it keeps
// for later is answered at once, as a relay with a queue does.
type Webhooks struct {
	server   *http.Server
	listener net.Listener
	targets  func() string // base URL of a node
	sending  sync.WaitGroup
	stop     context.CancelFunc
	client   *http.Client

	twice, later atomic.Uint64 // shares in millionths
	by           atomic.Int64  // how late at most, nanoseconds
}

// mostWebhook bounds a webhook's body.
const mostWebhook = 1 << 20

// NewWebhooks listens on a free port; target names the node that gets the next
// webhook.
func NewWebhooks(target func() string) (*Webhooks, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	w := &Webhooks{listener: listener, targets: target, stop: stop, client: &http.Client{Timeout: 20 * time.Second}}
	w.server = &http.Server{Handler: w.handler(ctx), ReadHeaderTimeout: 10 * time.Second}
	w.sending.Go(func() { w.server.Serve(listener) })
	return w, nil
}

// URL is the base URL that the gateway is told.
func (w *Webhooks) URL() string { return "http://" + w.listener.Addr().String() }

// Close ends it; webhooks that are kept for later are dropped, and the house
// must find out by itself.
func (w *Webhooks) Close() error {
	w.stop()
	err := w.server.Close()
	w.sending.Wait()
	w.client.CloseIdleConnections()
	return err
}

// Duplicate sends a share of the webhooks twice.
func (w *Webhooks) Duplicate(share float64) { w.twice.Store(uint64(share * 1e6)) }

// Shuffle keeps a share of the webhooks back, each for a time up to by.
func (w *Webhooks) Shuffle(share float64, by time.Duration) {
	w.by.Store(int64(by))
	w.later.Store(uint64(share * 1e6))
}

func (w *Webhooks) handler(ctx context.Context) http.HandlerFunc {
	return func(out http.ResponseWriter, in *http.Request) {
		body, err := io.ReadAll(io.LimitReader(in.Body, mostWebhook))
		if err != nil {
			http.Error(out, err.Error(), http.StatusBadRequest)
			return
		}
		luck := func(share *atomic.Uint64) bool { return rand.Float64() < float64(share.Load())/1e6 }
		if luck(&w.twice) {
			w.sendLater(ctx, in, body, time.Duration(rand.Int64N(int64(time.Second))))
		}
		if by := w.by.Load(); by > 0 && luck(&w.later) {
			w.sendLater(ctx, in, body, time.Duration(rand.Int64N(by)))
			out.WriteHeader(http.StatusOK)
			return
		}
		status, err := w.send(in.Context(), in, body)
		if err != nil {
			http.Error(out, err.Error(), http.StatusBadGateway)
			return
		}
		out.WriteHeader(status)
	}
}

// sendLater sends after a pause, and again a few times while nobody takes it.
func (w *Webhooks) sendLater(ctx context.Context, in *http.Request, body []byte, after time.Duration) {
	in = in.Clone(ctx)
	w.sending.Go(func() {
		for range 5 {
			timer := time.NewTimer(after)
			select {
			case <-ctx.Done():
				timer.Stop()
				return
			case <-timer.C:
			}
			if status, err := w.send(ctx, in, body); err == nil && status < 500 {
				return
			}
			after = time.Second
		}
	})
}

func (w *Webhooks) send(ctx context.Context, in *http.Request, body []byte) (int, error) {
	req, err := http.NewRequestWithContext(ctx, in.Method, w.targets()+in.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header = in.Header.Clone()
	res, err := w.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	io.Copy(io.Discard, io.LimitReader(res.Body, mostWebhook))
	return res.StatusCode, nil
}
