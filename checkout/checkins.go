package checkout

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// checkInColumns joins a scan with the first one of its ticket, revision and
// turn, or with what made its code void.
const checkInColumns = ` c.seq, c.scan_id, c.result, coalesce(c.ticket_id, ''), coalesce(y.name, ''), coalesce(c.revision, 0), c.gate, c.shown,
		c.scanned_at, c.recorded_at, c.by, c.reason, f.scanned_at, f.gate,
		case when c.result = 'revoked' then coalesce((select r.cause from revocations r where r.ticket_id = c.ticket_id and r.revision >= c.revision order by r.revision, r.seq desc limit 1), '') else '' end
	from checkins c
	left join tickets t on t.id = c.ticket_id
	left join ticket_types y on y.id = t.ticket_type_id
	left join checkins f on c.result = 'already' and f.ticket_id = c.ticket_id and f.revision = c.revision and f.turn = c.turn and f.result = 'accepted' `

func scanCheckIn(row pgx.CollectableRow) (CheckIn, error) {
	var c CheckIn
	var at *time.Time
	var gate *string
	err := row.Scan(&c.Seq, &c.ScanID, &c.Result, &c.Ticket, &c.TicketType, &c.Revision, &c.Gate, &c.Shown,
		&c.ScannedAt, &c.RecordedAt, &c.By, &c.Reason, &at, &gate, &c.Cause)
	if at != nil {
		c.First = &First{At: *at, Gate: *gate}
	}
	return c, err
}

// CheckIns lists what was scanned at an event, the newest first, before a
// sequence number (0: from the end). result "" is all of them; "conflict" those
// that a gate let in offline and that were not accepted.
func (c *Checkout) CheckIns(ctx context.Context, event ropeline.EventID, result string, before int64, limit int) ([]CheckIn, error) {
	rows, err := c.pool.Query(ctx, "select "+checkInColumns+`
		where c.event_id = $1 and ($2::bigint = 0 or c.seq < $2)
			and ($3 = '' or c.result = $3 or $3 = 'conflict' and c.shown = 'accepted' and c.result <> 'accepted')
		order by c.seq desc limit $4`, event, before, result, limit)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	list, err := pgx.CollectRows(rows, scanCheckIn)
	return list, asError(err)
}

// GateCounts is how full the house is.
type GateCounts struct {
	Types []TypeCount
	Gates []GateCount
}

// TypeCount is one kind of ticket: those that are good, and those of them that are in.
type TypeCount struct {
	TicketType ropeline.TicketTypeID
	Name       string
	Tickets    int
	CheckedIn  int
}

// GateCount is what one entrance has scanned.
type GateCount struct {
	Gate     string
	Accepted int // undone ones not among them
	Refused  int
}

// GateCounts counts an event's tickets by type, and its scans by gate.
func (c *Checkout) GateCounts(ctx context.Context, event ropeline.EventID) (GateCounts, error) {
	var counts GateCounts
	batch := &pgx.Batch{}
	batch.Queue(`
		select y.id, y.name, count(t.id) filter (where t.state in ('issued', 'checked_in')), count(t.id) filter (where t.state = 'checked_in')
		from ticket_types y left join tickets t on t.ticket_type_id = y.id
		where y.event_id = $1 group by y.id order by y.ordinal`, event).Query(func(rows pgx.Rows) (err error) {
		counts.Types, err = pgx.CollectRows(rows, pgx.RowToStructByPos[TypeCount])
		return err
	})
	batch.Queue(`
		select c.gate, count(*) filter (where c.result = 'accepted' and u.seq is null), count(*) filter (where c.result <> 'accepted')
		from checkins c left join checkins u on c.result = 'accepted' and u.result = 'undone'
			and u.ticket_id = c.ticket_id and u.revision = c.revision and u.turn = c.turn
		where c.event_id = $1 and c.result <> 'undone' group by c.gate order by c.gate`, event).Query(func(rows pgx.Rows) (err error) {
		counts.Gates, err = pgx.CollectRows(rows, pgx.RowToStructByPos[GateCount])
		return err
	})
	if err := c.pool.SendBatch(ctx, batch).Close(); err != nil {
		return GateCounts{}, ropeline.Unavailable(err)
	}
	return counts, nil
}

// UndoCheckIn makes a ticket that was let in good again, as when the wrong one
// of two was scanned, within the caller's transaction. Who did it and why is
// kept beside the scans; the first scan stays, and the ticket begins a new turn.
//
// Errors: ticket_not_found, ticket_ended for one that is not checked in,
// invalid_request.
func (c *Checkout) UndoCheckIn(ctx context.Context, tx pgx.Tx, id ropeline.TicketID, reason, by string) error {
	if err := checkReason(reason); err != nil {
		return err
	}
	return asError(undoCheckIn(ctx, tx, id, reason, by))
}

func undoCheckIn(ctx context.Context, tx pgx.Tx, id ropeline.TicketID, reason, by string) error {
	var state TicketState
	if err := tx.QueryRow(ctx, "select state from tickets where id = $1 for update", id).Scan(&state); err != nil {
		return noTicket(err)
	}
	if state != TicketCheckedIn {
		return ropeline.Errorf(ropeline.CodeTicketEnded, "The ticket is not checked in: it is %s.", state)
	}
	if err := ticketMoves.move(state, TicketIssued); err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, `
		with out as (
			update tickets set state = $2, turn = turn + 1 where id = $1 returning id, event_id, order_id, fan_id, revision, turn - 1 as turn
		), kept as (
			insert into checkins (event_id, scan_id, code_hash, result, ticket_id, revision, turn, gate, scanned_at, by, reason)
			select o.event_id, 'undo:' || f.seq, f.code_hash, 'undone', o.id, o.revision, o.turn, f.gate, clock_timestamp(), $3::text, $4::text
			from out o join checkins f on f.ticket_id = o.id and f.revision = o.revision and f.turn = o.turn and f.result = 'accepted'
			returning event_id, ticket_id, revision
		)
		insert into outbox (event_id, kind, subject, payload)
		select k.event_id, 'TicketCheckInUndone', k.ticket_id, jsonb_build_object('ticket', k.ticket_id, 'order', o.order_id, 'fan', o.fan_id,
			'revision', k.revision, 'reason', $4::text) from kept k join out o on o.id = k.ticket_id`,
		id, TicketIssued, by, reason)
	if err == nil && tag.RowsAffected() != 1 {
		err = errors.New("checkout: a ticket is checked in without a first scan: " + string(id))
	}
	return err
}
