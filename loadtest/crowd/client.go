package crowd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ropeline/ropeline/loadtest/record"
)

// maxAnswer bounds how much of an answer is read.
const maxAnswer = 1 << 20

// client carries the requests of all fans of a run over a bounded pool of
// connections. It keeps no cookies: each fan shows its own tokens in headers.
//
// A connection belongs to one carrier, a goroutine that takes a request at a
// time. A fan hands its request over and waits on its own small stack: with tens
// of thousands of fans waiting for an answer, what each of them owns meanwhile
// is what a process can hold, and buffers and deep stacks are the carriers'. The
// wait for a carrier has no limit of its own; a browser has none either, and who
// gives up in a queue and comes back only makes it longer. Fans who are let in do
// not queue behind those who come: their browsers have a connection already.
type client struct {
	base   *url.URL
	origin string
	dial   func(ctx context.Context, network, address string) (net.Conn, error)

	errands  chan *errand
	shopping chan *errand // the same, of fans who are let in: they go first
	closing  chan struct{}
	mu       sync.Mutex
	left     int // carriers that may still be hired
	carriers sync.WaitGroup
}

// newClient refuses, at the moment of dialling and so whatever a name
// resolves to, addresses beyond loopback unless remote is set.
//
// from, when valid, is the address that connections come from.
func newClient(baseURL string, maxConns int, remote bool, from netip.Addr) (*client, error) {
	base, err := url.Parse(strings.TrimSuffix(baseURL, "/"))
	if err != nil {
		return nil, fmt.Errorf("base URL: %w", err)
	}
	if (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, fmt.Errorf("base URL %q: want http(s)://host", baseURL)
	}
	dial := &net.Dialer{Timeout: 10 * time.Second}
	if from.IsValid() {
		dial.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	dial.Control = func(network, address string, raw syscall.RawConn) error {
		if from.IsValid() {
			sharePorts(raw)
		}
		if remote {
			return nil
		}
		return onlyLoopback(network, address, raw)
	}
	return &client{
		base: base, origin: base.Scheme + "://" + base.Host, dial: dial.DialContext,
		errands: make(chan *errand), shopping: make(chan *errand), closing: make(chan struct{}), left: maxConns,
	}, nil
}

func onlyLoopback(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !to.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("%s is not a loopback address; load on other machines must be allowed expressly", address)
	}
	return nil
}

// address is where the base URL leads.
func (c *client) address() string {
	if c.base.Port() != "" {
		return c.base.Host
	}
	return net.JoinHostPort(c.base.Hostname(), map[string]string{"http": "80", "https": "443"}[c.base.Scheme])
}

// close ends the connections. No request may be under way.
func (c *client) close() {
	close(c.closing)
	c.carriers.Wait()
}

// request is one HTTP request of a fan.
type request struct {
	step         record.Step
	trick        string // of StepIntrude
	releases     string // the reservation that it means to end
	method, path string
	header       header
	body         any             // encoded as JSON; nil: none
	into         any             // decoded from a 2xx answer; nil: not wanted
	every        time.Duration   // of looks that repeat
	shopping     bool            // the fan is let in
	jar          *[]*http.Cookie // gets the answer's cookies; nil: not wanted
}

// answer is what came back; a status of 0 with code "transport" is nothing.
type answer struct {
	status     int
	code       string
	retryAfter time.Duration
	took       time.Duration
	at         time.Time
	err        error
}

func (a answer) ok() bool { return a.status >= 200 && a.status < 300 }

// again tells whether a browser or a person would simply try once more.
func (a answer) again() bool {
	return a.status == 0 || a.status == http.StatusTooManyRequests || a.status >= 500
}

// field is one line of a request's header.
type field struct{ name, value string }

// header is a request's header, as far as fans fill it.
type header []field

// set replaces a field or adds it.
func (h *header) set(name, value string) {
	for i := range *h {
		if (*h)[i].name == name {
			(*h)[i].value = value
			return
		}
	}
	*h = append(*h, field{name, value})
}

func (h header) get(name string) string {
	for _, f := range h {
		if f.name == name {
			return f.value
		}
	}
	return ""
}

// do sends r and waits for its answer; the end of ctx breaks it off.
func (c *client) do(ctx context.Context, r *request) (a answer) {
	began := time.Now()
	defer func() { a.at = time.Now(); a.took = a.at.Sub(began) }()
	e := &errand{ctx: ctx, request: *r, done: make(chan struct{})}
	queue := c.errands
	if r.shopping {
		queue = c.shopping
	}
	select {
	case queue <- e:
	default:
		if !c.hire(e) {
			select {
			case queue <- e:
			case <-ctx.Done():
				return answer{code: "transport", err: ctx.Err()}
			}
		}
	}
	select {
	case <-e.done:
	case <-ctx.Done():
		e.breakOff()
		<-e.done
	}
	return e.answer
}

// read decodes an answer; one whose body breaks off or is no JSON counts as
// none, because the fan learnt nothing from it.
func read(res *http.Response, into any, body *bytes.Buffer) answer {
	body.Reset()
	if _, err := body.ReadFrom(io.LimitReader(res.Body, maxAnswer)); err != nil {
		return answer{code: "transport", err: err}
	}
	raw := body.Bytes()
	a := answer{status: res.StatusCode}
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && seconds > 0 {
		a.retryAfter = time.Duration(seconds) * time.Second
	}
	if a.status >= 300 && a.status < 400 {
		return a // a page that leads on: neither facts nor a problem
	}
	if !a.ok() {
		var problem struct {
			Code string `json:"code"`
		}
		if json.Unmarshal(raw, &problem) != nil || problem.Code == "" {
			problem.Code = "http_" + strconv.Itoa(a.status)
		}
		a.code = problem.Code
		return a
	}
	if into != nil && len(raw) > 0 {
		if err := json.Unmarshal(raw, into); err != nil {
			return answer{code: "transport", err: fmt.Errorf("answer of %d: %w", a.status, err)}
		}
	}
	return a
}
