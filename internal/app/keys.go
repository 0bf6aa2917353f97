package app

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/ropeline/ropeline/internal/keyring"
)

// keysCommand shows and rotates the keys that gates and others verify with.
type keysCommand struct {
	List   *struct{}          `arg:"subcommand:list" help:"list them with their public halves"`
	Rotate *keysRotateCommand `arg:"subcommand:rotate" help:"make a new one that signs after some seconds; those before it go on verifying"`
}

type keysRotateCommand struct {
	Purpose string `arg:"--purpose" default:"ticket" placeholder:"PURPOSE" help:"ticket or pass"`
}

// keyPurposes are those whose keys rotate by hand. A pace log's key is what its
// readers know the house by.
var keyPurposes = []keyring.Purpose{keyring.PurposeTicket, keyring.PurposePass}

func (k keysCommand) run(ctx context.Context, c Config, stdout io.Writer, log *slog.Logger) error {
	if k.List == nil && k.Rotate == nil {
		return errors.New("keys: list or rotate? See ropeline keys --help")
	}
	if k.Rotate != nil && !slices.Contains(keyPurposes, keyring.Purpose(k.Rotate.Purpose)) {
		return fmt.Errorf("--purpose %q: want ticket or pass", k.Rotate.Purpose)
	}
	return withRooms(ctx, c, log, func(app *App) error {
		if k.Rotate != nil {
			key, err := app.keys.Rotate(ctx, keyring.Purpose(k.Rotate.Purpose))
			if err != nil {
				return err
			}
			fmt.Fprintf(stdout, "key %d signs from %s on\n", key.ID, key.ActiveAt.UTC().Format(time.RFC3339))
		}
		return app.listKeys(ctx, stdout)
	})
}

func (a *App) listKeys(ctx context.Context, stdout io.Writer) error {
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tPURPOSE\tFROM\tSIGNS\tPUBLIC KEY")
	for _, purpose := range keyPurposes {
		keys, err := a.keys.Keys(ctx, purpose)
		if err != nil {
			return err
		}
		for _, key := range keys {
			signs := "no"
			if key.Signs {
				signs = "yes"
			}
			fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\n", key.ID, key.Purpose, key.ActiveAt.UTC().Format(time.RFC3339), signs,
				base64.StdEncoding.EncodeToString(key.Public))
		}
	}
	return table.Flush()
}
