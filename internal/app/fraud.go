package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/fraud"
	"github.com/ropeline/ropeline/web"
)

// admitted tells scoring when a fan was let in.
func (a *App) admitted(ctx context.Context, event ropeline.EventID, fan ropeline.FanID) (time.Time, bool, error) {
	shopper, found, err := a.Admission.Shopper(ctx, event, fan)
	return shopper.AdmittedAt, found, err
}

// assess lets scoring look at a payment as it is authorized.
func (a *App) assess(ctx context.Context, p checkout.Authorized) checkout.Verdict {
	return web.Verdict(a.Fraud.Judge(ctx, fraud.Paid{
		Event: p.Event, Order: p.Order, Fan: p.Fan, Card: p.Card.Fingerprint, Risk: riskOf(p), Declines: p.Declines,
	}))
}

// riskOf is the gateway's risk; one that has no level was not told.
func riskOf(p checkout.Authorized) int {
	if p.Risk.Level == "" {
		return -1
	}
	return p.Risk.Score
}

// fraudCommand makes and judges models, and the data for them.
type fraudCommand struct {
	Train    *fraudTrainCommand    `arg:"subcommand:train" help:"fit a model to labelled orders, and tell how good it is on others"`
	Export   *fraudExportCommand   `arg:"subcommand:export" help:"write an event's orders as training data, with pseudonyms"`
	Generate *fraudGenerateCommand `arg:"subcommand:generate" help:"make up labelled orders, to try things out"`
}

type fraudTrainCommand struct {
	File     string  `arg:"positional,required" placeholder:"FILE" help:"labelled orders, one JSON a line (docs/fraud.md); - for the standard input"`
	Out      string  `arg:"--out" placeholder:"MODEL" help:"where the model is written; only the report is shown when empty"`
	Name     string  `arg:"--name" default:"trained" help:"the model's name, kept with each order that it scores"`
	Seed     uint64  `arg:"--seed" default:"1" help:"which orders are held out"`
	HeldOut  float64 `arg:"--held-out" default:"0.25" help:"share of the orders that the model is judged on and never sees"`
	L2       float64 `arg:"--l2" default:"10" help:"penalty on large weights"`
	ReviewAt float64 `arg:"--review-at" default:"0.5" help:"threshold for the table of decisions"`
	RejectAt float64 `arg:"--reject-at" default:"0.95" help:"threshold for the table of decisions"`
}

type fraudExportCommand struct {
	Event string `arg:"positional,required" placeholder:"EVENT" help:"the event's id"`
}

type fraudGenerateCommand struct {
	Orders int    `arg:"--orders" default:"20000" help:"how many"`
	Seed   uint64 `arg:"--seed" default:"20" help:"the same seed makes the same orders"`
}

func (f fraudCommand) run(ctx context.Context, c Config, stdout io.Writer, log *slog.Logger) error {
	switch {
	case f.Train != nil:
		return f.Train.run(stdout)
	case f.Generate != nil:
		return f.Generate.run(stdout)
	case f.Export != nil:
		return f.Export.run(ctx, c, stdout, log)
	}
	return errors.New("fraud what? See ropeline fraud --help")
}

func (t fraudTrainCommand) run(stdout io.Writer) error {
	if !(t.ReviewAt >= 0 && t.ReviewAt <= t.RejectAt && t.RejectAt <= 1) {
		return fmt.Errorf("--review-at %v --reject-at %v: want 0 to 1, the first not above the second", t.ReviewAt, t.RejectAt)
	}
	in, err := openFile(t.File)
	if err != nil {
		return err
	}
	defer in.Close()
	rows, err := fraud.ReadRows(in)
	if err != nil {
		return fmt.Errorf("%s: %w", t.File, err)
	}
	model, report, err := fraud.Train(rows, fraud.Training{
		Name: t.Name, Source: fmt.Sprintf("%s, seed %d, held out %v, L2 %v", t.File, t.Seed, t.HeldOut, t.L2), Seed: t.Seed, HeldOut: t.HeldOut, L2: t.L2,
	})
	if err != nil {
		return err
	}
	report.Write(stdout, t.ReviewAt, t.RejectAt)
	if t.Out == "" {
		return nil
	}
	text, err := json.MarshalIndent(model, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(t.Out, append(text, '\n'), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "\nwritten to %s: use it with --fraud-model\n", t.Out)
	return nil
}

func (g fraudGenerateCommand) run(stdout io.Writer) error {
	if g.Orders < 1 || g.Orders > 10_000_000 {
		return fmt.Errorf("--orders %d: want 1 to 10,000,000", g.Orders)
	}
	return fraud.WriteRows(stdout, fraud.Generate(g.Orders, g.Seed))
}

func (e fraudExportCommand) run(ctx context.Context, c Config, stdout io.Writer, log *slog.Logger) error {
	event, err := ropeline.ParseID[ropeline.EventID](e.Event)
	if err != nil {
		return err
	}
	return withRooms(ctx, c, log, func(app *App) error {
		if _, err := app.Catalog.Event(ctx, event); err != nil {
			return err
		}
		out := bufio.NewWriter(stdout)
		encoder := json.NewEncoder(out)
		err := app.Fraud.Export(ctx, event, func(r fraud.Row) error { return encoder.Encode(r) })
		return errors.Join(err, out.Flush())
	})
}
