package admission

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/pacelog"
)

const columns = `version, rate_per_minute, burst, max_shoppers, batch, paused, stock_gate,
	show_up_seconds, shop_seconds, schedule, compensate_percent, work, changed_by, changed_at`

// CreateRules writes the first rules of a new event, in the transaction that
// creates the event. The first tick brings them to Redis.
func (a *Admission) CreateRules(ctx context.Context, tx pgx.Tx, event ropeline.EventID, r Rules, by string) error {
	if err := r.Validate(); err != nil {
		return err
	}
	r.Version = 1
	if _, err := insertRules(ctx, tx, event, r, by); err != nil {
		return ropeline.Unavailable(err)
	}
	return nil
}

// SetRules makes a new version and puts it in force. With expectVersion > 0,
// the code is rules_conflict when another version is in force by now.
func (a *Admission) SetRules(ctx context.Context, event ropeline.EventID, r Rules, expectVersion int64, by string) (Rules, error) {
	if err := r.Validate(); err != nil {
		return Rules{}, err
	}
	conflict := ropeline.Errorf(ropeline.CodeRulesConflict, "The rules were changed meanwhile. Look at them again.")
	for range 5 {
		current, err := a.Rules(ctx, event)
		if err != nil {
			return Rules{}, err
		}
		if expectVersion > 0 && current.Version != expectVersion {
			return Rules{}, conflict
		}
		r.Version = current.Version + 1
		var set Rules
		err = pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) (err error) {
			set, err = insertRules(ctx, tx, event, r, by)
			return err
		})
		if isUnique(err) {
			continue // somebody else made this version; with an expected one, the next look tells
		}
		if err != nil {
			return Rules{}, ropeline.Unavailable(err)
		}
		a.Publish(ctx, event, set)
		return set, nil
	}
	return Rules{}, conflict
}

// MoveDrop makes a new version of the rules, in the transaction that moves the
// drop, when steps of the schedule count from the drop; false when there are
// none. Publish brings the new version to Redis after the commit.
func (a *Admission) MoveDrop(ctx context.Context, tx pgx.Tx, event ropeline.EventID, drop time.Time, by string) (Rules, bool, error) {
	rows, err := tx.Query(ctx, "select "+columns+" from admission_rules where event_id = $1 order by version desc limit 1", event)
	if err != nil {
		return Rules{}, false, ropeline.Unavailable(err)
	}
	r, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (Rules, error) { return scanRules(row) })
	if err != nil {
		return Rules{}, false, ropeline.Unavailable(err)
	}
	moved := false
	for i, step := range r.Schedule {
		if step.AfterDrop != nil {
			r.Schedule[i].From, moved = drop.Add(time.Duration(*step.AfterDrop)*time.Second), true
		}
	}
	if !moved {
		return r, false, nil
	}
	slices.SortStableFunc(r.Schedule, func(a, b Step) int { return a.From.Compare(b.From) })
	if err := r.Validate(); err != nil {
		return r, false, err
	}
	r.Version++
	if r, err = insertRules(ctx, tx, event, r, by); err != nil {
		if isUnique(err) {
			return r, false, ropeline.Errorf(ropeline.CodeRulesConflict, "The rules were changed meanwhile. Try again.")
		}
		return r, false, ropeline.Unavailable(err)
	}
	return r, true, nil
}

// Publish brings rules that were committed to Redis; when that fails, the next
// healing does it.
func (a *Admission) Publish(ctx context.Context, event ropeline.EventID, r Rules) {
	defer a.stir(event) // whoever set them waits for the tick that goes by them
	if err := a.push(ctx, event, r, ""); err != nil {
		a.log.WarnContext(ctx, "new rules wait for the next healing", "event", event, "version", r.Version, "err", err)
	}
}

