package checkout

// ledgerAudits recompute the invariants from the ledger of stock, and hold the
// other rows to it. The ledger cannot be changed, so what it says was so at
// every moment.
var ledgerAudits = []struct{ invariant, sql string }{
	{"I1", `select ticket_type_id, format('after entry %s of the ledger (%s at %s): held %s + sold %s of %s', seq, kind, at, held, sold, capacity)
		from (
			select ticket_type_id, seq, kind, at, sum(delta_capacity) over w as capacity, sum(delta_held) over w as held, sum(delta_sold) over w as sold
			from stock_ledger where event_id = $1 window w as (partition by ticket_type_id order by seq)
		) moments where held < 0 or sold < 0 or held + sold > capacity order by seq`},
	{"ledger", `select s.event_id, format('the ledger has %s entries, the last is %s; the sale counts %s', count(l.seq), coalesce(max(l.seq), 0), s.ledger_seq)
		from sales s left join stock_ledger l on l.event_id = s.event_id where s.event_id = $1
		group by s.event_id, s.ledger_seq having count(l.seq) <> s.ledger_seq or coalesce(max(l.seq), 0) <> s.ledger_seq`},
	{"ledger", `select coalesce(s.ticket_type_id, l.ticket_type_id), format('the stock is %s held, %s sold of %s, the ledger says %s, %s of %s',
			s.held, s.sold, s.capacity, l.held, l.sold, l.capacity)
		from (select * from stock where event_id = $1) s full join (
			select ticket_type_id, sum(delta_capacity) as capacity, sum(delta_held) as held, sum(delta_sold) as sold
			from stock_ledger where event_id = $1 group by 1
		) l on l.ticket_type_id = s.ticket_type_id
		where (s.capacity, s.held, s.sold) is distinct from (l.capacity, l.held, l.sold)`},
	{"ledger", `select coalesce(r.id, l.id), format('%s: its rows say %s held and %s sold, the ledger %s and %s',
			coalesce(r.ticket_type, l.ticket_type), coalesce(r.held, 0), coalesce(r.sold, 0), coalesce(l.held, 0), coalesce(l.sold, 0))
		from (
			select r.id, i.ticket_type, case r.state when 'held' then i.quantity else 0 end as held,
				case r.state when 'converted' then i.quantity - coalesce(i.returned, 0) else 0 end as sold
			from reservations r cross join jsonb_to_recordset(r.items) as i(ticket_type text, quantity int, returned int)
			where r.event_id = $1 and r.state in ('held', 'converted')
		) r full join (` + ledgerByReservation + `) l on l.id = r.id and l.ticket_type = r.ticket_type
		where (coalesce(r.held, 0), coalesce(r.sold, 0)) <> (coalesce(l.held, 0), coalesce(l.sold, 0))`},
	{"I6", `select p.id, 'captured, but the ledger has sold nothing to its order, and no refund is under way'
		from payments p join orders o on o.id = p.order_id
		left join (` + ledgerByReservation + `) l on l.id = o.reservation_id and l.sold > 0
		where p.event_id = $1 and p.state = 'confirmed' and p.amount_minor > 0 and l.id is null
			and not exists (select from refunds f where f.payment_id = p.id and f.state <> 'failed')`},
	{"I7", `select l.id, format('%s of %s sold by the ledger without money that is ours or on its way', l.sold, l.ticket_type)
		from (` + ledgerByReservation + `) l
		where l.sold > 0 and not exists (
			select from orders o join payments p on p.order_id = o.id
			where o.reservation_id = l.id and (p.state = 'confirmed' or p.state = 'authorized' or p.duty = 'unwind'))`},
	{"I7", `select t.id, 'a ticket of an order to which the ledger has sold nothing'
		from tickets t join orders o on o.id = t.order_id
		where t.event_id = $1 and t.state in ('issued', 'checked_in') and not exists (
			select from (` + ledgerByReservation + `) l where l.id = o.reservation_id and l.ticket_type = t.ticket_type_id and l.sold > 0)`},
}

// ledgerByReservation is what the ledger gave each reservation of the event $1.
const ledgerByReservation = `
	select reservation_id as id, ticket_type_id as ticket_type, sum(delta_held) as held, sum(delta_sold) as sold
	from stock_ledger where event_id = $1 and reservation_id is not null
	group by 1, 2 having sum(delta_held) <> 0 or sum(delta_sold) <> 0`
