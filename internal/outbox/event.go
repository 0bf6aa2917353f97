package outbox

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// Event is one domain event.
type Event struct {
	Seq      int64            // rises with what happens, see the package doc
	Previous int64            // the seq before it of the same event that the reader was given; 0: none, or not told
	Event    ropeline.EventID // the event that tickets are sold for
	Kind     Kind
	Version  int    // of the payload's schema
	Subject  string // the id of what it is about
	Payload  json.RawMessage
	At       time.Time
}

// New makes an event of the newest version and checks it.
func New(kind Kind, event ropeline.EventID, subject string, payload any) (Event, error) {
	body, err := json.Marshal(payload)
	if err != nil {
		return Event{}, fmt.Errorf("outbox: %s: %w", kind, err)
	}
	e := Event{Event: event, Kind: kind, Version: kinds[kind].version, Subject: subject, Payload: body}
	return e, e.Validate()
}

// Queue inserts the event with the batch of a transaction.
func (e Event) Queue(batch *pgx.Batch) {
	batch.Queue("insert into outbox (event_id, kind, version, subject, payload) values ($1, $2, $3, $4, $5)",
		e.Event, e.Kind, e.Version, e.Subject, e.Payload)
}

// Decode reads the payload of an event.
func Decode[T any](e Event) (T, error) {
	var payload T
	if err := json.Unmarshal(e.Payload, &payload); err != nil {
		return payload, fmt.Errorf("outbox: payload of %s %d: %w", e.Kind, e.Seq, err)
	}
	return payload, nil
}
