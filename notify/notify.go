package notify

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ropeline/ropeline"
)

// Options are what an installation or a test may choose.
type Options struct {
	// Senders hand messages over, by channel. A channel without one is not
	// offered, see Offers.
	Senders map[Channel]Sender
	// Facts looks up what a message says. The error ErrMoot means that there is
	// nothing to say any more.
	Facts func(ctx context.Context, n Notice) (Facts, error)
	// PublicURL is where the links lead, without a slash at the end.
	PublicURL string
	// Rate is how many messages go a second, a channel, over all nodes; default 20.
	Rate int
	// Grip is how long a message that was let go is left to its task, and a try
	// that nobody ends counts as under way; default 2 minutes.
	Grip time.Duration
	// InFlight is how many messages of a channel may be let go and not done;
	// default 64, and at least a second's worth of Rate.
	InFlight int
	// Tries is how often a message is tried before it is dead; default 16, which
	// takes about a day.
	Tries int
	// Pause is before the second try; it doubles with each, up to 3 hours. Default
	// 15 seconds.
	Pause time.Duration
}

func (o Options) withDefaults() Options {
	if o.Rate <= 0 {
		o.Rate = 20
	}
	if o.Grip <= 0 {
		o.Grip = 2 * time.Minute
	}
	if o.InFlight <= 0 {
		o.InFlight = max(64, o.Rate)
	}
	if o.Tries <= 0 {
		o.Tries = 16
	}
	if o.Pause <= 0 {
		o.Pause = 15 * time.Second
	}
	return o
}

// ErrMoot is what Facts answers when a message has lost its sense.
var ErrMoot = errors.New("there is nothing to tell any more")

// Notify keeps the messages. It is safe for concurrent use, and starts nothing.
type Notify struct {
	pool    *pgxpool.Pool
	log     *slog.Logger
	options Options
	metrics metrics
}

// New makes one; the senders stay the caller's to close.
func New(pool *pgxpool.Pool, log *slog.Logger, o Options) *Notify {
	return &Notify{pool: pool, log: log, options: o.withDefaults(), metrics: newMetrics()}
}

// Offers tells whether messages can go by a channel.
func (n *Notify) Offers(c Channel) bool { return n.options.Senders[c] != nil }

// Via names the sender of a channel; "" when it is not offered.
func (n *Notify) Via(c Channel) string {
	if s := n.options.Senders[c]; s != nil {
		return s.Name()
	}
	return ""
}

// db is a pool or a transaction.
type db interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// Post queues notices, each once, and tells how many are new. db may be the
// transaction of what they tell; nil for none.
func (n *Notify) Post(ctx context.Context, tx db, notices ...Notice) (posted int, err error) {
	if tx == nil {
		tx = n.pool
	}
	ids, keys, kinds, channels := make([]string, len(notices)), make([]string, len(notices)), make([]string, len(notices)), make([]string, len(notices))
	to, events, subjects, data := make([]string, len(notices)), make([]string, len(notices)), make([]string, len(notices)), make([]string, len(notices))
	bulk := make([]bool, len(notices))
	for i, notice := range notices {
		if _, known := words[notice.Kind]; !known {
			return 0, errors.New("notify: there is no kind " + string(notice.Kind))
		}
		facts, err := json.Marshal(notice.Data)
		if err != nil {
			return 0, err
		}
		ids[i], keys[i], kinds[i], channels[i] = string(ropeline.NewID[ID]()), notice.Dedupe, string(notice.Kind), string(notice.Channel)
		to[i], events[i], subjects[i], data[i], bulk[i] = notice.To, string(notice.Event), notice.Subject, string(facts), notice.Bulk
	}
	tag, err := tx.Exec(ctx, `
		insert into notifications (id, dedupe, kind, channel, recipient, event_id, subject, data, bulk)
		select u.id, u.dedupe, u.kind, u.channel, u.recipient, nullif(u.event_id, ''), u.subject, u.data::jsonb, u.bulk
		from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bool[])
			as u(id, dedupe, kind, channel, recipient, event_id, subject, data, bulk)
		on conflict (dedupe) do nothing`, ids, keys, kinds, channels, to, events, subjects, data, bulk)
	return int(tag.RowsAffected()), err
}

