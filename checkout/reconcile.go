package checkout

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// Scope says which payments a reconciliation is about.
type Scope string

// The scopes. ScopeOpen is quick and often: payments that are not at their
// end, what the gateway has beside them, and fresh refunds and disputes. ScopeAll
// compares everything of a window of time, and refunds and disputes for as long as
// they may change.
const (
	ScopeOpen Scope = "open"
	ScopeAll  Scope = "all"
)

// DifferenceKind is how our books differ from a gateway's.
type DifferenceKind string

// The kinds.
const (
	MissingWebhook  DifferenceKind = "missing_webhook"      // it knows more than we were told
	UnknownCapture  DifferenceKind = "unknown_capture"      // money was taken there, and we do not have it down
	OrphanIntent    DifferenceKind = "orphan_authorization" // nobody waits for it: without a row here, or its payment has ended
	DoubleCharge    DifferenceKind = "double_charge"        // two captured for one order
	NotCaptured     DifferenceKind = "not_captured"         // ours by our books only
	UnknownToThem   DifferenceKind = "unknown_at_gateway"
	OtherAmount     DifferenceKind = "other_amount"
	UnknownRefund   DifferenceKind = "unknown_refund"  // more went back there than here, or less
	UnknownPayments DifferenceKind = "unknown_payment" // money for a payment that we never had
	RefusedRefund   DifferenceKind = "refused_refund"  // money that is to go back stays there
)

// Difference is one of them, and what was done about it.
type Difference struct {
	Kind    DifferenceKind `json:"kind"`
	Subject string         `json:"subject"`
	Ref     string         `json:"ref"`
	Detail  string         `json:"detail"`
	Healed  bool           `json:"healed"`
	Why     string         `json:"why,omitempty"` // it was not
	At      time.Time      `json:"at"`
}

// Reconciliation is the report of one run over one gateway.
type Reconciliation struct {
	ID          int64        `json:"id"`
	Scope       Scope        `json:"kind"`
	Provider    string       `json:"provider"`
	Since       time.Time    `json:"since"`
	StartedAt   time.Time    `json:"started_at"`
	FinishedAt  *time.Time   `json:"finished_at"`
	Seen        int          `json:"seen"`
	Ours        int          `json:"ours"`
	Healed      int          `json:"healed"`
	Alerts      int          `json:"alerts"`
	Error       string       `json:"error,omitempty"`
	Differences []Difference `json:"differences,omitempty"`
}

const (
	mostOpen    = 48 * time.Hour   // how far back ScopeOpen lists; what is older is asked for one by one
	listMargin  = 10 * time.Minute // of clocks that differ
	compareSize = 100
	mostAsked   = 1000 // payments asked for one by one in a run
)

// Reconcile compares our payments with each gateway's books, heals what can be
// healed, and writes a report for each. What it heals it leaves to the usual
// duties, so it is idempotent, and two runs at once do no harm. window is how
// far back ScopeAll looks.
func (c *Checkout) Reconcile(ctx context.Context, scope Scope, window time.Duration) (reports []Reconciliation, err error) {
	for _, gateway := range c.gateways {
		r := &reconciling{Checkout: c, gateway: gateway, seen: map[string]bool{}}
		r.report.Scope, r.report.Provider = scope, gateway.Name()
		failed := r.run(ctx, window)
		if failed != nil {
			r.report.Error = failed.Error()
			err = errors.Join(err, fmt.Errorf("reconciliation with %s: %w", gateway.Name(), failed))
		}
		err = errors.Join(err, r.finish(context.WithoutCancel(ctx)))
		reports = append(reports, r.report)
	}
	return reports, err
}

// reconciling is one run over one gateway.
type reconciling struct {
	*Checkout
	gateway payment.Provider
	report  Reconciliation
	seen    map[string]bool // refs
	asked   int             // how often the gateway was asked for one payment
	given   []given         // what went back without us
	trouble error           // what could not be healed this time
}

