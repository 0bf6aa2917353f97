package app

import (
	"bufio"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/queue/draw"
)

// verifyCommand checks what a house has published, on the files alone.
type verifyCommand struct {
	Draw *verifyDrawCommand `arg:"subcommand:draw" help:"check a draw: compute its root and every number again"`
	Log  *verifyLogCommand  `arg:"subcommand:log" help:"check a pace log: its chain, its signature, and its pace"`
}

type verifyDrawCommand struct {
	File string `arg:"positional,required" placeholder:"FILE" help:"what GET /events/{id}/fairness/file gave; - for the standard input"`
	Fan  string `arg:"--fan" placeholder:"ID" help:"tell this fan's number"`
	All  bool   `arg:"--all" help:"print every number with its fan"`
}

type verifyLogCommand struct {
	File string `arg:"positional,required" placeholder:"FILE" help:"the pages of GET /events/{id}/pace, one after the other; - for the standard input"`
	Key  string `arg:"--key" placeholder:"BASE64" help:"the public key that must have signed; without it, the one in the file is shown"`
}

func (c verifyCommand) run(stdout io.Writer) error {
	if c.Draw != nil {
		return c.Draw.run(stdout)
	}
	if c.Log != nil {
		return c.Log.run(stdout)
	}
	return errors.New("verify what? See ropeline verify --help")
}

func (c verifyLogCommand) run(stdout io.Writer) error {
	var key ed25519.PublicKey
	if c.Key != "" {
		raw, err := base64.StdEncoding.DecodeString(c.Key)
		if err != nil || len(raw) != ed25519.PublicKeySize {
			return errors.New("--key: want the base64 of an Ed25519 public key")
		}
		key = raw
	}
	in, err := openFile(c.File)
	if err != nil {
		return err
	}
	defer in.Close()
	r, err := admission.VerifyPace(in, key)
	if err != nil {
		return fmt.Errorf("the log does not hold: %w", err)
	}
	fmt.Fprintf(stdout, `The log of event %s holds.
  entries     %d, from %s to %s
  head        %x
  signed by   %s
  admitted    %d in %d ticks, never faster than the rules allowed (%d versions)
  bypasses    %d
  no-shows    %d
  overtaken   %d who came back after a higher number had been let in
  lost        %d stretches of ticks; the line began anew %d times
`, r.Head.Event, r.Head.Seq, r.First.Format(time.RFC3339), r.Last.Format(time.RFC3339), r.Head.Hash[:8],
		base64.StdEncoding.EncodeToString(r.PublicKey), r.Admitted, r.Ticks, r.Versions, r.Bypassed, r.NoShows, r.Overtaken, r.Gaps, max(0, r.Epochs-1))
	return nil
}

func (c verifyDrawCommand) run(stdout io.Writer) error {
	in, err := openFile(c.File)
	if err != nil {
		return err
	}
	defer in.Close()
	record, entrants, err := draw.ReadFile(in)
	if err != nil {
		return err
	}
	order, err := record.Verify(entrants)
	if err != nil {
		return fmt.Errorf("the draw does not hold: %w", err)
	}
	if c.All {
		out := bufio.NewWriter(stdout)
		for number, index := range order {
			fmt.Fprintf(out, "%d %s\n", number, entrants.At(int(index)))
		}
		return out.Flush()
	}
	fmt.Fprintf(stdout, `The draw of event %s holds.
  commitment  %s
  entrants    %d
  root        %s
  entropy     from %s: %s
  promised    %s %s
`, record.Event, record.Commitment, entrants.Len(), record.Root, record.MixedFrom, record.Value, record.Source, record.Promise)
	if c.Fan == "" {
		return nil
	}
	index, found := entrants.Find(ropeline.FanID(c.Fan))
	if !found {
		return fmt.Errorf("fan %s is not among the entrants", c.Fan)
	}
	fmt.Fprintf(stdout, "  fan         %s has number %d\n", c.Fan, slices.Index(order, uint32(index)))
	return nil
}

// openFile opens a file, or the standard input for "-".
func openFile(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(os.Stdin), nil
	}
	return os.Open(name)
}
