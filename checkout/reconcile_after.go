package checkout

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// What becomes of money after it was taken: it may go back, and a bank may
// dispute it, long after the payment's own time.

// refusals tells of refunds that are refused, and were not asked for again. A
// quick run tells of fresh ones.
func (r *reconciling) refusals(ctx context.Context) error {
	since := r.report.Since
	if r.report.Scope == ScopeOpen {
		since = r.report.StartedAt.Add(-mostFresh)
	}
	rows, err := r.pool.Query(ctx, `
		select p.id, coalesce(f.provider_ref, p.provider_ref, ''), f.amount_minor, f.currency from refunds f join payments p on p.id = f.payment_id
		where p.provider = $1 and f.state = 'failed' and f.changed_at >= $2
			and not exists (select from refunds g where g.payment_id = f.payment_id and g.created_at > f.changed_at)
		order by f.changed_at, f.id`, r.report.Provider, since)
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