func (r *reconciling) run(ctx context.Context, window time.Duration) error {
	window = max(window, 0)
	if r.report.Scope == ScopeOpen {
		window = mostOpen
	}
	err := r.pool.QueryRow(ctx, `
		insert into reconciliations (kind, provider, since)
		select $1, $2, greatest(now() - $3::interval, case when $1 = 'open' then coalesce((
			select min(created_at) from payments where provider = $2 and state in ('created', 'pending', 'authorized')), now()) end)
		returning id, since, started_at`, r.report.Scope, r.report.Provider, window).
		Scan(&r.report.ID, &r.report.Since, &r.report.StartedAt)
	if err != nil {
		return err
	}
	failed := r.refunds(ctx) // first: what is right by then is no difference of its payment
	if err := inPages(r.gateway.Intents(ctx, payment.Query{Since: r.report.Since.Add(-listMargin)}), func(page []payment.Object) error {
		r.report.Seen += len(page)
		return r.compare(ctx, page)
	}); err != nil {
		return errors.Join(failed, err)
	}
	if err := r.askForRest(ctx); err != nil {
		return errors.Join(failed, err)
	}
	return errors.Join(failed, r.judgeGiven(ctx), r.doubles(ctx), r.disputes(ctx), r.refusals(ctx), r.trouble)
}

// inPages cuts a gateway's list into pages, for one look into our books each.
func inPages[T any](list iter.Seq2[T, error], look func(page []T) error) error {
	var page []T
	for one, err := range list {
		if err != nil {
			return err
		}
		if page = append(page, one); len(page) == compareSize {
			if err := look(page); err != nil {
				return err
			}
			page = page[:0]
		}
	}
	if len(page) == 0 {
		return nil
	}
	return look(page)
}

// given is a payment of ours of which money went back that our books do not count.
type given struct {
	payment ropeline.PaymentID
	ref     string
}

// booked is a payment of ours beside what the gateway says.
type booked struct {
	id       ropeline.PaymentID
	ref, key string
	state    PaymentState
	duty     Duty
	amount   ropeline.Money
	accepted bool
	refunded int64 // done
	refunds  int   // under way
}

const bookedColumns = `p.id, coalesce(p.provider_ref, ''), p.idempotency_key, p.state, coalesce(p.duty, ''), p.amount_minor, p.currency, o.accepted_at is not null,
	(select coalesce(sum(f.amount_minor), 0) from refunds f where f.payment_id = p.id and f.state = 'done')::bigint,
	(select count(*) from refunds f where f.payment_id = p.id and f.state in ('created', 'transit'))::int`

func scanBooked(row pgx.CollectableRow) (b booked, err error) {
	return b, row.Scan(&b.id, &b.ref, &b.key, &b.state, &b.duty, &b.amount.Minor, &b.amount.Currency, &b.accepted, &b.refunded, &b.refunds)
}

