package worker

import (
	"context"
	"time"

	"github.com/ropeline/ropeline/internal/outbox"
)

// EventSink takes domain events, in order. What it has not taken without an
// error comes again, so it may see one more than once; Seq tells.
type EventSink interface {
	Send(ctx context.Context, events []outbox.Event) error
}

const (
	relayPause = 100 * time.Millisecond
	relayBatch = 500
)

// The consumers of the outbox. A name is where the consumer's place is kept:
// a renamed one begins anew.
const (
	consumerStream  = "stream"
	consumerLetters = "letters"
)

// relays are the loops that hand the outbox to its consumers. Each has its own
// place and its own loop: one that is down holds up nobody else.
func (w *Worker) relays() []loop {
	var loops []loop
	relay := func(consumer string, take func(context.Context, []outbox.Event) error, only ...outbox.Kind) {
		reader := outbox.NewReader(w.pool, w.horizon, consumer, relayBatch, only...)
		loops = append(loops, loop{name: "outbox to " + consumer, pause: relayPause, runOnce: func(ctx context.Context) (int, error) { return reader.Read(ctx, take) }})
	}
	if w.options.Sink != nil {
		relay(consumerStream, w.options.Sink.Send)
	}
	if w.options.Letters.Notify != nil {
		relay(consumerLetters, w.letters, letterKinds...)
	}
	return loops
}
