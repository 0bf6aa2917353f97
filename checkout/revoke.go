package checkout

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// Cause is the kind of reason for which a code became void.
type Cause string

// The causes. Tickets that were revoked for CauseRefund or CauseCanceled are
// not issued anew: their money goes back.
const (
	CauseOrganizer Cause = "organizer"
	CauseRefund    Cause = "refund"
	CauseCanceled  Cause = "canceled" // the event does not take place
	CauseReissue   Cause = "reissue"
	CauseTransfer  Cause = "transfer"
)

// Revocation says why codes become void, and by whom.
type Revocation struct {
	Cause  Cause
	Reason string // for people, at most mostReason bytes
	By     string
}

const mostReason = 500

// RevokeOrder revokes every ticket of an order within the caller's
// transaction, and returns how many it were; those that are revoked already do
// not count. Gates learn of them by Revocations, others by TicketRevoked.
func (c *Checkout) RevokeOrder(ctx context.Context, tx pgx.Tx, order ropeline.OrderID, why Revocation) (int, error) {
	return revoke(ctx, tx, "order_id = $1", order, why)
}

// RevokeTickets is RevokeOrder for some tickets, as of a partial refund. Ids
// that are no tickets are passed over.
func (c *Checkout) RevokeTickets(ctx context.Context, tx pgx.Tx, tickets []ropeline.TicketID, why Revocation) (int, error) {
	return revoke(ctx, tx, "id = any($1)", tickets, why)
}

// revoke locks in the order of ids, as everybody who locks several tickets does.
func revoke(ctx context.Context, tx pgx.Tx, where string, arg any, why Revocation) (int, error) {
	tag, err := tx.Exec(ctx, `
		with target as (
			select id from tickets where `+where+` and state = any($2) order by id for update
		), gone as (
			update tickets t set state = $3 from target where t.id = target.id
			returning t.id, t.order_id, t.event_id, t.fan_id, t.revision
		), listed as (
			insert into revocations (event_id, ticket_id, revision, cause, reason, by)
			select event_id, id, revision, $4::text, $5::text, $6::text from gone
		)
		insert into outbox (event_id, kind, subject, payload)
		select event_id, 'TicketRevoked', id, jsonb_build_object('ticket', id, 'order', order_id, 'fan', fan_id,
			'revision', revision, 'cause', $4::text, 'reason', $5::text) from gone order by id`,
		arg, ticketMoves.before(TicketRevoked), TicketRevoked, why.Cause, why.Reason, why.By)
	return int(tag.RowsAffected()), err
}

// Revoke revokes one ticket within the caller's transaction. A ticket that is
// revoked already stays as it is.
//
// Errors: ticket_not_found, invalid_request for a reason that is empty or too long.
func (c *Checkout) Revoke(ctx context.Context, tx pgx.Tx, id ropeline.TicketID, why Revocation) error {
	if err := checkReason(why.Reason); err != nil {
		return err
	}
	n, err := c.RevokeTickets(ctx, tx, []ropeline.TicketID{id}, why)
	if err != nil || n > 0 {
		return asError(err)
	}
	var next string
	err = tx.QueryRow(ctx, "select coalesce((select n.id from tickets n where n.given_by = t.id), '') from tickets t where t.id = $1", id).Scan(&next)
	if err == nil && next != "" {
		return ropeline.Errorf(ropeline.CodeTicketEnded, "The ticket was given away; name the one that came in its place, %s.", next)
	}
	return asError(noTicket(err))
}

// Reissue gives a ticket a new code and makes every older one void, as for a
// code that was shown around, within the caller's transaction. It returns the
// new revision.
//
// Errors: ticket_not_found, ticket_ended for a ticket that was used or whose
// money went back, invalid_request.
func (c *Checkout) Reissue(ctx context.Context, tx pgx.Tx, id ropeline.TicketID, reason, by string) (revision int, err error) {
	if err := checkReason(reason); err != nil {
		return 0, err
	}
	revision, err = reissue(ctx, tx, id, reason, by)
	return revision, asError(err)
}

func reissue(ctx context.Context, tx pgx.Tx, id ropeline.TicketID, reason, by string) (revision int, err error) {
	state, refunded := TicketState(""), false
	if err = tx.QueryRow(ctx, "select state, revision from tickets where id = $1 for update", id).Scan(&state, &revision); err != nil {
		return 0, noTicket(err)
	}
	// A statement of its own, after the lock: a refund that was waited for is seen.
	err = tx.QueryRow(ctx, `
		select t.returned or o.state <> 'paid' or o.cancel_at is not null
			or exists (select from revocations r where r.ticket_id = t.id and r.cause in ('refund', 'canceled'))
			or exists (select from refunds f where f.id = t.refund_id and f.state <> 'failed')
		from tickets t join orders o on o.id = t.order_id where t.id = $1`, id).Scan(&refunded)
	switch {
	case err != nil:
		return 0, noTicket(err)
	case refunded:
		return 0, ropeline.Errorf(ropeline.CodeTicketEnded, "The money of this ticket went back; it cannot be issued anew.")
	case state != TicketIssued && state != TicketRevoked:
		return 0, ropeline.Errorf(ropeline.CodeTicketEnded, "The ticket is %s; it cannot be issued anew.", state)
	case revision >= mostRevision:
		return 0, ropeline.Errorf(ropeline.CodeTicketEnded, "The ticket was issued anew too often.")
	}
	if state != TicketIssued {
		if err := ticketMoves.move(state, TicketIssued); err != nil {
			return 0, err
		}
	}
	revision++
	_, err = tx.Exec(ctx, `
		with anew as (
			update tickets set state = $2, revision = $3 where id = $1 returning id, event_id, order_id, fan_id
		), listed as (
			insert into revocations (event_id, ticket_id, revision, cause, reason, by)
			select event_id, id, $3 - 1, $4::text, $5::text, $6::text from anew
		)
		insert into outbox (event_id, kind, subject, payload)
		select event_id, 'TicketRevoked', id, jsonb_build_object('ticket', id, 'order', order_id, 'fan', fan_id,
			'revision', $3 - 1, 'cause', $4::text, 'reason', $5::text) from anew`,
		id, TicketIssued, revision, CauseReissue, reason, by)
	return revision, err
}

const mostRevision = 65535

func checkReason(reason string) error {
	if reason == "" || len(reason) > mostReason {
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "reason must be told, in at most %d bytes.", mostReason)
	}
	return nil
}
