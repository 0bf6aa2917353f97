package checkout

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/outbox"
)

// write writes what the ledger has decided and commits, in one round trip. It
// returns the sale's new version.
func (c *Checkout) write(ctx context.Context, conn *pgx.Conn, event ropeline.EventID, l *ledger) (version int64, err error) {
	batch := &pgx.Batch{}
	l.queueReservations(batch, event)
	if !l.tear(batch) {
		l.queueStock(batch)
	}
	l.queueChanges(batch, event)
	l.queueDecisions(batch, event)
	l.queueOrders(batch)
	l.queueOutbox(batch, event)
	batch.Queue("update sales set version = version + 1, ledger_seq = $2 where event_id = $1 returning version", event, l.seq).
		QueryRow(func(row pgx.Row) error { return row.Scan(&version) })
	batch.Queue("commit")
	return version, conn.SendBatch(ctx, batch).Close()
}

func (l *ledger) queueReservations(batch *pgx.Batch, event ropeline.EventID) {
	if n := len(l.fresh); n > 0 {
		ids, fans, passes := make([]string, n), make([]string, n), make([]string, n)
		hashes, states, items := make([][]byte, n), make([]string, n), make([]string, n)
		reasons, messages, deadlines := make([]string, n), make([]string, n), make([]time.Time, n)
		for i, e := range l.fresh {
			ids[i], fans[i], passes[i] = string(e.ID), string(e.Fan), e.pass
			hashes[i], states[i], items[i] = e.hash[:], string(e.State), encodeItems(e.Items)
			reasons[i], messages[i], deadlines[i] = string(e.Reason), e.Message, e.Deadline
		}
		batch.Queue(`
			insert into reservations (id, event_id, fan_id, pass_id, request_hash, state, reason, message, items, deadline, created_at, ended_at)
			select u.id, $1, u.fan, u.pass, u.hash, u.state, u.reason, u.message, u.items::jsonb, u.deadline, $2::timestamptz,
				case when u.state <> 'held' then $2::timestamptz end
			from unnest($3::text[], $4::text[], $5::text[], $6::bytea[], $7::text[], $8::text[], $9::text[], $10::text[], $11::timestamptz[])
				as u(id, fan, pass, hash, state, reason, message, items, deadline)`,
			event, l.now, ids, fans, passes, hashes, states, reasons, messages, items, deadlines)
	}
	if n := len(l.changed); n > 0 {
		// In the order of their ids: whoever else locks several does the same.
		slices.SortFunc(l.changed, func(a, b *entry) int { return compare(a.ID, b.ID) })
		ids, states := make([]string, n), make([]string, n)
		for i, e := range l.changed {
			ids[i], states[i] = string(e.ID), string(e.State)
		}
		batch.Queue(`
			update reservations r set state = u.state, ended_at = coalesce(r.ended_at, $1::timestamptz)
			from unnest($2::text[], $3::text[]) as u(id, state) where r.id = u.id`, l.now, ids, states)
	}
	if len(l.returned) > 0 {
		batch.Queue("update stock_returns set done_at = $2 where id = any($1)", l.returned, l.now)
	}
	for _, e := range l.rewritten {
		batch.Queue("update reservations set items = $2::jsonb where id = $1", e.ID, encodeItems(e.Items))
	}
}

func (l *ledger) queueStock(batch *pgx.Batch) {
	var ids []string
	var capacity, held, sold []int32
	for id, s := range l.shelves {
		if s.moved {
			ids, capacity = append(ids, string(id)), append(capacity, int32(s.capacity))
			held, sold = append(held, int32(s.held)), append(sold, int32(s.sold))
		}
	}
	if len(ids) > 0 {
		batch.Queue(`
			update stock s set capacity = u.capacity, held = u.held, sold = u.sold
			from unnest($1::text[], $2::int[], $3::int[], $4::int[]) as u(id, capacity, held, sold) where s.ticket_type_id = u.id`,
			ids, capacity, held, sold)
	}
}

