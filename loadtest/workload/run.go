package workload

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/gorilla/websocket"
	"golang.org/x/sync/errgroup"
)

// Result is one workload's figures.
type Result struct {
	Name     string        `json:"name"`
	Workers  int           `json:"workers"`
	Took     time.Duration `json:"took"`
	Good     int64         `json:"good"`
	Bad      int64         `json:"bad"`
	FirstBad string        `json:"first_bad,omitempty"`
	Frames   int64         `json:"frames,omitempty"` // of sockets

	Latency *hdrhistogram.Histogram `json:"-"` // microseconds
}

// Rate is good answers a second.
func (r Result) Rate() float64 { return float64(r.Good) / r.Took.Seconds() }

// Run measures all that the spec describes, one after the other.
func Run(ctx context.Context, s *Spec, remote bool, tell func(Result)) error {
	for _, w := range s.works() {
		r := &runner{spec: s, work: w.work, name: w.name, latency: hdrhistogram.New(1, int64(time.Minute/time.Microsecond), 3)}
		r.open(remote)
		result, err := r.run(ctx)
		r.client.CloseIdleConnections()
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		tell(result)
	}
	return ctx.Err()
}

type runner struct {
	spec   *Spec
	work   *Work
	name   string
	client *http.Client
	dialer *websocket.Dialer
	unique atomic.Int64

	good, bad, frames atomic.Int64
	mu                sync.Mutex
	latency           *hdrhistogram.Histogram
	firstBad          string
}

func (r *runner) conns() int {
	if r.work.Conns == 0 {
		return 64
	}
	return r.work.Conns
}

func (r *runner) open(remote bool) {
	dial := &net.Dialer{Timeout: 10 * time.Second}
	if !remote {
		dial.Control = func(_, address string, _ syscall.RawConn) error {
			if to, err := netip.ParseAddrPort(address); err != nil || !to.Addr().Unmap().IsLoopback() {
				return fmt.Errorf("%s is not a loopback address; load on other machines must be allowed expressly", address)
			}
			return nil
		}
	}
	n := r.conns()
	r.client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DialContext: dial.DialContext, MaxIdleConns: n, MaxIdleConnsPerHost: n, DisableCompression: true,
	}}
	r.dialer = &websocket.Dialer{NetDialContext: dial.DialContext, HandshakeTimeout: 15 * time.Second, ReadBufferSize: 512, WriteBufferSize: 512}
}

func (r *runner) run(ctx context.Context) (Result, error) {
	lasts := r.work.For
	if lasts == 0 {
		lasts = 10 * time.Second
	}
	var ready sync.WaitGroup
	ready.Add(r.conns())
	var began time.Time
	start := make(chan struct{})
	g, ctx := errgroup.WithContext(ctx)
	for range r.conns() {
		g.Go(func() error {
			vars := maps.Clone(r.spec.Vars)
			var err error
			if !r.work.Each {
				err = r.prepare(ctx, vars)
			}
			ready.Done()
			if err != nil {
				return err
			}
			select {
			case <-start:
			case <-ctx.Done():
				return nil
			}
			if r.name == "socket" {
				r.hold(ctx, vars, began.Add(lasts))
				return nil
			}
			for ctx.Err() == nil && time.Since(began) < lasts {
				if r.work.Each {
					if err := r.prepare(ctx, vars); err != nil {
						r.miss(err)
						continue
					}
				}
				r.once(ctx, vars)
			}
			return nil
		})
	}
	ready.Wait()
	began = time.Now()
	close(start)
	err := g.Wait()
	return Result{
		Name: r.name, Workers: r.conns(), Took: time.Since(began), Good: r.good.Load(), Bad: r.bad.Load(), FirstBad: r.firstBad,
		Frames: r.frames.Load(), Latency: r.latency,
	}, err
}

// prepare does the steps that come before.
func (r *runner) prepare(ctx context.Context, vars map[string]string) error {
	for i, step := range r.work.Before {
		delete(vars, step.Until) // of the fan before
		for begun := time.Now(); ; {
			err := r.send(ctx, step, vars)
			if step.Until == "" {
				if err != nil {
					return fmt.Errorf("before[%d]: %w", i, err)
				}
				break
			}
			if vars[step.Until] != "" {
				break
			}
			if time.Since(begun) > time.Minute {
				return fmt.Errorf("before[%d]: {%s}: %w", i, step.Until, errors.Join(errStuck, err))
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	return nil
}

func (r *runner) once(ctx context.Context, vars map[string]string) {
	begun := time.Now()
	err := r.send(ctx, r.work.Step, vars)
	r.took(begun, err)
}

func (r *runner) took(begun time.Time, err error) {
	if err != nil {
		r.miss(err)
		return
	}
	r.good.Add(1)
	took := min(time.Since(begun).Microseconds(), int64(time.Minute/time.Microsecond))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.latency.RecordValue(took)
}

func (r *runner) miss(err error) {
	r.bad.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.firstBad == "" {
		r.firstBad = err.Error()
	}
}

// send does one step and takes its variables.
func (r *runner) send(ctx context.Context, step Step, vars map[string]string) error {
	vars["unique"] = strconv.FormatInt(time.Now().UnixNano(), 36) + "-" + strconv.FormatInt(r.unique.Add(1), 36)
	method := step.Method
	if method == "" {
		method = http.MethodGet
	}
	var body io.Reader
	if step.Body != "" {
		body = strings.NewReader(expand(step.Body, vars))
	}
	req, err := http.NewRequestWithContext(ctx, method, r.spec.Base+expand(step.Path, vars), body)
	if err != nil {
		return err
	}
	if step.Body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range step.Headers {
		req.Header.Set(name, expand(value, vars))
	}
	res, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return err
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Errorf("%s %s: %d %.200s", method, step.Path, res.StatusCode, raw)
	}
	return take(raw, step.Take, vars)
}

// take finds values in a JSON answer. One that is not there is left as it was.
func take(raw []byte, wanted map[string]string, vars map[string]string) error {
	if len(wanted) == 0 {
		return nil
	}
	var answer any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&answer); err != nil {
		return fmt.Errorf("the answer: %w", err)
	}
	for name, path := range wanted {
		value := answer
		for key := range strings.SplitSeq(path, ".") {
			switch in := value.(type) {
			case map[string]any:
				value = in[key]
			case []any:
				if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(in) {
					value = in[i]
				} else {
					value = nil
				}
			default:
				value = nil
			}
		}
		switch v := value.(type) {
		case string:
			vars[name] = v
		case json.Number, bool:
			vars[name] = fmt.Sprint(v)
		}
	}
	return nil
}

// hold opens a socket, measures how long that took, and reads it until the end.
func (r *runner) hold(ctx context.Context, vars map[string]string, end time.Time) {
	u, err := url.Parse(r.spec.Base + expand(r.work.Step.Path, vars))
	if err != nil {
		r.miss(err)
		return
	}
	header := http.Header{"Origin": {u.Scheme + "://" + u.Host}}
	for name, value := range r.work.Step.Headers {
		header.Set(name, expand(value, vars))
	}
	u.Scheme = map[string]string{"http": "ws", "https": "wss"}[u.Scheme]
	begun := time.Now()
	conn, _, err := r.dialer.DialContext(ctx, u.String(), header)
	r.took(begun, err)
	if err != nil {
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	conn.SetReadDeadline(end)
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			return
		}
		r.frames.Add(1)
	}
}
