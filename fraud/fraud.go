package fraud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/groupcommit"
	"github.com/ropeline/ropeline/internal/keyring"
	"github.com/ropeline/ropeline/internal/redisdb"
)

// Decision is what a score leads to.
type Decision string

// The decisions.
const (
	Allow  Decision = "allow"
	Review Decision = "review" // a person decides
	Reject Decision = "reject"
)

// Verdict is what is thought of an order.
type Verdict struct {
	Score      float64 // probability of fraud, 0 to 1
	Decision   Decision
	Reasons    []string // in words, the strongest first
	ReviewFor  time.Duration
	AtDeadline Decision // Allow or Reject, for a review that nobody decides
}

// Options are what an installation or a test may choose.
type Options struct {
	// Admitted tells when a fan was let in; nil: nobody knows.
	Admitted func(ctx context.Context, event ropeline.EventID, fan ropeline.FanID) (time.Time, bool, error)
	// Budget is the time that a look may take; default 50 ms.
	Budget time.Duration
}

// Fraud scores orders; safe for concurrent use.
type Fraud struct {
	pool     *pgxpool.Pool
	reads    *groupcommit.Reads[placement]
	keys     *keyring.Keyring
	model    *Model
	log      *slog.Logger
	options  Options
	velocity velocity
	settings remembered
	joins    joins
	finals   finals
	metrics  metrics
}

// New opens the room. Run keeps its notes.
func New(r *redisdb.Clients, pool *pgxpool.Pool, k *keyring.Keyring, model *Model, log *slog.Logger, options Options) *Fraud {
	if options.Budget <= 0 {
		options.Budget = 50 * time.Millisecond
	}
	return &Fraud{
		pool: pool, reads: groupcommit.NewReads(pool, readPlacements), keys: k, model: model, log: log, options: options, velocity: newVelocity(r), metrics: newMetrics(),
		settings: remembered{seen: map[ropeline.EventID]seenSettings{}},
	}
}

// Placed is what was thought of an order as it was placed.
type Placed struct {
	Verdict
	visit   Visit
	signals Signals
	traces  Traces
	model   string
}

// Place looks at an order before it is written: within the budget, with what
// is known by then. It never fails.
func (f *Fraud) Place(ctx context.Context, v Visit) Placed {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, f.options.Budget)
	defer cancel()
	p := Placed{visit: v, signals: Signals{}, traces: f.traces(v), model: f.model.Name}
	p.signals[NoCookie] = 0
	if v.Device == "" {
		p.signals[NoCookie] = 1
	}
	if at, known := v.born(); known {
		p.signals[FanAge] = max(begin.Sub(at).Seconds(), 0)
	}
	admitted := ask(ctx, func(ctx context.Context) (time.Time, error) {
		if f.options.Admitted == nil {
			return time.Time{}, nil
		}
		at, known, err := f.options.Admitted(ctx, v.Event, v.Fan)
		if !known {
			at = time.Time{}
		}
		return at, err
	})
	late := f.count(ctx, v.Event, v.Fan, p.traces, nil, p.signals)
	if at, ok := admitted(); !ok {
		late = append(late, "the admission")
	} else if !at.IsZero() {
		p.signals[SinceAdmitted] = max(begin.Sub(at).Seconds(), 0)
	}
	p.Verdict = f.judge(ctx, v.Event, p.signals, late)
	f.metrics.note("placed", p.Verdict, late, begin)
	return p
}

// Noted is a new order and what Place has found of it.
type Noted struct {
	Order  ropeline.OrderID
	Placed Placed
}

// Record writes what Place has found into the transaction that writes the
// orders. An order that is not there after all is left out.
func Record(batch *pgx.Batch, notes []Noted) {
	n := len(notes)
	orders, events, fans, models := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	signals, traces, scores := make([]string, n), make([]string, n), make([]float32, n)
	for i, note := range notes {
		p := note.Placed
		s, _ := json.Marshal(p.signals) // numbers and texts: it cannot fail
		t, _ := json.Marshal(p.traces)
		orders[i], events[i], fans[i], models[i] = string(note.Order), string(p.visit.Event), string(p.visit.Fan), p.model
		signals[i], traces[i], scores[i] = string(s), string(t), float32(p.Score)
	}
	batch.Queue(`
		insert into fraud_orders (order_id, event_id, fan_id, model, signals, traces, score)
		select u.id, u.event, u.fan, u.model, u.signals::jsonb, u.traces::jsonb, u.score
		from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::real[]) as u(id, event, fan, model, signals, traces, score)
		where exists (select from orders where id = u.id) on conflict do nothing`,
		orders, events, fans, models, signals, traces, scores)
}

// Paid is what the gateway has told of an order's payment.
type Paid struct {
	Event    ropeline.EventID
	Order    ropeline.OrderID
	Fan      ropeline.FanID
	Card     string // the gateway's fingerprint; empty: not told
	Risk     int    // 0 to 100; -1: not told
	Declines int
}

