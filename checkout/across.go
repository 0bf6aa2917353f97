package checkout

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// identity is something that several fans may share.
type identity struct{ kind, key string } // "address" or "card"

type identityShelf struct {
	identity
	ticketType ropeline.TicketTypeID
}

// identities are those of a claim that the event counts.
func (l *ledger) identities(c claim) []identity {
	var all []identity
	if l.across.Address() && c.address != "" {
		all = append(all, identity{"address", c.address})
	}
	if l.across.Card() && c.card != "" {
		all = append(all, identity{"card", c.card})
	}
	return all
}

// crowded is why the claim's tickets would be too many for its address or its
// card, over all fans who used it; nil when they are not.
func (l *ledger) crowded(c claim, e *entry) *ropeline.Error {
	for _, who := range l.identities(c) {
		for _, i := range e.Items {
			s := l.shelves[i.TicketType]
			if s != nil && l.shared[identityShelf{who, i.TicketType}]+i.Quantity > s.maxPerFan {
				return tooManyFor(who.kind, s.maxPerFan)
			}
		}
	}
	return nil
}

func tooManyFor(kind string, most int) *ropeline.Error {
	if kind == "card" {
		return ropeline.Errorf(ropeline.CodeLimitExceeded, "At most %d of these tickets are sold to one card, and it has bought some already. The payment is let go.", most)
	}
	return ropeline.Errorf(ropeline.CodeLimitExceeded, "At most %d of these tickets are sold to one e-mail address, and it has some already.", most)
}

// share counts the sold items of an accepted claim to its address and card.
func (l *ledger) share(c claim, e *entry) {
	for _, who := range l.identities(c) {
		for _, i := range e.Items {
			l.shared[identityShelf{who, i.TicketType}] += i.Quantity
		}
	}
}

// queueShared adds up what was sold to each address and card of the payments
// that wait for the clerks, of events that ask for it.
func (r *reading) queueShared(batch *pgx.Batch) {
	for _, by := range []struct{ kind, key, other, where string }{
		{"address", "o.address_key", "x.address_key = k.key", "('address', 'both')"},
		{"card", "p.card_fingerprint", "y.card_fingerprint = k.key and y.state in ('authorized', 'confirmed')", "('card', 'both')"},
	} {
		batch.Queue(`
			select k.event_id, k.key, i.ticket_type, sum(i.quantity - coalesce(i.returned, 0))::int
			from (
				select distinct p.event_id, `+by.key+` as key from events e join payments p on p.event_id = e.id join orders o on o.id = p.order_id
				where e.id = any($1) and e.limit_across in `+by.where+` and `+owedToClerk+` and `+by.key+` <> ''
			) k
			cross join lateral (
				select distinct r.id, r.items from orders x join payments y on y.order_id = x.id join reservations r on r.id = x.reservation_id
				where `+by.other+` and x.event_id = k.event_id and r.state = 'converted' offset 0
			) r cross join lateral jsonb_to_recordset(r.items) as i(ticket_type text, quantity int, returned int)
			group by 1, 2, 3`, r.looks).Query(func(rows pgx.Rows) error {
			var event ropeline.EventID
			at := identityShelf{identity: identity{kind: by.kind}}
			var sum int
			_, err := pgx.ForEachRow(rows, []any{&event, &at.key, &at.ticketType, &sum}, func() error {
				r.desks[event].ledger.shared[at] = sum
				return nil
			})
			return err
		})
	}
}

// checkAddress refuses an order that would give its address too many tickets,
// over all fans who hold or bought with it. Orders to one address wait for one
// another, so that two at once are not both let through.
func (c *Checkout) checkAddress(ctx context.Context, tx pgx.Tx, r Reservation, address string) error {
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtextextended($1, 0))", string(r.Event)+address); err != nil {
		return err
	}
	var most int
	err := tx.QueryRow(ctx, `
		select coalesce(min(t.max_per_fan), 0) from ticket_types t join jsonb_to_recordset($3::jsonb) as w(ticket_type text, quantity int) on w.ticket_type = t.id
		where w.quantity + coalesce((
			select sum(i.quantity - coalesce(i.returned, 0)) from orders o join reservations x on x.id = o.reservation_id
			cross join jsonb_to_recordset(x.items) as i(ticket_type text, quantity int, returned int)
			where o.event_id = $1 and o.address_key = $2 and x.state in ('held', 'converted') and i.ticket_type = t.id), 0) > t.max_per_fan`,
		r.Event, address, encodeItems(r.Items)).Scan(&most)
	if err == nil && most > 0 {
		return tooManyFor("address", most)
	}
	return err
}
