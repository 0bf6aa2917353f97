package checkout

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// Adopt gives an account the orders that were placed with its address, which
// must be verified, by nobody who was logged in, and the tickets that were
// given to the address.
func Adopt(ctx context.Context, tx pgx.Tx, account ropeline.AccountID, email string) error {
	for _, sql := range []string{
		"update orders set account_id = $1 where account_id is null and lower(email) = lower($2)",
		"update tickets set account_id = $1 where account_id is null and email is not null and lower(email) = lower($2)",
	} {
		if _, err := tx.Exec(ctx, sql, account, email); err != nil {
			return err
		}
	}
	return nil
}

// GiveOrder makes an order that of the account which was logged in when it was
// placed. An order that belongs to an account stays there.
func (c *Checkout) GiveOrder(ctx context.Context, order ropeline.OrderID, account ropeline.AccountID) error {
	if _, err := c.pool.Exec(ctx, "update orders set account_id = $2 where id = $1 and account_id is null", order, account); err != nil {
		return ropeline.Unavailable(err)
	}
	return nil
}

// OrderFan is the fan who holds an order of an account; false when the order
// is not the account's.
func (c *Checkout) OrderFan(ctx context.Context, order ropeline.OrderID, account ropeline.AccountID) (ropeline.FanID, bool, error) {
	return c.oneFan(ctx, "select fan_id from orders where id = $1 and account_id = $2", order, account)
}

// TicketFan is the same for a ticket.
func (c *Checkout) TicketFan(ctx context.Context, ticket ropeline.TicketID, account ropeline.AccountID) (ropeline.FanID, bool, error) {
	return c.oneFan(ctx, "select t.fan_id from tickets t join orders o on o.id = t.order_id where t.id = $1 and "+ofAccount+" = $2", ticket, account)
}

// PaymentFan is the same for the gateway's name of a payment.
func (c *Checkout) PaymentFan(ctx context.Context, provider, ref string, account ropeline.AccountID) (ropeline.FanID, bool, error) {
	return c.oneFan(ctx, `select o.fan_id from payments p join orders o on o.id = p.order_id
		where p.provider = $1 and p.provider_ref = $2 and o.account_id = $3`, provider, ref, account)
}

func (c *Checkout) oneFan(ctx context.Context, sql string, args ...any) (fan ropeline.FanID, found bool, err error) {
	err = c.pool.QueryRow(ctx, sql, args...).Scan(&fan)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", false, nil
	}
	if err != nil {
		return "", false, ropeline.Unavailable(err)
	}
	return fan, true, nil
}

// ofAccount is whose a ticket is: of its order o, unless it was given away.
const ofAccount = "case when t.email is null then o.account_id else t.account_id end"

// AccountTickets lists the tickets of an account's orders and those that were
// given to it, the newest first.
func (c *Checkout) AccountTickets(ctx context.Context, account ropeline.AccountID) ([]Ticket, error) {
	return c.tickets(ctx, "(t.account_id = $1 or t.email is null and t.order_id in (select id from orders where account_id = $1))", account, mostTickets)
}
