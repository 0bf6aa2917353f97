package desk

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ropeline/ropeline"
)

const (
	// Every is how far samples are apart.
	Every = 5 * time.Second

	sampleTime = 3 * time.Second // for one sample
	lookAgain  = time.Second     // how often a node asks whether a slot has begun
	sampleLock = 0x64736b        // class of the advisory locks
)

// Numbers are a sale in the words of its plots.
type Numbers struct {
	Epoch    int64 `json:"epoch"`
	Waiting  int64 `json:"waiting"`
	Next     int64 `json:"next"`     // the number that the next fan will get
	Joined   int64 `json:"joined"`   // since the epoch began
	Admitted int64 `json:"admitted"` // since the epoch began
	Entered  int64 `json:"entered"`  // passes redeemed, since Redis last lost the event
	NoShows  int64 `json:"no_shows"`
	Shoppers int64 `json:"shoppers"`
	Most     int   `json:"max_shoppers"`
	Rate     int   `json:"rate"` // a minute; 0 while paused
	Reserved int64 `json:"reserved"`
	Orders   int64 `json:"orders"` // paid
	Failed   int64 `json:"failed_payments"`
	Held     int   `json:"held"`

	Sold map[ropeline.TicketTypeID]int `json:"sold"`
}

// Sample is what a sale was from At to Until; what lies between two samples
// was not seen.
type Sample struct {
	At    time.Time `json:"at"`
	Until time.Time `json:"until"`
	Numbers
}

func (l Live) numbers() Numbers {
	_, held, _ := l.tickets()
	n := Numbers{
		Epoch: l.Line.Epoch, Waiting: l.Line.Waiting, Next: l.Line.Next, Joined: l.Line.Waiting + l.Line.Admitted + l.Line.Left, Admitted: l.Line.Admitted,
		Entered: l.Entered, NoShows: l.NoShows, Shoppers: l.Shoppers, Most: l.Rules.MaxShoppers, Rate: l.RateNow,
		Reserved: l.Funnel.Reserved, Orders: l.Orders["paid"], Failed: l.Failed, Held: held, Sold: map[ropeline.TicketTypeID]int{},
	}
	for _, level := range l.Stock {
		n.Sold[level.ID] = level.Sold
	}
	return n
}

// Run makes samples until ctx ends.
func (d *Desk) Run(ctx context.Context) error {
	defer close(d.ended)
	ticker := time.NewTicker(lookAgain)
	defer ticker.Stop()
	for failing := false; ; {
		err := d.sampleAll(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			d.log.WarnContext(ctx, "make samples of the sales", "err", err)
		}
		failing = err != nil
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// sampleAll makes the samples of this slot that nobody has made.
func (d *Desk) sampleAll(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, sampleTime)
	defer cancel()
	due, err := d.due(bounded)
	if err != nil {
		return err
	}
	var failed error
	for _, event := range due {
		if ctx.Err() != nil {
			return nil
		}
		failed = errors.Join(failed, d.sample(ctx, event))
	}
	return failed
}

// due lists the events without a sample of this slot.
func (d *Desk) due(ctx context.Context) ([]ropeline.EventID, error) {
	running, err := d.catalog.Running(ctx)
	if err != nil || len(running) == 0 {
		return nil, err
	}
	rows, err := d.pool.Query(ctx, `select id from unnest($1::text[]) as e (id) where not exists (
		select from sale_samples s where s.event_id = e.id and s.at > now() - interval '1 day' and s.until >= date_bin($2, clock_timestamp(), 'epoch'))`, running, Every)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[ropeline.EventID])
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	return ids, nil
}

// sample makes the sample of an event and this slot, unless another node is at
// it or has made it.
func (d *Desk) sample(ctx context.Context, id ropeline.EventID) error {
	ctx, cancel := context.WithTimeout(ctx, sampleTime)
	defer cancel()
	err := pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
		var mine bool
		var slot time.Time
		if err := tx.QueryRow(ctx, "select pg_try_advisory_xact_lock($1, hashtext($2)), date_bin($3, clock_timestamp(), 'epoch')", sampleLock, id, Every).Scan(&mine, &slot); err != nil || !mine {
			return err
		}
		var at, until time.Time
		err := tx.QueryRow(ctx, "select at, until from sale_samples where event_id = $1 order by at desc limit 1", id).Scan(&at, &until)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
		case err != nil:
			return err
		case !until.Before(slot):
			return nil
		}
		event, err := d.catalog.Event(ctx, id)
		if err != nil {
			return err
		}
		snapshot, err := d.line.Snapshot(ctx, id)
		if err != nil {
			return err
		}
		live, err := d.look(ctx, event, snapshot)
		if err != nil {
			return err
		}
		numbers, err := json.Marshal(live.numbers())
		if err != nil {
			return err
		}
		if slot.Sub(until) < 2*Every {
			tag, err := tx.Exec(ctx, "update sale_samples set until = $3 where event_id = $1 and at = $2 and numbers = $4", id, at, slot, numbers)
			if err != nil || tag.RowsAffected() > 0 {
				return err
			}
		}
		_, err = tx.Exec(ctx, "insert into sale_samples (event_id, at, until, numbers) values ($1, $2, $2, $3)", id, slot, numbers)
		return err
	})
	if err != nil {
		return ropeline.Unavailable(err)
	}
	return nil
}

// samplesKept is how often as long as other rows samples stay: the report of a
// sale is looked at again when the next one like it is planned, a year later.
const samplesKept = 12

// PruneSamples removes up to limit samples that ended longer ago than
// samplesKept times keep. It returns how many went.
func PruneSamples(ctx context.Context, pool *pgxpool.Pool, keep time.Duration, limit int) (int, error) {
	tag, err := pool.Exec(ctx, `
		delete from sale_samples where ctid = any(array(
			select ctid from sale_samples where until < now() - $1::interval limit $2))`, samplesKept*keep, limit)
	return int(tag.RowsAffected()), err
}

// Samples are those of an event that were made in a time, the oldest first.
func (d *Desk) Samples(ctx context.Context, event ropeline.EventID, from, to time.Time) ([]Sample, error) {
	rows, err := d.pool.Query(ctx, `select at, until, numbers from sale_samples
		where event_id = $1 and until >= $2 and at <= $3 order by at`, event, from, to)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	samples, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s Sample, err error) {
		return s, row.Scan(&s.At, &s.Until, &s.Numbers)
	})
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	return samples, nil
}
