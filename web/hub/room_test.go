package hub

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/catalog"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/checkout/payment/sandbox"
	"github.com/ropeline/ropeline/internal/engines"
	"github.com/ropeline/ropeline/internal/keyring"
	"github.com/ropeline/ropeline/internal/redisdb"
	"github.com/ropeline/ropeline/queue"
)

func TestMain(m *testing.M) { engines.Main(m) }

// house is what a hub stands on. Its rooms do not run: a test decides how old
// their snapshot is.
type house struct {
	t     *testing.T
	pair  *engines.Pair
	redis *redisdb.Clients
	hub   *Hub
}

func openHouse(t *testing.T) *house {
	t.Helper()
	pair := engines.Test(t)
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	redis, err := redisdb.Open(t.Context(), pair.RedisURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { redis.Close() })
	keys, err := keyring.Load(t.Context(), pair.Pool)
	if err != nil {
		t.Fatal(err)
	}
	line := queue.New(redis, pair.Pool, keys, log)
	background(t, line.Run)
	gateway := sandbox.New(pair.Pool, keys, sandbox.Options{})
	shop := checkout.New(redis, pair.Pool, keys, gateway, log, checkout.Options{})
	h := New(catalog.New(pair.Pool), line, admission.New(redis, pair.Pool, keys, line, log), shop, prometheus.NewRegistry(), log)
	return &house{t, pair, redis, h}
}

// background runs something until the returned function, or the end of the test.
func background(t *testing.T, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { run(ctx) })
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(stop)
	return stop
}

func (h *house) event() ropeline.EventID {
	h.t.Helper()
	var event ropeline.Event
	err := pgx.BeginFunc(h.t.Context(), h.pair.Pool, func(tx pgx.Tx) (err error) {
		ctx := h.t.Context()
		event, err = h.hub.catalog.Create(ctx, tx, ropeline.Event{
			Name: "Test Night", Venue: ropeline.Venue{Name: "Hall", TimeZone: "Europe/Vienna"},
			StartsAt: time.Now().Add(48 * time.Hour), DropAt: time.Now().Add(-time.Second), ClosesAt: time.Now().Add(time.Hour),
			TicketTypes: []ropeline.TicketType{{Name: "Standing", Price: ropeline.Money{Minor: 1, Currency: "EUR"}, Capacity: 9, MaxPerOrder: 4, MaxPerFan: 4}},
		})
		if err != nil {
			return err
		}
		rules := admission.DefaultRules()
		rules.Burst, rules.Batch, rules.RatePerMinute, rules.StockGate = 2, 2, 1, false
		if err := h.hub.line.Open(ctx, tx, event.ID); err != nil {
			return err
		}
		if err := h.hub.checkout.OpenSale(ctx, tx, event); err != nil {
			return err
		}
		return h.hub.admission.CreateRules(ctx, tx, event.ID, rules, "test")
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return event.ID
}

func (h *house) join(event ropeline.EventID, claim *queue.Place) queue.Place {
	h.t.Helper()
	fan := ropeline.NewID[ropeline.FanID]()
	if claim != nil {
		fan = claim.Fan
	}
	place, err := h.hub.line.Join(h.t.Context(), event, fan, claim)
	if err != nil {
		h.t.Fatal(err)
	}
	return place
}

// room is one node's room with a snapshot of now, which then only grows older.
func (h *house) room(event ropeline.EventID) *Room {
	h.t.Helper()
	r := newRoom(h.hub, event)
	stop := background(h.t, r.watch.Run)
	r.firstLook(h.t.Context())
	stop()
	return r
}

func (h *house) status(r *Room, place queue.Place) ropeline.Status {
	h.t.Helper()
	status, _, err := r.Status(h.t.Context(), place)
	if err != nil {
		h.t.Fatal(err)
	}
	return status
}

func TestTruthAtOnceWithAnOldSnapshot(t *testing.T) {
	h := openHouse(t)
	event := h.event()
	first, second, third := h.join(event, nil), h.join(event, nil), h.join(event, nil)
	r := h.room(event)
	ticked, err := h.hub.admission.Tick(t.Context(), event)
	if err != nil || len(ticked.Admitted) != 2 {
		t.Fatalf("%+v %v", ticked, err)
	}
	if got := h.status(r, first); got.Standing != ropeline.StandingWaiting {
		t.Fatalf("the snapshot is not old: %+v", got)
	}
	r.heard(queue.FeedEntry{ID: "1-2", Kind: queue.KindAdmitted, Admitted: ticked.Admitted})
	for _, place := range []queue.Place{first, second} {
		if got := h.status(r, place); got.Standing != ropeline.StandingAdmitted || got.Pass == "" {
			t.Errorf("number %d was told %+v", place.Number, got)
		}
	}
	if got := h.status(r, third); got.Standing != ropeline.StandingWaiting {
		t.Errorf("number 2 was told %+v", got)
	}
	r.CatchUp(t.Context(), "1-2")
	r.called.forget(r.watch.Snapshot())
	if r.called.n.Load() != 0 || r.called.has(first.Fan) {
		t.Error("the room remembers whom the snapshot knows of")
	}
	if got := h.status(r, first); got.Standing != ropeline.StandingAdmitted {
		t.Errorf("with a new snapshot: %+v", got)
	}
}

// Whoever is called hears the number that was called, and not a second one that
// another window got in the same moment.
func TestTheNumberThatWasCalled(t *testing.T) {
	h := openHouse(t)
	event := h.event()
	first := h.join(event, nil)
	r := h.room(event)
	if ticked, err := h.hub.admission.Tick(t.Context(), event); err != nil || len(ticked.Admitted) != 1 {
		t.Fatalf("%+v, %v", ticked, err)
	}
	second := h.join(event, &first)
	if second.Number == first.Number {
		t.Fatalf("the fan has number %d again", first.Number)
	}
	for _, shown := range []queue.Place{first, second} {
		status, now, _, err := r.find(t.Context(), shown)
		if err != nil {
			t.Fatal(err)
		}
		if status.Standing != ropeline.StandingAdmitted || status.Number != first.Number || now.Number != first.Number || (status.Place != "") != (shown != first) {
			t.Errorf("shown number %d: %s with number %d, place %q", shown.Number, status.Standing, status.Number, status.Place)
		}
	}
}

// Two nodes with snapshots of any age, and a fan who goes from one to the
// other with the offset of the last status.
func TestPositionNeverRisesOverTwoNodes(t *testing.T) {
	h := openHouse(t)
	event := h.event()
	var ahead []queue.Place
	for range 40 {
		ahead = append(ahead, h.join(event, nil))
	}
	fan := h.join(event, nil)
	nodes := [2]*Room{h.room(event), h.room(event)}
	last := h.status(nodes[0], fan)
	dice := rand.New(rand.NewPCG(1, 2))
	for len(ahead) > 0 {
		if err := h.hub.line.Leave(t.Context(), event, ahead[0].Fan, ""); err != nil {
			t.Fatal(err)
		}
		ahead = ahead[1:]
		node := nodes[dice.IntN(2)]
		if dice.IntN(3) == 0 { // this node's snapshot is taken, the other's grows older
			node.watch.CatchUp(t.Context(), "9-9")
		}
		node = nodes[dice.IntN(2)]
		node.CatchUp(t.Context(), last.Offset)
		next := h.status(node, fan)
		if next.Position > last.Position || next.Reason != "" {
			t.Fatalf("position %d at %s after %d at %s, reason %q", next.Position, next.Offset, last.Position, last.Offset, next.Reason)
		}
		last = next
	}
	if nodes[0].watch.CatchUp(t.Context(), "9-9"); h.status(nodes[0], fan).Position != 0 {
		t.Error("the fan is not at the head")
	}
}

// between runs something once, before the first pipeline of reads is sent.
type between struct{ once func() }

func (b *between) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (b *between) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (b *between) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		b.once()
		return next(ctx, commands)
	}
}

