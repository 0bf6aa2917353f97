package crowd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/record"
)

// Organizer speaks the organizer's part of the API: it makes the event of a
// run, and reads tickets at the gate after it.
type Organizer struct {
	client *client
	cookie string
}

// SignIn signs an organizer in. remote permits addresses beyond loopback.
func SignIn(ctx context.Context, baseURL, email, password string, remote bool) (*Organizer, error) {
	c, err := newClient(baseURL, 8, remote, netip.Addr{})
	if err != nil {
		return nil, err
	}
	o := &Organizer{client: c}
	var cookies []*http.Cookie
	a := c.do(ctx, &request{method: "POST", path: "/admin/login", header: o.header(), jar: &cookies,
		body: map[string]string{"email": email, "password": password}})
	if !a.ok() {
		c.close()
		return nil, fmt.Errorf("the organizer's sign-in: %w", a.failure())
	}
	for _, cookie := range cookies {
		o.cookie += cookie.Name + "=" + cookie.Value + "; "
	}
	return o, nil
}

// Close ends the connections.
func (o *Organizer) Close() { o.client.close() }

func (o *Organizer) header() header {
	h := header{{"Origin", o.client.origin}}
	if o.cookie != "" {
		h.set("Cookie", strings.TrimSuffix(o.cookie, "; "))
	}
	return h
}

func (a answer) failure() error {
	if a.err != nil {
		return a.err
	}
	return errors.New("the server answered " + strconv.Itoa(a.status) + " " + a.code)
}

// CreateEvent posts body to /admin/events and returns the event's id.
func (o *Organizer) CreateEvent(ctx context.Context, body any) (ropeline.EventID, error) {
	var made struct {
		ID    ropeline.EventID `json:"id"`
		Event struct {
			ID ropeline.EventID `json:"id"`
		} `json:"event"`
	}
	header := o.header()
	header.set("Idempotency-Key", strconv.FormatInt(time.Now().UnixNano(), 36))
	if a := o.client.do(ctx, &request{method: "POST", path: "/admin/events", header: header, body: body, into: &made}); !a.ok() {
		return "", fmt.Errorf("the event: %w", a.failure())
	}
	if made.ID == "" {
		made.ID = made.Event.ID
	}
	return made.ID, nil
}

// Gate reads a sample of the tickets' codes, each twice at the same time and
// once more, and tells what it was told (I8).
func (o *Organizer) Gate(ctx context.Context, event ropeline.EventID, codes []record.TicketFacts, began time.Time, see func(record.Observation)) {
	scan := func(ticket record.TicketFacts, gate string) {
		var got struct {
			Result string `json:"result"`
			Ticket string `json:"ticket"`
		}
		a := o.client.do(ctx, &request{method: "POST", path: "/admin/events/" + string(event) + "/checkins", header: o.header(),
			body: map[string]string{"code": ticket.Code, "gate": gate}, into: &got})
		seen := record.Observation{Fan: -1, T: a.at.Sub(began).Microseconds(), Took: a.took.Microseconds(), Step: record.StepScan, Status: a.status, Code: a.code}
		if a.ok() {
			seen.Scan = &record.ScanFacts{Ticket: ticket.ID, First: got.Result == "accepted"}
		}
		see(seen)
	}
	for _, ticket := range codes {
		done := make(chan struct{})
		go func() {
			defer close(done)
			scan(ticket, "north")
		}()
		scan(ticket, "south")
		<-done
		scan(ticket, "north")
	}
}

// Draw fetches the published file of an event's draw; nil where there is none.
func Draw(ctx context.Context, baseURL string, event ropeline.EventID) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(baseURL, "/")+"/events/"+string(event)+"/fairness/file", nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		return nil, nil
	}
	return res.Body, nil
}