// compare looks at a page of the gateway's intents.
func (r *reconciling) compare(ctx context.Context, page []payment.Object) error {
	ids, refs := make([]string, len(page)), make([]string, len(page))
	for i, object := range page {
		ids[i], refs[i] = string(object.PaymentID), object.Ref
		r.seen[object.Ref] = true
	}
	rows, err := r.pool.Query(ctx, "select "+bookedColumns+` from payments p join orders o on o.id = p.order_id
		where p.provider = $1 and (p.id = any($2) or p.provider_ref = any($3))`, r.report.Provider, ids, refs)
	if err != nil {
		return err
	}
	all, err := pgx.CollectRows(rows, scanBooked)
	if err != nil {
		return err
	}
	known := make(map[string]booked, 2*len(all))
	for _, b := range all {
		known[string(b.id)] = b
		if b.ref != "" {
			known[b.ref] = b
		}
	}
	for _, object := range page {
		b, ours := known[object.Ref]
		if !ours && object.PaymentID != "" {
			b, ours = known[string(object.PaymentID)]
			ours = ours && b.id == object.PaymentID
		}
		switch {
		case ours:
			r.report.Ours++
			err = r.judge(ctx, b, object)
		case object.PaymentID != "" && object.House == r.called: // others, on the same account, have payments too
			err = r.stray(ctx, string(object.PaymentID), object, UnknownPayments)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// judge compares one payment with its intent, and heals what differs.
func (r *reconciling) judge(ctx context.Context, b booked, object payment.Object) error {
	object, f, err := b.judge(object, func() (payment.Object, error) {
		call, cancel := context.WithTimeout(ctx, gatewayTime)
		defer cancel()
		return r.gateway.Get(call, object.Ref)
	})
	if err != nil {
		return err
	}
	return r.heal(ctx, string(b.id), object, f)
}

// stray ends an intent that names a payment of ours without being the one in
// our books.
func (r *reconciling) stray(ctx context.Context, subject string, object payment.Object, kind DifferenceKind) error {
	return r.heal(ctx, subject, object, strays(object, kind))
}

// heal does what a finding asks for, and notes it.
func (r *reconciling) heal(ctx context.Context, subject string, object payment.Object, f finding) error {
	switch f.remedy {
	case remedyNone:
		return nil
	case remedyPerson:
		return r.alert(ctx, f.kind, subject, object.Ref, f.detail, f.why)
	}
	return r.note(ctx, f.kind, subject, object.Ref, f.detail, func() (err error) {
		call, cancel := context.WithTimeout(ctx, gatewayTime)
		defer cancel()
		switch f.remedy {
		case remedyLearn:
			return r.learn(ctx, ropeline.PaymentID(subject), news{gateway: r.report.Provider, object: object, asked: r.report.StartedAt})
		case remedyOwe:
			_, err = r.pool.Exec(ctx, "update payments set duty = $2, duty_at = now(), attempts = 0 where id = $1 and duty is null and state = 'authorized'", subject, f.duty)
		case remedyCancel:
			_, err = r.gateway.Cancel(call, object.Ref, f.key)
		case remedyRefund:
			_, err = r.gateway.Refund(call, object.Ref, f.amount, f.key)
		}
		return err
	})
}

// askForRest asks for payments that the list did not hold: those that are not
// at their end, and in a full run all of its time.
func (r *reconciling) askForRest(ctx context.Context) error {
	rows, err := r.pool.Query(ctx, "select "+bookedColumns+` from payments p join orders o on o.id = p.order_id
		where p.provider = $1 and p.provider_ref is not null and p.created_at < $2::timestamptz - $3::interval and (
			p.state in ('created', 'pending', 'authorized') or $4 = 'all' and p.created_at >= $5)
		order by p.created_at`, r.report.Provider, r.report.StartedAt, listMargin, r.report.Scope, r.report.Since)
	if err != nil {
		return err
	}
	all, err := pgx.CollectRows(rows, scanBooked)
	if err != nil {
		return err
	}
	for _, b := range all {
		if r.seen[b.ref] {
			continue
		}
		object, err := r.ask(ctx, b.ref)
		switch {
		case payment.Permanent(err):
			err = r.alert(ctx, UnknownToThem, string(b.id), b.ref, fmt.Sprintf("here %s", b.state), "the gateway has no such intent")
		case err == nil:
			err = r.judge(ctx, b, object)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ask asks for one payment's intent.
func (r *reconciling) ask(ctx context.Context, ref string) (payment.Object, error) {
	if err := r.mayAsk(); err != nil {
		return payment.Object{}, err
	}
	r.report.Ours++
	r.seen[ref] = true
	call, cancel := context.WithTimeout(ctx, gatewayTime)
	defer cancel()
	return r.gateway.Get(call, ref)
}

// mayAsk bounds what a run asks the gateway one by one.
func (r *reconciling) mayAsk() error {
	if r.asked++; r.asked > mostAsked {
		return fmt.Errorf("more than %d payments are to be asked for one by one", mostAsked)
	}
	return nil
}

// doubles finds orders with two confirmed payments; the later one goes back,
// unless that was tried.
func (r *reconciling) doubles(ctx context.Context) error {
	rows, err := r.pool.Query(ctx, `
		select b.id, coalesce(b.provider_ref, '') from payments a join payments b on b.order_id = a.order_id and (b.created_at, b.id) > (a.created_at, a.id)
		where b.provider = $1 and a.state = 'confirmed' and b.state = 'confirmed' and b.amount_minor > 0 and b.created_at >= $2
			and not exists (select from refunds f where f.payment_id = b.id)`, r.report.Provider, r.report.Since)
	if err != nil {
		return err
	}
	type double struct {
		ID  ropeline.PaymentID
		Ref string
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[double])
	if err != nil {
		return err
	}
	for _, d := range all {
		if err := r.note(ctx, DoubleCharge, string(d.ID), d.Ref, "a second payment of its order", func() error {
			_, err := r.pool.Exec(ctx, `
				insert into refunds (id, payment_id, idempotency_key, state, amount_minor, currency, reason)
				select $2, id, idempotency_key || ':refund', 'created', amount_minor, currency, 'charged twice' from payments where id = $1
				on conflict (idempotency_key) do nothing`, d.ID, ropeline.NewID[ropeline.RefundID]())
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}