// A fan who is called between the look among the shoppers and the one in the
// line is not lost.
func TestCalledBetweenTwoLooks(t *testing.T) {
	h := openHouse(t)
	event := h.event()
	fan := h.join(event, nil)
	r := h.room(event)
	h.redis.Read.AddHook(&between{sync.OnceFunc(func() {
		if ticked, err := h.hub.admission.Tick(t.Context(), event); err != nil || len(ticked.Admitted) != 1 {
			t.Errorf("%+v, %v", ticked, err)
		}
	})})
	status, now, shopper, err := r.find(t.Context(), fan)
	if err != nil || status.Standing != ropeline.StandingAdmitted || shopper == nil || now != fan {
		t.Errorf("%+v, %+v, %v, %v", status, now, shopper, err)
	}
}

// A node that looks for a fan in a line that was lost, and whose snapshot is of
// before, takes the fan back in as one that knows of the loss.
func TestBackInLineBeforeTheSnapshot(t *testing.T) {
	h := openHouse(t)
	event := h.event()
	h.join(event, nil)
	fan := h.join(event, nil)
	r := h.room(event)
	h.redis.Write.FlushDB(t.Context())
	status, now, _, err := r.find(t.Context(), fan)
	if err != nil || status.Standing != ropeline.StandingWaiting || status.Reason != ropeline.ReasonLineRebuilt {
		t.Fatalf("%+v, %v", status, err)
	}
	if want := (queue.Place{Event: event, Fan: fan.Fan, Number: fan.Number, Epoch: 2}); now != want || status.Place == "" {
		t.Errorf("got %+v, want %+v", now, want)
	}
}

// After a loss positions may rise, and every status says why.
func TestPositionRisesWithAReason(t *testing.T) {
	h := openHouse(t)
	event := h.event()
	front, fan := h.join(event, nil), h.join(event, nil)
	r := h.room(event)
	if got := h.status(r, fan); got.Position != 1 || got.Reason != "" {
		t.Fatalf("before: %+v", got)
	}
	h.redis.Write.FlushDB(t.Context())
	r.watch.CatchUp(t.Context(), "2-1") // begins the new epoch
	r.look(t.Context())
	status, now, err := r.Status(t.Context(), fan)
	if err != nil || status.Number != fan.Number || status.Epoch != 2 || status.Reason != ropeline.ReasonLineRebuilt || status.Place == "" {
		t.Fatalf("back in line: %+v %v", status, err)
	}
	r.watch.CatchUp(t.Context(), "2-9")
	if got := h.status(r, now); got.Position != 0 || got.Reason != ropeline.ReasonLineRebuilt {
		t.Errorf("while the front is away: %+v", got)
	}
	h.join(event, &front)
	r.watch.CatchUp(t.Context(), "2-9")
	if got := h.status(r, now); got.Position != 1 || got.Reason != ropeline.ReasonLineRebuilt {
		t.Errorf("when the front is back: %+v", got)
	}
}
