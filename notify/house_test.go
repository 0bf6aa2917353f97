package notify

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/engines"
)

type house struct {
	*Notify
	t     *testing.T
	pool  *pgxpool.Pool
	event ropeline.Event
	facts func(Notice) (Facts, error) // nil: the usual ones
	log   *bytes.Buffer
}

func newHouse(t *testing.T, o Options) *house {
	t.Helper()
	h := &house{t: t, pool: engines.Test(t).Pool, log: &bytes.Buffer{}}
	h.event = ropeline.Event{
		ID: ropeline.NewID[ropeline.EventID](), Name: "Nächte am Seil & Co",
		Venue:    ropeline.Venue{ID: ropeline.NewID[ropeline.VenueID](), Name: "Old Rope Walk", Address: "1 Hemp Lane", City: "Vienna", TimeZone: "Europe/Vienna"},
		StartsAt: time.Date(2027, 1, 23, 18, 30, 0, 0, time.UTC),
	}
	h.exec("insert into venues values ($1, 'v', 'a', 'c', 'UTC')", h.event.Venue.ID)
	h.exec(`insert into events (id, venue_id, name, starts_at, drop_at, closes_at)
		values ($1, $2, 'e', now() + interval '1 day', now(), now() + interval '1 hour')`, h.event.ID, h.event.Venue.ID)
	o.Facts = func(_ context.Context, n Notice) (Facts, error) {
		if h.facts != nil {
			return h.facts(n)
		}
		return h.usual(), nil
	}
	h.Notify = New(h.pool, slog.New(slog.NewTextHandler(h.log, nil)), o)
	return h
}

func (h *house) usual() Facts {
	return Facts{
		Event: h.event, PublicURL: "https://house.example/", Total: ropeline.Money{Minor: 9000, Currency: "EUR"},
		Items: []Item{{Quantity: 2, Name: "Standing <left>", Unit: ropeline.Money{Minor: 4500, Currency: "EUR"}}},
		Tickets: []Ticket{{ID: "t1aaaaaaaaaaaaaaaaaaaaaaaa", Name: "Standing <left>", Code: "CODE-ONE"},
			{ID: "t2aaaaaaaaaaaaaaaaaaaaaaaa", Name: "Standing <left>", Code: "CODE-TWO"}},
		Money: ropeline.Money{Minor: 4500, Currency: "EUR"}, Wait: 4 * time.Minute,
	}
}

func (h *house) exec(sql string, args ...any) {
	h.t.Helper()
	if _, err := h.pool.Exec(context.Background(), sql, args...); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) notice(kind Kind, key string) Notice {
	return Notice{Dedupe: key, Kind: kind, Channel: Email, To: "fan@example.com", Event: h.event.ID, Subject: "o1",
		Data: Data{Order: "o1aaaaaaaaaaaaaaaaaaaaaaaa", Ahead: 12, Note: "We move next door.\nSame time.", Fields: []string{"venue"}, URL: "https://house.example/password/secret", Minutes: 30}}
}

func (h *house) post(notices ...Notice) int {
	h.t.Helper()
	n, err := h.Post(h.t.Context(), nil, notices...)
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// deliver lets everything due go, whatever the pace, and delivers it.
func (h *house) deliver() []Outcome {
	h.t.Helper()
	h.exec("update notification_pace set free_at = now() - interval '1 minute'")
	released, err := h.Release(h.t.Context(), Email)
	if err != nil {
		h.t.Fatal(err)
	}
	var outcomes []Outcome
	for _, r := range released {
		outcome, err := h.Deliver(h.t.Context(), r)
		if err != nil {
			h.t.Fatal(err)
		}
		outcomes = append(outcomes, outcome)
	}
	return outcomes
}

// again is deliver after every pause has passed.
func (h *house) again() []Outcome {
	h.t.Helper()
	h.exec("update notifications set due_at = now() - interval '1 second' where due_at is not null")
	return h.deliver()
}

func (h *house) only(outcomes []Outcome, want State) {
	h.t.Helper()
	if len(outcomes) != 1 || outcomes[0].State != want {
		h.t.Fatalf("%+v, want one that is %s", outcomes, want)
	}
}

func (h *house) resend(id ID) error {
	return pgx.BeginFunc(h.t.Context(), h.pool, func(tx pgx.Tx) error { return h.Resend(h.t.Context(), tx, id) })
}

func viaSMTP(s Sender) Options { return Options{Senders: map[Channel]Sender{Email: s}} }

func messageID(raw string) string {
	for line := range strings.Lines(raw) {
		if id, found := strings.CutPrefix(line, "Message-ID: "); found {
			return strings.TrimSpace(id)
		}
	}
	return ""
}
