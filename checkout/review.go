package checkout

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// AtDeadline is who decides a review that nobody has decided in time.
const AtDeadline = "deadline"

// Reviewed is an order that waits for an organizer, or what came of it.
type Reviewed struct {
	Order    ropeline.OrderID
	Event    ropeline.EventID
	Fan      ropeline.FanID
	Email    string
	Total    ropeline.Money
	Placed   time.Time
	Score    float64
	Reasons  []string
	Decision RiskDecision
	Deadline time.Time
	Default  RiskDecision // what is decided at the deadline
	By       string       // who has decided; empty while it waits
	At       time.Time
	Note     string
	New      bool // the call that returned it has decided it
}

const reviewedColumns = `o.id, o.event_id, o.fan_id, o.email, o.total_minor, o.currency, o.created_at, coalesce(o.risk_score, 0), o.risk_reasons,
	o.risk_decision, o.review_deadline, o.review_at_deadline, coalesce(o.reviewed_by, ''), coalesce(o.reviewed_at, 'epoch'), o.review_note`

func scanReviewed(row pgx.CollectableRow) (r Reviewed, err error) {
	err = row.Scan(&r.Order, &r.Event, &r.Fan, &r.Email, &r.Total.Minor, &r.Total.Currency, &r.Placed, &r.Score, &r.Reasons,
		&r.Decision, &r.Deadline, &r.Default, &r.By, &r.At, &r.Note)
	return r, err
}

// ReviewCursor is where a page of the review queue ends.
type ReviewCursor struct {
	Deadline time.Time
	Order    ropeline.OrderID
}

// Reviews lists the orders of an event that wait for a decision, the nearest
// deadline first, after a cursor (the zero one: from the start).
func (c *Checkout) Reviews(ctx context.Context, event ropeline.EventID, after ReviewCursor, limit int) ([]Reviewed, error) {
	rows, err := c.pool.Query(ctx, `
		select `+reviewedColumns+` from orders o
		where o.event_id = $1 and o.review_deadline is not null and o.risk_decision = 'review' and (o.review_deadline, o.id) > ($2, $3)
			and exists (select from payments p where p.order_id = o.id and p.duty = 'review')
		order by o.review_deadline, o.id limit $4`, event, after.Deadline, after.Order, limit)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	list, err := pgx.CollectRows(rows, scanReviewed)
	return list, asError(err)
}

// ReviewOf finds an order that was ever reviewed; order_not_found otherwise.
func (c *Checkout) ReviewOf(ctx context.Context, order ropeline.OrderID) (Reviewed, error) {
	rows, err := c.pool.Query(ctx, "select "+reviewedColumns+" from orders o where o.id = $1 and o.review_deadline is not null", order)
	if err != nil {
		return Reviewed{}, ropeline.Unavailable(err)
	}
	r, err := pgx.CollectExactlyOneRow(rows, scanReviewed)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, ropeline.Errorf(ropeline.CodeOrderNotFound, "There is no such order to review.")
	}
	return r, asError(err)
}

// Review decides an order that waits, in the caller's transaction: RiskAllow
// has its money captured, RiskReject lets the money go and gives the stock
// back. The same decision again changes nothing; the other one is
// review_decided, as is a decision about an order that has ended meanwhile.
// Call ReviewDone after the commit.
func (c *Checkout) Review(ctx context.Context, tx pgx.Tx, order ropeline.OrderID, decision RiskDecision, by, note string) (Reviewed, error) {
	if decision != RiskAllow && decision != RiskReject {
		return Reviewed{}, ropeline.Errorf(ropeline.CodeInvalidRequest, "An order is approved or rejected.")
	}
	var pay ropeline.PaymentID
	var duty Duty
	err := tx.QueryRow(ctx, `
		select id, coalesce(duty, '') from payments where order_id = $1 order by created_at desc limit 1 for update`, order).Scan(&pay, &duty)
	if errors.Is(err, pgx.ErrNoRows) {
		return Reviewed{}, ropeline.Errorf(ropeline.CodeOrderNotFound, "There is no such order to review.")
	}
	if err != nil {
		return Reviewed{}, err
	}
	rows, err := tx.Query(ctx, "select "+reviewedColumns+" from orders o where o.id = $1 and o.review_deadline is not null for update of o", order)
	if err != nil {
		return Reviewed{}, err
	}
	r, err := pgx.CollectExactlyOneRow(rows, scanReviewed)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return r, ropeline.Errorf(ropeline.CodeOrderNotFound, "There is no such order to review.")
	case err != nil:
		return r, err
	}
	next, err := decideReview(r, duty, decision)
	if err != nil || next == DutyNone {
		return r, err
	}
	batch := &pgx.Batch{}
	batch.Queue("update payments set duty = $2, duty_at = now(), attempts = 0 where id = $1", pay, next)
	batch.Queue(`
		update orders set risk_decision = $2, reviewed_by = $3, reviewed_at = clock_timestamp(), review_note = $4 where id = $1
		returning reviewed_at`, order, decision, by, note).QueryRow(func(row pgx.Row) error { return row.Scan(&r.At) })
	batch.Queue(`
		insert into outbox (event_id, kind, subject, payload)
		values ($1, 'FraudReviewed', $2, jsonb_build_object('order', $2::text, 'payment', $3::text, 'decision', $4::text, 'by', $5::text, 'score', $6::float8))`,
		r.Event, order, pay, decision, by, r.Score)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return r, err
	}
	r.Decision, r.By, r.Note, r.New = decision, by, note, true
	return r, nil
}

// decideReview says what is owed to a payment after the decision about its
// order; nothing new when the same was decided before.
func decideReview(r Reviewed, duty Duty, decision RiskDecision) (Duty, error) {
	switch {
	case r.Decision == decision:
		return DutyNone, nil
	case r.Decision != RiskReview:
		return DutyNone, ropeline.Errorf(ropeline.CodeReviewDecided, "%s already.", r.decided())
	case duty != DutyReview:
		return DutyNone, ropeline.Errorf(ropeline.CodeReviewDecided, "The order has ended meanwhile.")
	}
	if err := riskMoves.move(r.Decision, decision); err != nil {
		return DutyNone, err
	}
	if decision == RiskReject {
		return DutyUnwind, nil
	}
	return DutyCapture, nil
}

// decided says who has decided, and how.
func (r Reviewed) decided() string {
	who, how := r.By, "approved"
	if who == AtDeadline {
		who = "The deadline"
	}
	if r.Decision == RiskReject {
		how = "rejected"
	}
	return who + " has " + how + " this order"
}

// ReviewDone hurries what a decision has made due; without it a sweep finds it
// a second later.
func (c *Checkout) ReviewDone(ctx context.Context, r Reviewed) {
	if r.Decision == RiskReject {
		c.nudgeSoon(ctx, r.Event)
	}
}

// endReview decides a review whose deadline has come, unless an organizer was
// quicker.
func (c *Checkout) endReview(ctx context.Context, o owed) error {
	var decision RiskDecision
	err := c.pool.QueryRow(ctx, `
		select review_at_deadline from orders where id = $1 and risk_decision = 'review' and review_deadline <= clock_timestamp()`, o.order).Scan(&decision)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	var r Reviewed
	err = pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) error {
		r, err = c.Review(ctx, tx, o.order, decision, AtDeadline, "")
		return err
	})
	if ropeline.CodeOf(err) == ropeline.CodeReviewDecided {
		return nil
	}
	if err == nil {
		c.ReviewDone(ctx, r)
	}
	return err
}
