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

// ledgers are those of the batches that one transaction writes, one an
// event. What each statement writes, it writes for all of them.
type ledgers []*ledger

// now is the moment of the transaction, the same for all.
func (b ledgers) now() time.Time { return b[0].now }

// write writes what the batches' ledgers have decided and commits, in one round
// trip; it notes each sale's new version.
func write(ctx context.Context, conn *pgx.Conn, turns []*turn) error {
	b := make(ledgers, len(turns))
	of := make(map[ropeline.EventID]*turn, len(turns))
	for i, t := range turns {
		b[i], of[t.event] = t.desk.ledger, t
	}
	slices.SortFunc(b, func(x, y *ledger) int { return compare(x.event, y.event) })
	batch := &pgx.Batch{}
	b.queueReservations(batch)
	if !b.tear(batch) {
		b.queueStock(batch)
	}
	b.queueChanges(batch)
	b.queueDecisions(batch)
	b.queueOrders(batch)
	b.queueOutbox(batch)
	events, seqs := make([]string, len(b)), make([]int64, len(b))
	for i, l := range b {
		events[i], seqs[i] = string(l.event), l.seq
	}
	batch.Queue(`
		update sales s set version = s.version + 1, ledger_seq = u.seq from unnest($1::text[], $2::bigint[]) as u(event, seq)
		where s.event_id = u.event returning s.event_id, s.version`, events, seqs).Query(func(rows pgx.Rows) error {
		var event ropeline.EventID
		var version int64
		_, err := pgx.ForEachRow(rows, []any{&event, &version}, func() error { of[event].version = version; return nil })
		return err
	})
	batch.Queue("commit")
	return conn.SendBatch(ctx, batch).Close()
}

// all gathers something of each ledger.
func all[T any](b ledgers, of func(*ledger) []T) (list []T) {
	for _, l := range b {
		list = append(list, of(l)...)
	}
	return list
}

func (b ledgers) queueReservations(batch *pgx.Batch) {
	if fresh := all(b, func(l *ledger) []*entry { return l.fresh }); len(fresh) > 0 {
		n := len(fresh)
		ids, events, fans, passes := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
		hashes, states, items := make([][]byte, n), make([]string, n), make([]string, n)
		reasons, messages, deadlines := make([]string, n), make([]string, n), make([]time.Time, n)
		for i, e := range fresh {
			ids[i], events[i], fans[i], passes[i] = string(e.ID), string(e.Event), string(e.Fan), e.pass
			hashes[i], states[i], items[i] = e.hash[:], string(e.State), encodeItems(e.Items)
			reasons[i], messages[i], deadlines[i] = string(e.Reason), e.Message, e.Deadline
		}
		batch.Queue(`
			insert into reservations (id, event_id, fan_id, pass_id, request_hash, state, reason, message, items, deadline, created_at, ended_at)
			select u.id, u.event, u.fan, u.pass, u.hash, u.state, u.reason, u.message, u.items::jsonb, u.deadline, $1::timestamptz,
				case when u.state <> 'held' then $1::timestamptz end
			from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::text[], $8::text[], $9::text[], $10::text[], $11::timestamptz[])
				as u(id, event, fan, pass, hash, state, reason, message, items, deadline)`,
			b.now(), ids, events, fans, passes, hashes, states, reasons, messages, items, deadlines)
	}
	if changed := all(b, func(l *ledger) []*entry { return l.changed }); len(changed) > 0 {
		// In the order of their ids: whoever else locks several does the same.
		slices.SortFunc(changed, func(a, b *entry) int { return compare(a.ID, b.ID) })
		ids, states := make([]string, len(changed)), make([]string, len(changed))
		for i, e := range changed {
			ids[i], states[i] = string(e.ID), string(e.State)
		}
		batch.Queue(`
			update reservations r set state = u.state, ended_at = coalesce(r.ended_at, $1::timestamptz)
			from unnest($2::text[], $3::text[]) as u(id, state) where r.id = u.id`, b.now(), ids, states)
	}
	if returned := all(b, func(l *ledger) []string { return l.returned }); len(returned) > 0 {
		batch.Queue("update stock_returns set done_at = $2 where id = any($1)", returned, b.now())
	}
	if rewritten := all(b, func(l *ledger) []*entry { return l.rewritten }); len(rewritten) > 0 {
		ids, items := make([]string, len(rewritten)), make([]string, len(rewritten))
		for i, e := range rewritten {
			ids[i], items[i] = string(e.ID), encodeItems(e.Items)
		}
		batch.Queue(`
			update reservations r set items = u.items::jsonb from unnest($1::text[], $2::text[]) as u(id, items) where r.id = u.id`, ids, items)
	}
}

