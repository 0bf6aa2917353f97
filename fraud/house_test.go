package fraud

import (
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/internal/keyring"
	"github.com/ropeline/ropeline/internal/redisdb"
)

func TestMain(m *testing.M) { engines.Main(m) }

// office is the room over real engines.
type office struct {
	*Fraud
	t    testing.TB
	pair *engines.Pair
}

func newOffice(t testing.TB, options Options) *office {
	t.Helper()
	pair := engines.Test(t)
	r, err := redisdb.Open(t.Context(), pair.RedisURL)
	must(t, err)
	t.Cleanup(func() { r.Close() })
	k, err := keyring.Load(t.Context(), pair.Pool)
	must(t, err)
	if options.Budget == 0 {
		options.Budget = 5 * time.Second // the machine may be busy; the budget has its own tests
	}
	return &office{New(r, pair.Pool, k, DefaultModel(), slog.New(slog.DiscardHandler), options), t, pair}
}

// event makes an event that orders can refer to.
func (o *office) event() ropeline.EventID {
	o.t.Helper()
	event, venue := ropeline.NewID[ropeline.EventID](), ropeline.NewID[ropeline.VenueID]()
	batch := &pgx.Batch{}
	batch.Queue("insert into venues values ($1, 'v', 'a', 'c', 'UTC')", venue)
	batch.Queue(`insert into events (id, venue_id, name, starts_at, drop_at, closes_at)
		values ($1, $2, 'e', now() + interval '1 day', now() - interval '1 minute', now() + interval '1 hour')`, event, venue)
	must(o.t, o.pair.Pool.SendBatch(o.t.Context(), batch).Close())
	return event
}

// order writes an order with what was found, as checkout does.
func (o *office) order(p Placed) ropeline.OrderID {
	o.t.Helper()
	id := ropeline.NewID[ropeline.OrderID]()
	reservation := ropeline.NewReservationID(p.visit.Event, [16]byte([]byte(id)[10:26]))
	must(o.t, pgx.BeginFunc(o.t.Context(), o.pair.Pool, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		batch.Queue(`insert into reservations (id, event_id, fan_id, pass_id, request_hash, state, items, deadline)
			values ($1, $2, $3, 'p', '', 'held', '[]', now() + interval '1 hour')`, reservation, p.visit.Event, p.visit.Fan)
		batch.Queue(`insert into orders (id, event_id, reservation_id, fan_id, email, state, total_minor, currency, idempotency_key, request_hash)
			values ($1, $2, $3, $4, 'x', 'pending', 100, 'EUR', $1, '')`, id, p.visit.Event, reservation, p.visit.Fan)
		Record(batch, []Noted{{id, p}})
		return tx.SendBatch(o.t.Context(), batch).Close()
	}))
	return id
}

// set changes an event's settings, and waits for nobody to notice.
func (o *office) set(event ropeline.EventID, s Settings, by string) (Settings, error) {
	o.t.Helper()
	err := pgx.BeginFunc(o.t.Context(), o.pair.Pool, func(tx pgx.Tx) (err error) {
		s, err = o.SetSettings(o.t.Context(), tx, event, s, by)
		return err
	})
	o.settings.mu.Lock()
	defer o.settings.mu.Unlock()
	delete(o.settings.seen, event)
	return s, err
}

// bot is one of many identities on one device; everything about it is the
// same but the identity and the mailbox.
func (o *office) bot(event ropeline.EventID, n int) Visit {
	return Visit{Event: event, Fan: ropeline.NewID[ropeline.FanID](), Address: netip.MustParseAddr("198.51.100.7"),
		Browser: "bot", Email: fmt.Sprintf("buyer%d@tickets.example", n)}
}

// fan is somebody of whom nothing is shared with others.
func (o *office) fan(event ropeline.EventID, n int) Visit {
	return Visit{Event: event, Fan: ropeline.NewID[ropeline.FanID](), Address: netip.AddrFrom4([4]byte{203, byte(n >> 8), byte(n), 1}),
		Browser: "browser", Device: fmt.Sprintf("device-%d", n), Email: fmt.Sprintf("fan%d@gmail.com", n)}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
