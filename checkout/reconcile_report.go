package checkout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout/payment"
)

// note heals a difference and writes it down; one that the gateway refuses to
// heal is an alert. What only failed makes the run fail at its end, and the
// next one tries again.
func (r *reconciling) note(ctx context.Context, kind DifferenceKind, subject, ref, detail string, heal func() error) error {
	if err := heal(); err != nil && !payment.Permanent(err) {
		r.trouble = errors.Join(r.trouble, fmt.Errorf("%s of %s: %w", kind, subject, err))
		return nil
	} else if err != nil {
		return r.alert(ctx, kind, subject, ref, detail, err.Error())
	}
	r.log.InfoContext(ctx, "reconciliation healed a difference", "kind", kind, "subject", subject, "ref", ref, "detail", detail)
	return r.write(ctx, Difference{Kind: kind, Subject: subject, Ref: ref, Detail: detail, Healed: true})
}

// alert writes down what a person must look at. It is told once: the same
// difference in a later run is in that run's report only.
func (r *reconciling) alert(ctx context.Context, kind DifferenceKind, subject, ref, detail, why string) error {
	var told bool
	err := r.pool.QueryRow(ctx, "select exists (select from reconciliation_items where kind = $1 and subject = $2 and ref = $3 and not healed)",
		kind, subject, ref).Scan(&told)
	if err != nil {
		return err
	}
	if !told {
		r.log.ErrorContext(ctx, "reconciliation: somebody must look", "provider", r.report.Provider, "kind", kind, "subject", subject, "ref", ref, "detail", detail, "why", why)
		_, err = r.pool.Exec(ctx, `
			insert into outbox (event_id, kind, subject, payload)
			select coalesce((select event_id from payments where id = $1), ''), 'ReconciliationAlert', $1,
				jsonb_build_object('run', $2::bigint, 'difference', $3::text, 'subject', $1::text, 'ref', $4::text, 'detail', $5::text, 'why', $6::text)`,
			subject, r.report.ID, kind, ref, detail, why)
		if err != nil {
			return err
		}
	}
	return r.write(ctx, Difference{Kind: kind, Subject: subject, Ref: ref, Detail: detail, Why: why})
}

func (r *reconciling) write(ctx context.Context, d Difference) error {
	if d.Healed {
		r.report.Healed++
	} else {
		r.report.Alerts++
	}
	err := r.pool.QueryRow(ctx, `
		insert into reconciliation_items (run_id, kind, subject, ref, detail, healed, why) values ($1, $2, $3, $4, $5, $6, $7) returning at`,
		r.report.ID, d.Kind, d.Subject, d.Ref, d.Detail, d.Healed, d.Why).Scan(&d.At)
	r.report.Differences = append(r.report.Differences, d)
	return err
}

func (r *reconciling) finish(ctx context.Context) error {
	if r.report.ID == 0 {
		return nil // it did not begin
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return r.pool.QueryRow(ctx, `
		update reconciliations set finished_at = clock_timestamp(), seen = $2, ours = $3, healed = $4, alerts = $5, error = $6
		where id = $1 returning finished_at`,
		r.report.ID, r.report.Seen, r.report.Ours, r.report.Healed, r.report.Alerts, r.report.Error).Scan(&r.report.FinishedAt)
}

// ReconciliationDue tells whether a run of the scope is due: the last one that
// came to a good end began that long ago, and none has begun within grace.
func (c *Checkout) ReconciliationDue(ctx context.Context, scope Scope, every, grace time.Duration) (due bool, err error) {
	names := make([]string, len(c.gateways))
	for i, gateway := range c.gateways {
		names[i] = gateway.Name()
	}
	err = c.pool.QueryRow(ctx, `
		select exists (select from unnest($4::text[]) as g(name) where not exists (select from reconciliations where provider = g.name and kind = $1 and (
			error = '' and finished_at is not null and started_at > now() - $2::interval or started_at > now() - $3::interval)))`,
		scope, every, min(every, grace), names).Scan(&due)
	return due, err
}

const reconciliationColumns = "id, kind, provider, since, started_at, finished_at, seen, ours, healed, alerts, error"

// Reconciliations lists the reports, the newest first, before an id (0: from
// the newest on).
func (c *Checkout) Reconciliations(ctx context.Context, before int64, limit int) ([]Reconciliation, error) {
	rows, err := c.pool.Query(ctx, "select "+reconciliationColumns+` from reconciliations where $1::bigint = 0 or id < $1 order by id desc limit $2`, before, limit)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	list, err := pgx.CollectRows(rows, scanReconciliation)
	return list, asError(err)
}

// ReconciliationOf reads one report with all its differences; not_found.
func (c *Checkout) ReconciliationOf(ctx context.Context, id int64) (Reconciliation, error) {
	rows, err := c.pool.Query(ctx, "select "+reconciliationColumns+" from reconciliations where id = $1", id)
	if err != nil {
		return Reconciliation{}, ropeline.Unavailable(err)
	}
	r, err := pgx.CollectExactlyOneRow(rows, scanReconciliation)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, ropeline.Errorf(ropeline.CodeNotFound, "There is no such reconciliation.")
	}
	if err != nil {
		return r, ropeline.Unavailable(err)
	}
	rows, err = c.pool.Query(ctx, "select kind, subject, ref, detail, healed, why, at from reconciliation_items where run_id = $1 order by id", id)
	if err != nil {
		return r, ropeline.Unavailable(err)
	}
	r.Differences, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Difference])
	return r, asError(err)
}

func scanReconciliation(row pgx.CollectableRow) (r Reconciliation, err error) {
	return r, row.Scan(&r.ID, &r.Scope, &r.Provider, &r.Since, &r.StartedAt, &r.FinishedAt, &r.Seen, &r.Ours, &r.Healed, &r.Alerts, &r.Error)
}
