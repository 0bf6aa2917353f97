package checkout

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// changeKind is why stock changed.
type changeKind string

// The kinds, as the schema knows them.
const (
	changeCapacity changeKind = "capacity" // the organizer opened the sale, or set another capacity
	changeReserve  changeKind = "reserve"  // a fan holds it
	changeChange   changeKind = "change"   // a fan holds more or less of it than before
	changeRelease  changeKind = "release"  // a fan gave it back, or the organizer took it back
	changeExpire   changeKind = "expire"   // a hold ran out
	changeSettle   changeKind = "settle"   // sold to an order whose money is authorized
	changeUnwind   changeKind = "unwind"   // the payment is dead
	changeReturn   changeKind = "return"   // sold before, and back on the shelf
)

// stockChange is one row of the ledger of stock: what one decision changed of
// one ticket type. The sums of an event's rows are its stock.
type stockChange struct {
	ticketType           ropeline.TicketTypeID
	kind                 changeKind
	capacity, held, sold int
	reservation          ropeline.ReservationID
	actor                string
}

// queueChanges appends the batches' rows, in the order of the decisions.
func (b ledgers) queueChanges(batch *pgx.Batch) {
	n := 0
	for _, l := range b {
		n += len(l.changes)
	}
	if n == 0 {
		return
	}
	events, types, kinds, actors := make([]string, 0, n), make([]string, 0, n), make([]string, 0, n), make([]string, 0, n)
	capacity, held, sold := make([]int32, 0, n), make([]int32, 0, n), make([]int32, 0, n)
	reservations, seqs := make([]*string, 0, n), make([]int64, 0, n)
	for _, l := range b {
		for i := range l.changes {
			c := &l.changes[i]
			l.seq++
			events, seqs = append(events, string(l.event)), append(seqs, l.seq)
			types, kinds, actors = append(types, string(c.ticketType)), append(kinds, string(c.kind)), append(actors, c.actor)
			capacity, held, sold = append(capacity, int32(c.capacity)), append(held, int32(c.held)), append(sold, int32(c.sold))
			var reservation *string
			if c.reservation != "" {
				reservation = (*string)(&c.reservation)
			}
			reservations = append(reservations, reservation)
		}
	}
	batch.Queue(`
		insert into stock_ledger (event_id, seq, ticket_type_id, kind, delta_capacity, delta_held, delta_sold, reservation_id, actor, at)
		select u.event, u.seq, u.type, u.kind, u.capacity, u.held, u.sold, u.reservation, u.actor, $1
		from unnest($2::text[], $3::bigint[], $4::text[], $5::text[], $6::int[], $7::int[], $8::int[], $9::text[], $10::text[])
			as u(event, seq, type, kind, capacity, held, sold, reservation, actor)`,
		b.now(), events, seqs, types, kinds, capacity, held, sold, reservations, actors)
}

// openLedger writes the first rows of a new sale.
func openLedger(ctx context.Context, tx pgx.Tx, event ropeline.Event) error {
	batch := &pgx.Batch{}
	for i, t := range event.TicketTypes {
		batch.Queue(`
			insert into stock_ledger (event_id, seq, ticket_type_id, kind, delta_capacity, at)
			values ($1, $2, $3, $4, $5, clock_timestamp())`, event.ID, i+1, t.ID, changeCapacity, t.Capacity)
	}
	batch.Queue("update sales set ledger_seq = $2 where event_id = $1", event.ID, len(event.TicketTypes))
	return tx.SendBatch(ctx, batch).Close()
}
