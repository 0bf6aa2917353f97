package checkout

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// RefundLook is what a refund would do, as things are now.
type RefundLook struct {
	Amount  ropeline.Money
	Left    ropeline.Money      // of the payment, before it
	Tickets []ropeline.TicketID // that would be void
}

// LookRefund tells what AskRefund would do, and changes nothing. Its errors
// are those of AskRefund.
func (c *Checkout) LookRefund(ctx context.Context, q Refunding) (look RefundLook, err error) {
	if err := q.check(); err != nil {
		return look, err
	}
	err = pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) error {
		d, err := lockRefund(ctx, tx, q.Order)
		if err != nil {
			return err
		}
		issued, err := ticketsToRefund(ctx, tx, q.Order)
		if err != nil {
			return err
		}
		look.Left = ropeline.Money{Minor: d.amount.Minor - d.given, Currency: d.amount.Currency}
		look.Amount.Currency = d.amount.Currency
		look.Amount.Minor, look.Tickets, err = d.decide(q, issued)
		return err
	})
	return look, asError(err)
}
