package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
)

type auditCommand struct {
	Event string `arg:"positional,required" placeholder:"EVENT" help:"the event's id"`
}

// audit recomputes what must hold of an event's stock, orders, payments and
// tickets from their rows, and fails when something differs.
func audit(ctx context.Context, c Config, id string, stdout io.Writer, log *slog.Logger) error {
	event, err := ropeline.ParseID[ropeline.EventID](id)
	if err != nil {
		return err
	}
	return withRooms(ctx, c, log, func(app *App) error {
		if _, err := app.Catalog.Event(ctx, event); err != nil {
			return err
		}
		violations, err := checkout.Audit(ctx, app.Pool(), event)
		if err != nil {
			return err
		}
		for _, v := range violations {
			fmt.Fprintln(stdout, v)
		}
		if len(violations) > 0 {
			return fmt.Errorf("%d differences", len(violations))
		}
		totals, err := app.Checkout.Totals(ctx, event)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "clean: %d tickets, %v paid\n", totals.Tickets, totals.Revenue)
		return nil
	})
}
