// Package sandbox is a payment gateway without money: it authorizes, captures,
// cancels and refunds in books of its own (tables sandbox_*), which the rest of
// the house never reads, and it misbehaves on request the way real gateways do.
//
// The payer's side is Confirm, called with the client secret and an Outcome.
// Each change of an intent owes a webhook; Claim hands the due ones out, signed,
// and keeps offering one until Delivered is called for it (at least once, with
// growing pauses). Two processes may claim at once; neither gets the other's.
//
//	requires_confirmation ─► requires_action ─► processing ─► requires_capture ─► succeeded
//	        ▲ decline                                              │
//	        └─ (stays open)                                        └─► canceled | failed
package sandbox

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
	"github.com/ropeline/ropeline/internal/groupcommit"
	"github.com/ropeline/ropeline/internal/keyring"
)

// Options change what the sandbox does by itself.
type Options struct {
	Late time.Duration // how late "late" is; default 10 minutes and 2 seconds
}

// Gateway is the sandbox; safe for concurrent use.
type Gateway struct {
	pool    *pgxpool.Pool
	secret  []byte
	options Options
	opens   *groupcommit.Group[opening]
	turns   *groupcommit.Group[turn] // by the payer
	takes   *groupcommit.Group[turn] // by the house
	reads   *groupcommit.Reads[question]
	due     chan struct{}
	handing handing
}

var _ payment.Provider = (*Gateway)(nil)

// New opens the sandbox over the database and the keyring's webhook secret.
func New(pool *pgxpool.Pool, k *keyring.Keyring, options Options) *Gateway {
	if options.Late <= 0 {
		options.Late = 10*time.Minute + 2*time.Second
	}
	g := &Gateway{
		pool: pool, secret: k.Secret(keyring.PurposeSandbox), options: options,
		reads: groupcommit.NewReads(pool, readIntents), due: make(chan struct{}, 1),
		// What only the house has heard of may be written lazily: the house's own
		// books are written after these, in the same Postgres, and are never there
		// without them. Forgotten by both, it is done again with the same key.
		opens: groupcommit.New(pool, groupcommit.Work[opening]{Key: func(o *opening) string { return o.intent.IdempotencyKey }, Read: insertIntents, Lazy: true}),
	}
	g.takes = groupcommit.New(pool, groupcommit.Work[turn]{Key: func(t *turn) string { return t.ref }, Read: readTurns, Write: g.writeTurns, Lazy: true})
	g.turns = groupcommit.New(pool, groupcommit.Work[turn]{Key: func(t *turn) string { return t.ref }, Read: readTurns, Write: g.writeTurns})
	return g
}

// Name is "sandbox".
func (g *Gateway) Name() string { return "sandbox" }

// Create opens an intent; the same idempotency key gives the same intent.
func (g *Gateway) Create(ctx context.Context, intent payment.Intent) (payment.Object, error) {
	if intent.Amount.Minor <= 0 || intent.IdempotencyKey == "" {
		return payment.Object{}, &payment.Error{Permanent: true, Reason: "amount_or_key_missing"}
	}
	made := payment.Object{
		Ref: "sbx_" + token(), House: intent.House, PaymentID: intent.PaymentID, Status: payment.StatusPending, Amount: intent.Amount, Risk: payment.Risk{Score: -1},
	}
	made.ClientSecret = made.Ref + "_secret_" + token()
	o := &opening{intent: intent, made: made}
	err := g.opens.Do(o)
	if err != nil {
		return payment.Object{}, transient(err)
	}
	if o.fresh {
		return o.made, nil
	}
	b, err := read(ctx, g.pool, "where idempotency_key = $1", intent.IdempotencyKey)
	if err != nil {
		return payment.Object{}, err
	}
	if b.object.Amount != intent.Amount || b.object.PaymentID != intent.PaymentID {
		return payment.Object{}, &payment.Error{Permanent: true, Reason: "idempotency_key_reused"}
	}
	return b.object, nil
}

// opening is an intent on its way into the books.
type opening struct {
	intent payment.Intent
	made   payment.Object
	fresh  bool // it was not there before
}

func insertIntents(batch *pgx.Batch, parts []*opening) {
	n := len(parts)
	of := make(map[string]*opening, n)
	refs, keys, amounts, currencies := make([]string, n), make([]string, n), make([]int64, n), make([]string, n)
	secrets, houses, payments, orders := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, o := range parts {
		o.fresh = false
		of[o.made.Ref] = o
		refs[i], keys[i], amounts[i], currencies[i] = o.made.Ref, o.intent.IdempotencyKey, o.intent.Amount.Minor, o.intent.Amount.Currency
		secrets[i], houses[i], payments[i], orders[i] = o.made.ClientSecret, o.intent.House, string(o.intent.PaymentID), string(o.intent.OrderID)
	}
	batch.Queue(`
		insert into sandbox_intents (ref, idempotency_key, state, amount_minor, currency, client_secret, metadata)
		select ref, key, 'requires_confirmation', amount, currency, secret, jsonb_build_object('house', house, 'payment', payment, 'order', o)
		from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
			as u(ref, key, amount, currency, secret, house, payment, o)
		on conflict (idempotency_key) do nothing returning ref, created_at`, refs, keys, amounts, currencies, secrets, houses, payments, orders).
		Query(func(rows pgx.Rows) error {
			var ref string
			var at time.Time
			_, err := pgx.ForEachRow(rows, []any{&ref, &at}, func() error {
				of[ref].fresh, of[ref].made.Created = true, at.UTC()
				return nil
			})
			return err
		})
}

