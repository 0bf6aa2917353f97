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
	handed       []Delivery // those of its webhooks that this process delivers at once
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
		changed, err := b.work(fn)
		if err != nil || !changed {
			return err
		}
		batch := &pgx.Batch{}
		queueBooks(batch, false, b)
		return tx.SendBatch(ctx, batch).Close()
	})
	return g.changed(err)
}

// turn is change for the busy ones: the pages that are opened at the same time
// share a transaction. do may be called twice, and has no transaction to use.
func (g *Gateway) turn(with *groupcommit.Group[turn], ref string, do func(*book) error) error {
	t := &turn{ref: ref, do: do}
	err := with.Do(t)
	if err == nil {
		g.handing.add(t.found.handed)
	}
	return g.changed(err)
}

type turn struct {
	ref   string
	do    func(*book) error
	found *book
}

func readTurns(batch *pgx.Batch, parts []*turn) {
	of := make(map[string]*turn, len(parts))
	refs := make([]string, len(parts))
	for i, t := range parts {
		t.found = nil
		of[t.ref], refs[i] = t, t.ref
	}
	batch.Queue("select "+columns+" from sandbox_intents where ref = any($1) order by ref for update", refs).Query(func(rows pgx.Rows) error {
		found, err := pgx.CollectRows(rows, scanBook)
		for _, b := range found {
			of[b.object.Ref].found = b
		}
		return err
	})
}

func (g *Gateway) writeTurns(batch *pgx.Batch, parts []*turn) []error {
	refusals := make([]error, len(parts))
	var turned []*book
	for i, t := range parts {
		if t.found == nil {
			refusals[i] = errNoIntent
			continue
		}
		changed, err := t.found.work(t.do)
		if refusals[i] = err; changed && err == nil {
			turned = append(turned, t.found)
		}
	}
	queueBooks(batch, g.handing.open(), turned...)
	return refusals
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

// work lets fn change the page, and tells whether it has.
func (b *book) work(fn func(*book) error) (changed bool, err error) {
	before := b.state
	err = fn(b)
	return len(b.webhooks) > 0 || b.state != before, err
}

// queueBooks writes the pages back, with the webhooks owed. With hand, those that
// are due at once are written as claimed by this process, and noted as handed.
func queueBooks(batch *pgx.Batch, hand bool, books ...*book) {
	n := len(books)
	if n == 0 {
		return
	}
	refs, states, declines, fails, ready := make([]string, n), make([]string, n), make([]string, n), make([]bool, n), make([]time.Duration, n)
	fingerprints, brands, lasts, countries := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	scores, levels := make([]int32, n), make([]string, n)
	var owed struct {
		ids, refs, kinds []string
		in               []time.Duration
		attempts         []int32
	}
	of := make(map[string]*book, n)
	for i, b := range books {
		of[b.object.Ref] = b
		card, risk := b.object.Card, b.object.Risk
		refs[i], states[i], declines[i], fails[i], ready[i] = b.object.Ref, b.state, b.object.Decline, b.captureFails, b.readyIn
		fingerprints[i], brands[i], lasts[i], countries[i] = card.Fingerprint, card.Brand, card.Last4, card.Country
		scores[i], levels[i] = int32(risk.Score), risk.Level
		for _, w := range b.webhooks {
			in, attempts := w.in, int32(0)
			if hand && in == 0 {
				in, attempts = claimTime, 1
			}
			owed.ids, owed.refs, owed.kinds = append(owed.ids, w.id), append(owed.refs, b.object.Ref), append(owed.kinds, w.kind)
			owed.in, owed.attempts = append(owed.in, in), append(owed.attempts, attempts)
		}
	}
	batch.Queue(`
		update sandbox_intents i set state = u.state, decline = u.decline, capture_fails = u.fails,
			ready_at = case when u.state = 'processing' then now() + u.ready else i.ready_at end,
			card_fingerprint = u.fingerprint, card_brand = u.brand, card_last4 = u.last4, card_country = u.country, risk_score = u.score, risk_level = u.level
		from unnest($1::text[], $2::text[], $3::text[], $4::bool[], $5::interval[], $6::text[], $7::text[], $8::text[], $9::text[], $10::int[], $11::text[])
			as u(ref, state, decline, fails, ready, fingerprint, brand, last4, country, score, level)
		where i.ref = u.ref`, refs, states, declines, fails, ready, fingerprints, brands, lasts, countries, scores, levels)
	if len(owed.ids) > 0 {
		batch.Queue(`
			insert into sandbox_webhooks (event_id, ref, kind, due_at, attempts)
			select id, ref, kind, now() + due, attempts from unnest($1::text[], $2::text[], $3::text[], $4::interval[], $5::int[]) as u(id, ref, kind, due, attempts)
			returning seq, attempts, event_id, kind, ref, extract(epoch from created_at)::bigint`,
			owed.ids, owed.refs, owed.kinds, owed.in, owed.attempts).Query(func(rows pgx.Rows) error {
			var d Delivery
			var m message
			_, err := pgx.ForEachRow(rows, []any{&d.Seq, &d.Attempts, &m.ID, &m.Kind, &m.Intent, &m.Created}, func() error {
				if b := of[m.Intent]; d.Attempts > 0 {
					m.Payment = b.object.PaymentID
					b.handed = append(b.handed, m.delivery(d.Seq, d.Attempts))
				}
				return nil
			})
			return err
		})
	}
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
	amount_minor, currency, refunded_minor, client_secret, decline, capture_fails, coalesce(metadata->>'house', ''), coalesce(metadata->>'payment', ''),
	card_fingerprint, card_brand, card_last4, card_country, risk_score, risk_level,
	exists (select from sandbox_disputes d where d.intent = sandbox_intents.ref), created_at`

func (b *book) scan(row pgx.Row) error {
	o := &b.object
	err := row.Scan(&o.Ref, &b.state, &o.Amount.Minor, &o.Amount.Currency, &o.Refunded, &o.ClientSecret, &o.Decline, &b.captureFails, &o.House, &o.PaymentID,
		&o.Card.Fingerprint, &o.Card.Brand, &o.Card.Last4, &o.Card.Country, &o.Risk.Score, &o.Risk.Level, &o.Disputed, &o.Created)
	o.Status, o.Created = statuses[b.state], o.Created.UTC()
	return err
}
