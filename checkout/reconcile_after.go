package checkout

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// What becomes of money after it was taken: it may go back, and a bank may
// dispute it, long after the payment's own time.

const (
	mostFresh    = 10 * time.Minute     // what ScopeOpen looks at
	mostReturned = 31 * 24 * time.Hour  // for how long a bank may send a refund back
	mostDisputed = 180 * 24 * time.Hour // for how long a dispute may go on
)

// after is since when things are looked at that last for some time. A gateway
// lists them by when they began.
func (r *reconciling) after(lasts time.Duration) time.Time {
	if r.report.Scope == ScopeOpen {
		lasts = mostFresh
	}
	return r.report.StartedAt.Add(-lasts - listMargin)
}

// disputes learns of disputes that the books do not have, or have in another
// state, as their webhooks would have it.
func (r *reconciling) disputes(ctx context.Context) error {
	return inPages(r.gateway.Disputes(ctx, payment.Query{Since: r.after(mostDisputed)}), func(page []payment.Dispute) error {
		refs, intents := make([]string, len(page)), make([]string, len(page))
		for i, d := range page {
			refs[i], intents[i] = d.Ref, d.Intent
		}
		type known struct {
			At      int
			Payment ropeline.PaymentID
			State   string
			Now     time.Time
		}
		rows, err := r.pool.Query(ctx, `
			select u.at, p.id, coalesce(d.state, 'unknown'), clock_timestamp() from unnest($2::text[], $3::text[]) with ordinality as u(ref, intent, at)
			join payments p on p.provider = $1 and p.provider_ref = u.intent
			left join disputes d on d.payment_id = p.id and d.provider_ref = u.ref`, r.report.Provider, refs, intents)
		if err != nil {
			return err
		}
		all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[known])
		if err != nil {
			return err
		}
		for _, k := range all {
			d := page[k.At-1]
			if k.State == d.Status {
				continue
			}
			if err := r.mayAsk(); err != nil {
				return err
			}
			if err := r.note(ctx, MissingWebhook, string(k.Payment), d.Ref, fmt.Sprintf("a dispute: here %s, there %s", k.State, d.Status), func() error {
				n := news{gateway: r.report.Provider, asked: k.Now}
				if err := n.ask(ctx, r.gateway, d.Intent, gatewayTime); err != nil {
					return err
				}
				if len(n.disputes) == 0 { // an inquiry, which the intent does not tell of
					n.disputes = []payment.Dispute{d}
				}
				return r.learn(ctx, k.Payment, n)
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

// refunds compares the gateway's refunds with ours, of payments of any age, and
// asks after those that have come to another end there.
func (r *reconciling) refunds(ctx context.Context) error {
	return inPages(r.gateway.Refunds(ctx, payment.Query{Since: r.after(mostReturned)}), func(page []payment.Refund) error {
		refs, keys, intents := make([]string, len(page)), make([]string, len(page)), make([]string, len(page))
		for i, f := range page {
			refs[i], keys[i], intents[i] = f.Ref, f.Key, f.Intent
		}
		type known struct {
			At      int
			Payment ropeline.PaymentID
			Refund  ropeline.RefundID
			State   RefundState
		}
		rows, err := r.pool.Query(ctx, `
			select u.at, p.id, coalesce(f.id, ''), coalesce(f.state, '') from unnest($2::text[], $3::text[], $4::text[]) with ordinality as u(ref, key, intent, at)
			join payments p on p.provider = $1 and p.provider_ref = u.intent
			left join refunds f on f.payment_id = p.id and (f.idempotency_key = u.key or f.provider_ref = u.ref)`, r.report.Provider, refs, keys, intents)
		if err != nil {
			return err
		}
		all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[known])
		if err != nil {
			return err
		}
		for _, k := range all {
			told := page[k.At-1]
			switch refundDiffers(k.State, told.Status) {
			case remedyLearn:
				if err := r.mayAsk(); err != nil {
					return err
				}
				err = r.note(ctx, MissingWebhook, string(k.Payment), told.Ref, fmt.Sprintf("a refund: here %s, there %s", k.State, told.Status), func() error {
					if _, err := r.pool.Exec(ctx, "update refunds set due_at = least(due_at, now()) where id = $1 and state = $2", k.Refund, k.State); err != nil {
						return err
					}
					return r.PerformRefund(ctx, k.Refund)
				})
				if err != nil {
					return err
				}
			case remedyPerson:
				r.given = append(r.given, given{k.Payment, told.Intent})
			}
		}
		return nil
	})
}

// judgeGiven asks for the payments of which money went back without us, unless the
// list of intents has told of them.
func (r *reconciling) judgeGiven(ctx context.Context) error {
	for _, g := range r.given {
		if r.seen[g.ref] {
			continue
		}
		object, err := r.ask(ctx, g.ref)
		if err != nil {
			return err
		}
		rows, err := r.pool.Query(ctx, "select "+bookedColumns+" from payments p join orders o on o.id = p.order_id where p.id = $1", g.payment)
		if err != nil {
			return err
		}
		b, err := pgx.CollectExactlyOneRow(rows, scanBooked)
		if err != nil {
			return err
		}
		if err := r.judge(ctx, b, object); err != nil {
			return err
		}
	}
	return nil
}

// refusals tells of refunds that are refused, and were not asked for again. A
// quick run tells of fresh ones.
func (r *reconciling) refusals(ctx context.Context) error {
	rows, err := r.pool.Query(ctx, `
		select p.id, coalesce(f.provider_ref, p.provider_ref, ''), f.amount_minor, f.currency from refunds f join payments p on p.id = f.payment_id
		where p.provider = $1 and f.state = 'failed' and f.changed_at >= $2
			and not exists (select from refunds g where g.payment_id = f.payment_id and g.created_at > f.changed_at)
		order by f.changed_at, f.id`, r.report.Provider, r.after(mostReturned))
	if err != nil {
		return err
	}
	type refusal struct {
		Payment ropeline.PaymentID
		Ref     string
		Amount  ropeline.Money
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (f refusal, err error) {
		return f, row.Scan(&f.Payment, &f.Ref, &f.Amount.Minor, &f.Amount.Currency)
	})
	if err != nil {
		return err
	}
	for _, f := range all {
		if err := r.alert(ctx, RefusedRefund, string(f.Payment), f.Ref, fmt.Sprintf("%s to go back", f.Amount), "it was refused or sent back, and nobody has asked again"); err != nil {
			return err
		}
	}
	return nil
}