// question asks how an intent stands.
type question struct {
	ref   string
	found *book // nil: there is none
}

func readIntents(batch *pgx.Batch, parts []*question) {
	of := make(map[string][]*question, len(parts))
	var refs []string
	for _, q := range parts {
		q.found = nil
		if of[q.ref] = append(of[q.ref], q); len(of[q.ref]) == 1 {
			refs = append(refs, q.ref)
		}
	}
	batch.Queue("select "+columns+" from sandbox_intents where ref = any($1)", refs).Query(func(rows pgx.Rows) error {
		found, err := pgx.CollectRows(rows, scanBook)
		for _, b := range found {
			for _, q := range of[b.object.Ref] {
				q.found = b
			}
		}
		return err
	})
}

// Get reads an intent.
func (g *Gateway) Get(ctx context.Context, ref string) (payment.Object, error) {
	q := &question{ref: ref}
	if err := g.reads.Do(ctx, q); err != nil {
		return payment.Object{}, transient(err)
	}
	if q.found == nil {
		return payment.Object{}, errNoIntent
	}
	return q.found.object, nil
}

// Capture takes the money of an authorized intent.
func (g *Gateway) Capture(ctx context.Context, ref, key string) (payment.Object, error) {
	var object payment.Object
	var refused error
	err := g.turn(g.takes, ref, func(b *book) error {
		refused = nil
		switch {
		case b.object.Status == payment.StatusCaptured:
		case b.object.Status == payment.StatusAuthorized && b.captureFails:
			b.move("failed", "intent.failed", 0)
			refused = &payment.Error{Permanent: true, Reason: "capture_declined"}
		case b.object.Status == payment.StatusAuthorized:
			b.move("succeeded", kindCaptured, 0)
		default:
			refused = &payment.Error{Permanent: true, Reason: "not_capturable_" + string(b.object.Status)}
		}
		object = b.object
		return nil
	})
	return object, errors.Join(err, refused)
}

// Cancel ends an intent that was not captured.
func (g *Gateway) Cancel(ctx context.Context, ref, key string) (payment.Object, error) {
	var object payment.Object
	err := g.change(ctx, ref, func(b *book) error {
		if b.object.Status != payment.StatusCaptured && b.object.Status != payment.StatusCanceled && b.object.Status != payment.StatusFailed {
			b.move("canceled", "intent.canceled", 0)
		}
		object = b.object
		return nil
	})
	return object, err
}

// Confirm is the payer's side: what a card form sends to the gateway, here
// with the DefaultCard.
func (g *Gateway) Confirm(ctx context.Context, ref, clientSecret, outcome string) (payment.Object, error) {
	return g.ConfirmCard(ctx, ref, clientSecret, outcome, DefaultCard)
}

// ConfirmCard is Confirm with a card: one of Cards, or any number of 12 to 19
// digits that passes the Luhn check. The number itself is not kept.
func (g *Gateway) ConfirmCard(ctx context.Context, ref, clientSecret, outcome, number string) (payment.Object, error) {
	how, delay, err := g.parseOutcome(outcome)
	if err != nil {
		return payment.Object{}, err
	}
	card, risk, err := parseCard(number)
	if err != nil {
		return payment.Object{}, err
	}
	var object payment.Object
	err = g.turn(g.turns, ref, func(b *book) error {
		if !hmac.Equal([]byte(clientSecret), []byte(b.object.ClientSecret)) {
			return ropeline.Errorf(ropeline.CodeForbidden, "This payment belongs to someone else.")
		}
		err := b.confirm(how, delay, card, risk)
		object = b.object
		return err
	})
	if e, ok := errors.AsType[*payment.Error](err); ok {
		if e.Permanent {
			return payment.Object{}, ropeline.Errorf(ropeline.CodeNotFound, "There is no such payment.")
		}
		return payment.Object{}, ropeline.Unavailable(err)
	}
	return object, err
}

func (b *book) confirm(how Outcome, delay time.Duration, card payment.Card, risk payment.Risk) error {
	switch b.object.Status {
	case payment.StatusPending, payment.StatusActionRequired:
	case payment.StatusCanceled, payment.StatusFailed:
		return ropeline.Errorf(ropeline.CodeOrderEnded, "This payment has ended.")
	default:
		return nil // confirmed already
	}
	second := b.object.Status == payment.StatusActionRequired
	b.object.Decline, b.object.Card, b.object.Risk = "", card, risk
	switch how {
	case Decline:
		b.move("requires_confirmation", "intent.declined", 0)
		b.object.Decline = "card_declined"
	case ThreeDSecure:
		if !second {
			b.move("requires_action", "intent.requires_action", 0)
			return nil
		}
		b.move("requires_capture", "intent.authorized", 0)
	case Delay:
		b.move("requires_capture", "intent.authorized", delay)
	case Duplicate:
		b.move("requires_capture", "intent.authorized", 0)
		b.repeat()
	case Reorder:
		b.move("requires_capture", "intent.authorized", 0)
		b.owe("intent.created", time.Second)
	case Late:
		b.move("processing", "intent.processing", 0)
		b.readyIn = delay
		b.owe("intent.authorized", delay)
	case CaptureFails:
		b.captureFails = true
		b.move("requires_capture", "intent.authorized", 0)
	default:
		b.move("requires_capture", "intent.authorized", 0)
	}
	return nil
}

func transient(err error) error { return &payment.Error{Reason: "sandbox_unavailable", Err: err} }

func token() string {
	var raw [12]byte
	rand.Read(raw[:])
	return hex.EncodeToString(raw[:])
}