// Rules are those in force; event_not_found for an event without any.
func (a *Admission) Rules(ctx context.Context, event ropeline.EventID) (Rules, error) {
	latest, err := a.latest(ctx, []ropeline.EventID{event})
	if err != nil {
		return Rules{}, err
	}
	r, found := latest[event]
	if !found {
		return Rules{}, ropeline.Errorf(ropeline.CodeEventNotFound, "There is no such event.")
	}
	return r, nil
}

// History is every version of an event's rules, the oldest first.
func (a *Admission) History(ctx context.Context, event ropeline.EventID) ([]Rules, error) {
	rows, err := a.pool.Query(ctx, "select "+columns+" from admission_rules where event_id = $1 order by version", event)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	history, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Rules, error) { return scanRules(row) })
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	return history, nil
}

func (a *Admission) latest(ctx context.Context, events []ropeline.EventID) (map[ropeline.EventID]Rules, error) {
	rows, err := a.pool.Query(ctx, "select distinct on (event_id) "+columns+`, event_id
		from admission_rules where event_id = any($1) order by event_id, version desc`, events)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	defer rows.Close()
	latest := make(map[ropeline.EventID]Rules, len(events))
	for rows.Next() {
		var event ropeline.EventID
		r, err := scanRules(rows, &event)
		if err != nil {
			return nil, ropeline.Unavailable(err)
		}
		latest[event] = r
	}
	if err := rows.Err(); err != nil {
		return nil, ropeline.Unavailable(err)
	}
	return latest, nil
}

func scanRules(row pgx.CollectableRow, more ...any) (Rules, error) {
	var r Rules
	var showUp, shop int64
	err := row.Scan(append([]any{&r.Version, &r.RatePerMinute, &r.Burst, &r.MaxShoppers, &r.Batch, &r.Paused, &r.StockGate,
		&showUp, &shop, &r.Schedule, &r.CompensatePercent, &r.Work, &r.ChangedBy, &r.ChangedAt}, more...)...)
	r.ShowUp, r.Shop = time.Duration(showUp)*time.Second, time.Duration(shop)*time.Second
	return r, err
}

// insertRules makes a version and logs it.
func insertRules(ctx context.Context, tx pgx.Tx, event ropeline.EventID, r Rules, by string) (Rules, error) {
	err := tx.QueryRow(ctx, `
		insert into admission_rules (event_id, version, rate_per_minute, burst, max_shoppers, batch, paused, stock_gate,
			show_up_seconds, shop_seconds, schedule, compensate_percent, work, changed_by)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) returning changed_at`,
		event, r.Version, r.RatePerMinute, r.Burst, r.MaxShoppers, r.Batch, r.Paused, r.StockGate,
		int64(r.ShowUp/time.Second), int64(r.Shop/time.Second), stepsOf(r), r.CompensatePercent, r.Work, by).Scan(&r.ChangedAt)
	if err != nil {
		return r, err
	}
	r.ChangedBy = by
	entry, err := rulesEntry(r)
	if err != nil {
		return r, err
	}
	return r, pacelog.Append(ctx, tx, event, entry)
}

func isUnique(err error) bool {
	failure, ok := errors.AsType[*pgconn.PgError](err)
	return ok && failure.Code == "23505"
}

// stepsOf are the schedule as Postgres keeps it: never null, to the microsecond.
func stepsOf(r Rules) []Step {
	steps := make([]Step, len(r.Schedule))
	for i, s := range r.Schedule {
		steps[i] = Step{From: s.From.UTC().Truncate(time.Microsecond), RatePerMinute: s.RatePerMinute, AfterDrop: s.AfterDrop}
	}
	return steps
}

// scheduleText is the schedule as the scripts read it.
func scheduleText(r Rules) string {
	steps := make([]string, len(r.Schedule))
	for i, s := range r.Schedule {
		steps[i] = fmt.Sprintf("%d:%d", s.From.UnixMicro(), s.RatePerMinute)
	}
	return strings.Join(steps, ",")
}
