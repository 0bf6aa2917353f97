package stripe_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
	"github.com/ropeline/ropeline/checkout/payment/stripe"
)

// mock starts Stripe's own mock server (a tool of go.mod), which holds requests
// to the published schema of the pinned version, and remembers nothing.
func mock(t *testing.T) string {
	t.Helper()
	path, err := exec.CommandContext(t.Context(), "go", "tool", "-n", "stripe-mock").Output()
	if err != nil {
		var said *exec.ExitError
		if errors.As(err, &said) {
			t.Fatalf("build stripe-mock: %v: %s", err, said.Stderr)
		}
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	server := exec.CommandContext(ctx, strings.TrimSpace(string(path)), "-http-addr", "127.0.0.1:0", "-strict-version-check")
	out, err := server.StdoutPipe()
	must(t, err)
	var trouble bytes.Buffer
	server.Stderr = &trouble
	must(t, server.Start())
	t.Cleanup(func() {
		stop()
		_ = server.Wait() // killed
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, address, found := strings.Cut(lines.Text(), "Listening for HTTP at address: "); found {
			drained := make(chan struct{})
			go func() {
				defer close(drained)
				for lines.Scan() {
				}
			}()
			t.Cleanup(func() { stop(); <-drained })
			return "http://" + strings.TrimSpace(address)
		}
	}
	t.Fatalf("stripe-mock does not listen: %s", trouble.String())
	return ""
}

// Every call has the shape that Stripe's schema of the pinned version asks for,
// and what comes back can be read.
func TestShapes(t *testing.T) {
	url := mock(t)
	g := stripe.New(stripe.Options{SecretKey: "sk_test_123", BaseURL: url})
	defer g.Close()
	i := intent()
	i.EventID = ropeline.NewID[ropeline.EventID]()
	o, err := g.Create(t.Context(), i)
	if err != nil || o.Ref == "" || o.ClientSecret == "" || o.Amount != i.Amount || o.Created.IsZero() {
		t.Errorf("create: %v %+v", err, o)
	}
	if o, err = g.Get(t.Context(), "pi_1"); err != nil || o.Ref != "pi_1" {
		t.Errorf("get: %v %+v", err, o)
	}
	if o, err = g.Capture(t.Context(), "pi_1", "capture"); err != nil || o.Ref != "pi_1" {
		t.Errorf("capture: %v %+v", err, o)
	}
	if o, err = g.Cancel(t.Context(), "pi_1", "cancel"); err != nil || o.Ref != "pi_1" {
		t.Errorf("cancel: %v %+v", err, o)
	}
	if r, err := g.Refund(t.Context(), "pi_1", ropeline.Money{Minor: 100, Currency: "EUR"}, "refund"); err != nil || r.Ref == "" || r.Amount.Minor != 100 {
		t.Errorf("refund: %v %+v", err, r)
	}
	if r, err := g.GetRefund(t.Context(), "re_1"); err != nil || r.Ref != "re_1" {
		t.Errorf("get refund: %v %+v", err, r)
	}
	q := payment.Query{Since: time.Now().Add(-time.Hour), Until: time.Now()}
	for o, err := range g.Intents(t.Context(), q) {
		if err != nil || o.Ref == "" {
			t.Errorf("intents: %v %+v", err, o)
		}
	}
	q.Intent = "pi_1"
	for r, err := range g.Refunds(t.Context(), q) {
		if err != nil || r.Ref == "" {
			t.Errorf("refunds: %v %+v", err, r)
		}
	}
	for d, err := range g.Disputes(t.Context(), q) {
		if err != nil || d.Ref == "" || d.Status == "" {
			t.Errorf("disputes: %v %+v", err, d)
		}
	}
	// It does look: the schema knows no such thing.
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/payment_intents", strings.NewReader("amount=1&currency=eur&capture_methode=manual"))
	must(t, err)
	request.Header.Set("Authorization", "Bearer sk_test_123")
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(request)
	must(t, err)
	defer http.DefaultClient.CloseIdleConnections()
	defer response.Body.Close()
	if response.StatusCode != http.StatusBadRequest {
		t.Errorf("an unknown parameter is answered with %d", response.StatusCode)
	}
}