// queueOrders carries the decisions over to orders and payments. An order may
// have been placed since the ledger was read; the update of its reservation
// has waited for that, so these statements see it.
func (l *ledger) queueOrders(batch *pgx.Batch) {
	for _, end := range []struct {
		order OrderState
		kind  string
	}{{OrderExpired, "OrderExpired"}, {OrderCanceled, "OrderCanceled"}} {
		var ids []string
		for _, e := range l.changed {
			if order, ends := orderAfter(e.State); ends && order == end.order {
				ids = append(ids, string(e.ID))
			}
		}
		if len(ids) == 0 {
			continue
		}
		var open []string // payments in these states are let go
		for state := range paymentMoves {
			if letsGo(end.order, state) {
				open = append(open, string(state))
			}
		}
		batch.Queue(`
			with ended as (
				update orders set state = $2::text, ended_at = $3::timestamptz, accepted_at = null
				where reservation_id = any($1) and state = 'pending'
				returning id, event_id, fan_id, reservation_id
			), void as (
				update payments p set duty = 'void', duty_at = $3::timestamptz, attempts = 0 from ended
				where p.order_id = ended.id and p.state = any($5)
			)
			insert into outbox (event_id, kind, subject, payload)
			select event_id, $4::text, id, jsonb_build_object('order', id, 'fan', fan_id, 'reservation', reservation_id) from ended`,
			ids, string(end.order), l.now, end.kind, open)
	}
	l.queueVerdicts(batch, slices.Concat(l.accepted, l.refused))
	if duties := l.duties(); len(duties) > 0 {
		payments, next, at := make([]string, len(duties)), make([]string, len(duties)), make([]time.Time, len(duties))
		for i, d := range duties {
			payments[i], next[i], at[i] = string(d.payment), string(d.duty), d.at
		}
		batch.Queue(`
			update payments p set duty = nullif(u.duty, ''), duty_at = u.at, attempts = 0
			from unnest($1::text[], $2::text[], $3::timestamptz[]) as u(id, duty, at) where p.id = u.id`, payments, next, at)
	}
	if len(l.accepted) > 0 {
		batch.Queue("update orders set accepted_at = $2 where id = any($1)", ordersOf(l.accepted), l.now)
	}
	for _, c := range l.refused {
		if c.reason != nil {
			batch.Queue("update orders set reason = $2, message = $3 where id = $1", c.order, c.reason.Code, c.reason.Message)
		}
	}
	if len(l.unwound) > 0 {
		// A late order whose capture failed stays expired; its stock is back.
		batch.Queue("update orders set accepted_at = null where id = any($1) and state = 'expired'", ordersOf(l.unwound))
	}
}

func (l *ledger) queueOutbox(batch *pgx.Batch, event ropeline.EventID) {
	var kinds, subjects, payloads []string
	tell := func(kind outbox.Kind, subject string, payload any) {
		text, _ := json.Marshal(payload)
		kinds, subjects, payloads = append(kinds, string(kind)), append(subjects, subject), append(payloads, string(text))
	}
	// One message of a kind a batch: a drop would drown its readers otherwise.
	for _, of := range []struct {
		kind    outbox.Kind
		entries []*entry
		state   ReservationState
	}{
		{outbox.TicketReserved, l.fresh, ReservationHeld},
		{outbox.ReservationRejected, l.fresh, ReservationRejected},
		{outbox.ReservationExpired, l.changed, ReservationExpired},
		{outbox.ReservationReleased, l.changed, ReservationReleased},
	} {
		if news := newsOf(of.entries, of.state); len(news) > 0 {
			tell(of.kind, string(event), outbox.Reservations{Reservations: news})
		}
	}
	for _, a := range l.accepted {
		tell(outbox.OrderAccepted, string(a.order), outbox.Accepted{Order: a.order, Payment: a.payment, Late: a.orderState == OrderExpired})
	}
	for _, r := range l.refused {
		tell(outbox.PaymentRefused, string(r.order), outbox.Payment{Order: r.order, Payment: r.payment})
	}
	if len(kinds) > 0 {
		batch.Queue(`
			insert into outbox (event_id, kind, subject, payload)
			select $1::text, u.kind, u.subject, u.payload::jsonb from unnest($2::text[], $3::text[], $4::text[]) as u(kind, subject, payload)`,
			event, kinds, subjects, payloads)
	}
}

// newsOf is what the outbox tells of the reservations that are in a state now.
func newsOf(entries []*entry, state ReservationState) []outbox.Reservation {
	var news []outbox.Reservation
	for _, e := range entries {
		if e.State == state {
			news = append(news, outbox.Reservation{ID: e.ID, Fan: e.Fan, State: string(e.State), Reason: e.Reason, Deadline: e.Deadline.UTC()})
		}
	}
	return news
}

func ordersOf(claims []claim) (orders []string) {
	for _, c := range claims {
		orders = append(orders, string(c.order))
	}
	return orders
}

func compare[S ~string](a, b S) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