// Judge looks at an order as its payment is authorized: within the budget,
// with what is known by then. It never fails, and may be asked twice.
func (f *Fraud) Judge(ctx context.Context, p Paid) Verdict {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, f.options.Budget)
	defer cancel()
	signals, traces, late := f.placed(ctx, p.Order)
	noted := maps.Clone(traces)
	if p.Card != "" {
		traces["card"] = f.trace(p.Event, "card", p.Card)
	}
	if p.Risk >= 0 {
		signals[GatewayRisk] = float64(p.Risk)
	}
	signals[Declines] = float64(p.Declines)
	late = append(late, f.count(ctx, p.Event, p.Fan, traces, noted, signals)...)
	v := f.judge(ctx, p.Event, signals, late)
	f.finals.add(final{p.Order, f.model.Name, signals, traces, v.Score, begin})
	f.metrics.note("authorized", v, late, begin)
	return v
}

// placement is what was known when an order was placed.
type placement struct {
	order   ropeline.OrderID
	signals Signals
	traces  Traces
}

func readPlacements(batch *pgx.Batch, parts []*placement) {
	of := make(map[ropeline.OrderID][]*placement, len(parts))
	var orders []string
	for _, p := range parts {
		if of[p.order] = append(of[p.order], p); len(of[p.order]) == 1 {
			orders = append(orders, string(p.order))
		}
	}
	batch.Queue("select order_id, signals, traces from fraud_orders where order_id = any($1)", orders).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var order ropeline.OrderID
			var signals, traces []byte
			if err := rows.Scan(&order, &signals, &traces); err != nil {
				return err
			}
			for _, p := range of[order] { // each gets maps of its own
				p.signals, p.traces = nil, nil
				if err := errors.Join(json.Unmarshal(signals, &p.signals), json.Unmarshal(traces, &p.traces)); err != nil {
					return err
				}
			}
		}
		return rows.Err()
	})
}

func (f *Fraud) placed(ctx context.Context, order ropeline.OrderID) (Signals, Traces, []string) {
	p, ok := ask(ctx, func(ctx context.Context) (placement, error) {
		p := &placement{order: order}
		if err := f.reads.Do(ctx, p); err != nil {
			return placement{}, err // p may still be written to
		}
		return *p, nil
	})()
	if !ok || p.signals == nil || p.traces == nil {
		return Signals{}, Traces{}, []string{theVisit}
	}
	return p.signals, p.traces, nil
}

// count asks Redis, and puts what it says into the signals; it returns what
// could not be had in time.
func (f *Fraud) count(ctx context.Context, event ropeline.EventID, fan ropeline.FanID, t, noted Traces, into Signals) []string {
	if len(t) == 0 {
		return nil
	}
	counted, ok := ask(ctx, func(ctx context.Context) (Signals, error) {
		return f.velocity.look(ctx, event, fan, t, noted, time.Time{})
	})()
	if !ok {
		return []string{theCounts}
	}
	maps.Copy(into, counted)
	return nil
}

// judge scores the signals and applies the event's settings.
func (f *Fraud) judge(ctx context.Context, event ropeline.EventID, s Signals, late []string) Verdict {
	var v Verdict
	v.Score, v.Reasons = f.model.Score(s)
	settings, known := f.inForce(ctx, event)
	if !known {
		late = append(slices.Clone(late), "the event's thresholds") // and so nothing can be above them
	}
	v.Decision = settings.decide(v.Score)
	if !known || slices.Contains(late, theVisit) && slices.Contains(late, theCounts) {
		v.Decision = Allow // nothing is known that could speak against an honest fan
	}
	if v.Decision == Review {
		v.ReviewFor, v.AtDeadline = time.Duration(settings.ReviewHours)*time.Hour, settings.AtDeadline
	}
	if len(late) > 0 {
		v.Reasons = append(v.Reasons, fmt.Sprintf("not known within %s: %s", f.options.Budget, strings.Join(late, ", ")))
	}
	return v
}

// What the reasons call what was not known in time.
const (
	theVisit  = "the visit"
	theCounts = "the counts of other orders"
)

// patience is how long a question goes on after nobody waits for its answer
// any more: to cut it off would cost its connection, and a slow engine one
// connection for each order.
const patience = time.Second

// ask puts a question to an engine and returns how to wait for the answer:
// until ctx ends. false: there is none, or none in time.
func ask[T any](ctx context.Context, question func(context.Context) (T, error)) func() (T, bool) {
	answers := make(chan T, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		defer close(answers)
		if answer, err := question(ctx); err == nil {
			answers <- answer
		}
	}()
	return func() (answer T, ok bool) {
		select {
		case answer, ok = <-answers:
		case <-ctx.Done():
		}
		return answer, ok
	}
}
