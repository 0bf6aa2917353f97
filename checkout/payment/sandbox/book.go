package sandbox

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
	"github.com/ropeline/ropeline/internal/groupcommit"
)

// book is one intent's page in the gateway's books, open for a change.
type book struct {
	tx           pgx.Tx
	object       payment.Object
	state        string
	captureFails bool
	readyIn      time.Duration
	webhooks     []webhook
}

type webhook struct {
	id, kind string
	in       time.Duration
}

var statuses = map[string]payment.Status{
	"requires_confirmation": payment.StatusPending,
	"requires_action":       payment.StatusActionRequired,
	"processing":            payment.StatusProcessing,
	"requires_capture":      payment.StatusAuthorized,
	"succeeded":             payment.StatusCaptured,
	"canceled":              payment.StatusCanceled,
	"failed":                payment.StatusFailed,
}

// move changes the state and owes the webhook that tells it.
func (b *book) move(state, kind string, in time.Duration) {
	b.state, b.object.Status = state, statuses[state]
	b.owe(kind, in)
}

func (b *book) owe(kind string, in time.Duration) {
	b.webhooks = append(b.webhooks, webhook{id: "evt_" + token(), kind: kind, in: in})
}

// repeat owes the last webhook once more, under the same id.
func (b *book) repeat() { b.webhooks = append(b.webhooks, b.webhooks[len(b.webhooks)-1]) }

// change opens the page of an intent under its row lock, lets fn work on it and
// writes it back with the webhooks owed.
func (g *Gateway) change(ctx context.Context, ref string, fn func(*book) error) error {
	err := pgx.BeginFunc(ctx, g.pool, func(tx pgx.Tx) error {
		b, err := read(ctx, tx, "where ref = $1 for update", ref)
		if err != nil {
			return err
		}
		b.tx = tx
		batch := &pgx.Batch{}
		if err := b.work(fn, batch); err != nil || batch.Len() == 0 {
			return err
		}
		return tx.SendBatch(ctx, batch).Close()
	})
	return g.changed(err)
}

// turn is change for the busy ones: the pages that are opened at the same time
// share a transaction. fn may be called twice, and has no transaction to use.
func (g *Gateway) turn(ref string, fn func(*book) error) error {
	var found []*book
	return g.changed(g.group.Do(groupcommit.Part{
		Key: ref,
		Read: func(batch *pgx.Batch) {
			batch.Queue("select "+columns+" from sandbox_intents where ref = $1 for update", ref).Query(func(rows pgx.Rows) (err error) {
				found, err = pgx.CollectRows(rows, scanBook)
				return err
			})
		},
		Write: func(batch *pgx.Batch) error {
			if len(found) == 0 {
				return errNoIntent
			}
			return found[0].work(fn, batch)
		},
	}))
}

// changed makes what Postgres says a transient failure, and hurries the
// delivery of webhooks.
func (g *Gateway) changed(err error) error {
	if err == nil {
		g.Hurry()
	}
	if err == nil || ropeline.CodeOf(err) != ropeline.CodeInternal {
		return err
	}
	if _, told := errors.AsType[*payment.Error](err); told {
		return err
	}
	return transient(err)
}

// work lets fn change the page, and queues what has changed.
func (b *book) work(fn func(*book) error, batch *pgx.Batch) error {
	before := b.state
	if err := fn(b); err != nil {
		return err
	}
	if len(b.webhooks) == 0 && b.state == before {
		return nil
	}
	batch.Queue(`
		update sandbox_intents set state = $2, decline = $3, capture_fails = $4,
			ready_at = case when $2 = 'processing' then now() + $5::interval else ready_at end,
			card_fingerprint = $6, card_brand = $7, card_last4 = $8, card_country = $9, risk_score = $10, risk_level = $11
		where ref = $1`, b.object.Ref, b.state, b.object.Decline, b.captureFails, b.readyIn,
		b.object.Card.Fingerprint, b.object.Card.Brand, b.object.Card.Last4, b.object.Card.Country, b.object.Risk.Score, b.object.Risk.Level)
	for _, w := range b.webhooks {
		batch.Queue("insert into sandbox_webhooks (event_id, ref, kind, due_at) values ($1, $2, $3, now() + $4::interval)",
			w.id, b.object.Ref, w.kind, w.in)
	}
	return nil
}

type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// read loads an intent. One that was processing until a moment now past is
// authorized: the time has changed it, nobody has to come by.
func read(ctx context.Context, q querier, where string, arg any) (*book, error) {
	b := &book{}
	err := b.scan(q.QueryRow(ctx, "select "+columns+" from sandbox_intents "+where, arg))
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errNoIntent
	}
	if err != nil {
		return nil, transient(err)
	}
	return b, nil
}

var errNoIntent = &payment.Error{Permanent: true, Reason: "no_such_intent"}

func scanBook(row pgx.CollectableRow) (*book, error) {
	b := &book{}
	return b, b.scan(row)
}

const columns = `ref, case when state = 'processing' and ready_at <= now() then 'requires_capture' else state end,
	amount_minor, currency, refunded_minor, client_secret, decline, capture_fails, coalesce(metadata->>'payment', ''),
	card_fingerprint, card_brand, card_last4, card_country, risk_score, risk_level,
	exists (select from sandbox_disputes d where d.intent = sandbox_intents.ref), created_at`

func (b *book) scan(row pgx.Row) error {
	o := &b.object
	err := row.Scan(&o.Ref, &b.state, &o.Amount.Minor, &o.Amount.Currency, &o.Refunded, &o.ClientSecret, &o.Decline, &b.captureFails, &o.PaymentID,
		&o.Card.Fingerprint, &o.Card.Brand, &o.Card.Last4, &o.Card.Country, &o.Risk.Score, &o.Risk.Level, &o.Disputed, &o.Created)
	o.Status, o.Created = statuses[b.state], o.Created.UTC()
	return err
}
