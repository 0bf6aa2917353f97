package app

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/ropeline/ropeline/admission"
)

// verifyCommand checks what a house has published, on the files alone.
type verifyCommand struct {
	Log *verifyLogCommand `arg:"subcommand:log" help:"check a pace log: its chain, its signature, and its pace"`
}

type verifyLogCommand struct {
	File string `arg:"positional,required" placeholder:"FILE" help:"the pages of GET /events/{id}/pace, one after the other; - for the standard input"`
	Key  string `arg:"--key" placeholder:"BASE64" help:"the public key that must have signed; without it, the one in the file is shown"`
}

func (c verifyCommand) run(stdout io.Writer) error {
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
	in := io.Reader(os.Stdin)
	if c.File != "-" {
		file, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
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
