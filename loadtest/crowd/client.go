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
	"syscall"
	"time"

	"github.com/ropeline/ropeline/loadtest/record"
)

// maxAnswer bounds how much of an answer is read.
const maxAnswer = 1 << 20

// client carries the requests of all fans of a run over a bounded pool of
// connections. It keeps no cookies: each fan shows its own tokens in headers.
type client struct {
	base   *url.URL
	origin string
	http   *http.Client
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
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
	transport := &http.Transport{
		DialContext:           dial.DialContext,
		MaxConnsPerHost:       maxConns,
		MaxIdleConns:          maxConns,
		MaxIdleConnsPerHost:   maxConns, // fewer would churn through local ports
		IdleConnTimeout:       30 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 20 * time.Second,
		DisableCompression:    true,
		ReadBufferSize:        4 << 10,
		WriteBufferSize:       4 << 10,
	}
	return &client{
		base: base, origin: base.Scheme + "://" + base.Host, dial: dial.DialContext,
		http: &http.Client{
			Transport:     transport,
			Timeout:       30 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
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

func (c *client) close() { c.http.CloseIdleConnections() }

// request is one HTTP request of a fan.
type request struct {
	step         record.Step
	trick        string // of StepIntrude
	method, path string
	header       http.Header
	body         any             // encoded as JSON; nil: none
	into         any             // decoded from a 2xx answer; nil: not wanted
	every        time.Duration   // of looks that repeat
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

func (c *client) do(ctx context.Context, r request) (a answer) {
	began := time.Now()
	defer func() { a.at = time.Now(); a.took = a.at.Sub(began) }()
	var body io.Reader
	if r.body != nil {
		raw, err := json.Marshal(r.body)
		if err != nil {
			return answer{code: "transport", err: err}
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, c.base.String()+r.path, body)
	if err != nil {
		return answer{code: "transport", err: err}
	}
	if r.header != nil {
		req.Header = r.header
	}
	req.Header.Set("Accept", "application/json")
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		return answer{code: "transport", err: err}
	}
	defer res.Body.Close()
	if r.jar != nil {
		*r.jar = res.Cookies()
	}
	return read(res, r.into)
}

// read decodes an answer; one whose body breaks off or is no JSON counts as
// none, because the fan learnt nothing from it.
func read(res *http.Response, into any) answer {
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return answer{code: "transport", err: err}
	}
	a := answer{status: res.StatusCode}
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && seconds > 0 {
		a.retryAfter = time.Duration(seconds) * time.Second
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