// PostInstead is Post for notices that say all that was said before by those of
// their kind, about the same to the same address: the ones that still wait are
// moot, and what they would have told of is told with the new ones.
func (n *Notify) PostInstead(ctx context.Context, notices ...Notice) error {
	keys, kinds, channels := make([]string, len(notices)), make([]string, len(notices)), make([]string, len(notices))
	to, events, subjects := make([]string, len(notices)), make([]string, len(notices)), make([]string, len(notices))
	for i, notice := range notices {
		keys[i], kinds[i], channels[i] = notice.Dedupe, string(notice.Kind), string(notice.Channel)
		to[i], events[i], subjects[i] = notice.To, string(notice.Event), notice.Subject
	}
	return pgx.BeginFunc(ctx, n.pool, func(tx pgx.Tx) error {
		// A notice that was posted before takes nobody's place: newer ones may have come.
		rows, err := tx.Query(ctx, `
			with old as (
				update notifications n set state = $1, due_at = null, lease = null, changed_at = now()
				from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) with ordinality
					as u(dedupe, kind, channel, recipient, event_id, subject, place)
				where n.subject = u.subject and n.event_id = u.event_id and n.kind = u.kind and n.channel = u.channel and lower(n.recipient) = lower(u.recipient)
					and n.state in ('queued', 'failed') and not exists (select from notifications x where x.dedupe = u.dedupe)
				returning u.place - 1 as place, n.data, n.created_at
			)
			select place, data from old order by created_at desc`, StateMoot, keys, kinds, channels, to, events, subjects)
		if err != nil {
			return err
		}
		posted := slices.Clone(notices)
		var place int64
		var data []byte
		_, err = pgx.ForEachRow(rows, []any{&place, &data}, func() error {
			var before Data
			err := json.Unmarshal(data, &before)
			posted[place].Data = posted[place].Data.after(before)
			return err
		})
		if err != nil {
			return err
		}
		_, err = n.Post(ctx, tx, posted...)
		return err
	})
}

// Released is a message that may be delivered by whoever holds its lease.
type Released struct {
	ID    ID
	Lease int64
}

// Release lets due messages of a channel go, as many as the rate allows now.
// One process does so at a time; the others find nothing to do.
func (n *Notify) Release(ctx context.Context, c Channel) (released []Released, err error) {
	if !n.Offers(c) {
		return nil, nil
	}
	err = pgx.BeginFunc(ctx, n.pool, func(tx pgx.Tx) error {
		var saved float64 // seconds of the rate that were not used, at most one
		var lease, flying int64
		err := tx.QueryRow(ctx, `
			select least(extract(epoch from clock_timestamp() - free_at), 1)::float8, leases + 1,
				(select count(*) from notifications where channel = $1 and lease is not null and due_at > now())
			from notification_pace where channel = $1 for update skip locked`, c).Scan(&saved, &lease, &flying)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		room := min(int64(saved*float64(n.options.Rate)), int64(n.options.InFlight)-flying)
		if room <= 0 {
			return nil
		}
		// An array is read once. With "in" a plan for a small table reads it once for
		// each row, and lets go far more than there is room for.
		rows, err := tx.Query(ctx, `
			update notifications set lease = $3, due_at = clock_timestamp() + $4::interval where id = any(array(
				select id from notifications where channel = $1 and due_at <= now() order by bulk, due_at limit $2 for update skip locked))
			returning id, lease`, c, room, lease, n.options.Grip)
		if err != nil {
			return err
		}
		released, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Released])
		if err != nil || len(released) == 0 {
			return err
		}
		_, err = tx.Exec(ctx, `
			update notification_pace set leases = $2,
				free_at = greatest(free_at, clock_timestamp() - interval '1 second') + $3::float8 * interval '1 second'
			where channel = $1`, c, lease, float64(len(released))/float64(n.options.Rate))
		return err
	})
	if err != nil {
		return nil, err
	}
	return released, nil
}