func (b ledgers) queueStock(batch *pgx.Batch) {
	var ids []string
	var capacity, held, sold []int32
	for _, l := range b {
		for id, s := range l.shelves {
			if s.moved {
				ids, capacity = append(ids, string(id)), append(capacity, int32(s.capacity))
				held, sold = append(held, int32(s.held)), append(sold, int32(s.sold))
			}
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
// have been placed since the ledgers were read; the update of its reservation
// has waited for that, so these statements see it.
func (b ledgers) queueOrders(batch *pgx.Batch) {
	for _, end := range []struct {
		order OrderState
		kind  string
	}{{OrderExpired, "OrderExpired"}, {OrderCanceled, "OrderCanceled"}} {
		var ids []string
		for _, l := range b {
			for _, e := range l.changed {
				if order, ends := orderAfter(e.State); ends && order == end.order {
					ids = append(ids, string(e.ID))
				}
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
			ids, string(end.order), b.now(), end.kind, open)
	}
	accepted, refused := all(b, func(l *ledger) []claim { return l.accepted }), all(b, func(l *ledger) []claim { return l.refused })
	b.queueVerdicts(batch, slices.Concat(accepted, refused), accepted)
	if duties := all(b, (*ledger).duties); len(duties) > 0 {
		payments, next, at := make([]string, len(duties)), make([]string, len(duties)), make([]time.Time, len(duties))
		for i, d := range duties {
			payments[i], next[i], at[i] = string(d.payment), string(d.duty), d.at
		}
		batch.Queue(`
			update payments p set duty = nullif(u.duty, ''), duty_at = u.at, attempts = 0
			from unnest($1::text[], $2::text[], $3::timestamptz[]) as u(id, duty, at) where p.id = u.id`, payments, next, at)
	}
	if rest := slices.DeleteFunc(slices.Clone(accepted), claim.judged); len(rest) > 0 {
		batch.Queue("update orders set accepted_at = $2 where id = any($1)", ordersOf(rest), b.now())
	}
	for _, c := range refused {
		if c.reason != nil {
			batch.Queue("update orders set reason = $2, message = $3 where id = $1", c.order, c.reason.Code, c.reason.Message)
		}
	}
	if unwound := all(b, func(l *ledger) []claim { return l.unwound }); len(unwound) > 0 {
		// A late order whose capture failed stays expired; its stock is back.
		batch.Queue("update orders set accepted_at = null where id = any($1) and state = 'expired'", ordersOf(unwound))
	}
}

func (b ledgers) queueOutbox(batch *pgx.Batch) {
	var events, kinds, subjects, payloads []string
	for _, l := range b {
		tell := func(kind outbox.Kind, subject string, payload any) {
			text, _ := json.Marshal(payload)
			events, kinds = append(events, string(l.event)), append(kinds, string(kind))
			subjects, payloads = append(subjects, subject), append(payloads, string(text))
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
				tell(of.kind, string(l.event), outbox.Reservations{Reservations: news})
			}
		}
		for _, a := range l.accepted {
			tell(outbox.OrderAccepted, string(a.order), outbox.Accepted{Order: a.order, Payment: a.payment, Late: a.orderState == OrderExpired})
		}
		for _, r := range l.refused {
			tell(outbox.PaymentRefused, string(r.order), outbox.Payment{Order: r.order, Payment: r.payment})
		}
	}
	if len(kinds) > 0 {
		batch.Queue(`
			insert into outbox (event_id, kind, subject, payload)
			select u.event, u.kind, u.subject, u.payload::jsonb from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as u(event, kind, subject, payload)`,
			events, kinds, subjects, payloads)
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
