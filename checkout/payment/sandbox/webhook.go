package sandbox

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
	"github.com/ropeline/ropeline/internal/groupcommit"
)

// SignatureHeader carries "t=<unix seconds>,v1=<hex HMAC-SHA256 of t.body>".
const SignatureHeader = "Ropeline-Sandbox-Signature"

// Tolerance is how far a signature's time may be from ours.
const Tolerance = 5 * time.Minute

// Sign returns the value of SignatureHeader for a body.
func (g *Gateway) Sign(body []byte, at time.Time) string {
	t := strconv.FormatInt(at.Unix(), 10)
	return "t=" + t + ",v1=" + hex.EncodeToString(g.mac(t, body))
}

func (g *Gateway) mac(t string, body []byte) []byte {
	mac := hmac.New(sha256.New, g.secret)
	mac.Write([]byte(t + "."))
	mac.Write(body)
	return mac.Sum(nil)
}

// ParseWebhook checks the signature and reads the event, or the events of a
// Bundle.
func (g *Gateway) ParseWebhook(header http.Header, body []byte) ([]payment.Event, error) {
	var t string
	var signature []byte
	for part := range strings.SplitSeq(header.Get(SignatureHeader), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "t":
			t = value
		case "v1":
			signature, _ = hex.DecodeString(value)
		}
	}
	seconds, err := strconv.ParseInt(t, 10, 64)
	if err != nil || !hmac.Equal(signature, g.mac(t, body)) {
		return nil, payment.ErrSignature
	}
	if age := time.Since(time.Unix(seconds, 0)); age > Tolerance || age < -Tolerance {
		return nil, payment.ErrSignature
	}
	messages := make([]message, 1)
	if bytes.HasPrefix(body, []byte("[")) {
		err = json.Unmarshal(body, &messages)
	} else {
		err = json.Unmarshal(body, &messages[0])
	}
	if err != nil {
		return nil, &payment.Error{Permanent: true, Reason: "webhook_unreadable", Err: err}
	}
	events := make([]payment.Event, len(messages))
	for i, m := range messages {
		events[i] = payment.Event{ID: m.ID, Kind: m.Kind, Ref: m.Intent, PaymentID: m.Payment, Captured: m.Kind == kindCaptured}
	}
	return events, nil
}

// kindCaptured is the webhook of a capture.
const kindCaptured = "intent.captured"

// message is the body of a webhook. Like Stripe's it names the object; unlike
// Stripe's it does not repeat it, since nobody may rely on the copy.
type message struct {
	ID      string             `json:"id"`
	Kind    string             `json:"type"`
	Intent  string             `json:"intent"`
	Payment ropeline.PaymentID `json:"payment"`
	Created int64              `json:"created"`
}

func (m message) delivery(seq int64, attempts int) Delivery {
	body, _ := json.Marshal(m) // texts and a number: it cannot fail
	return Delivery{Seq: seq, Attempts: attempts, Body: body}
}

// Delivery is a webhook that is due.
type Delivery struct {
	Seq      int64
	Attempts int // 1: the first
	Body     []byte
}

// Bundle is one body for several webhooks: an array of theirs, as gateways send
// that have much to tell. A single one is sent as it is.
func Bundle(deliveries []Delivery) []byte {
	if len(deliveries) == 1 {
		return deliveries[0].Body
	}
	bodies := make([][]byte, len(deliveries))
	for i, d := range deliveries {
		bodies[i] = d.Body
	}
	return slices.Concat([]byte("["), bytes.Join(bodies, []byte(",")), []byte("]"))
}

// claimTime is how long a claimed webhook is its deliverer's.
const claimTime = 10 * time.Second

// Claim takes up to limit due webhooks for delivery. One that is neither
// Delivered nor Refused within ten seconds is due again.
func (g *Gateway) Claim(ctx context.Context, limit int) ([]Delivery, error) {
	batch := &pgx.Batch{}
	groupcommit.Lazily(batch) // forgotten, they come twice
	var due []Delivery
	batch.Queue(`
		update sandbox_webhooks set attempts = attempts + 1, due_at = now() + $2::interval
		where seq = any(array(
			select seq from sandbox_webhooks where due_at <= now()
			order by due_at, seq limit $1 for update skip locked))
		returning seq, attempts, event_id, kind, ref, extract(epoch from created_at)::bigint,
			(select coalesce(metadata->>'payment', '') from sandbox_intents i where i.ref = sandbox_webhooks.ref)`, limit, claimTime).Query(func(rows pgx.Rows) (err error) {
		due, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Delivery, error) {
			var d Delivery
			var m message
			if err := row.Scan(&d.Seq, &d.Attempts, &m.ID, &m.Kind, &m.Intent, &m.Created, &m.Payment); err != nil {
				return d, err
			}
			return m.delivery(d.Seq, d.Attempts), nil
		})
		return err
	})
	if err := g.pool.SendBatch(ctx, batch).Close(); err != nil {
		return nil, transient(err)
	}
	return due, nil
}

// Due gets a word when TakeHanded may have something; it is a hint, whoever
// misses it looks again a moment later.
func (g *Gateway) Due() <-chan struct{} { return g.due }

// Hurry gives that word.
func (g *Gateway) Hurry() {
	select {
	case g.due <- struct{}{}:
	default:
	}
}

// Delivered notes that the receiver took these webhooks.
func (g *Gateway) Delivered(ctx context.Context, seqs ...int64) error {
	_, err := groupcommit.Exec(ctx, g.pool, "delete from sandbox_webhooks where seq = any($1)", seqs)
	return err
}

// Refused notes that the receiver did not take them: due again after a pause
// that doubles from half a second to a minute.
func (g *Gateway) Refused(ctx context.Context, seqs ...int64) error {
	_, err := groupcommit.Exec(ctx, g.pool, `
		update sandbox_webhooks set due_at = now() + least(interval '0.25 seconds' * power(2, least(attempts, 10)), interval '1 minute')
		where seq = any($1)`, seqs)
	return err
}
