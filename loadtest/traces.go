package loadtest

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/ropeline/ropeline/loadtest/arrival"
	"github.com/ropeline/ropeline/loadtest/trace"
)

type traceCommand struct {
	Gen  *traceGen  `arg:"subcommand:gen" help:"make a trace from a model"`
	Stat *traceStat `arg:"subcommand:stat" help:"tell what a trace comes to"`
}

type traceGen struct {
	Fans  int           `arg:"--fans,required" help:"how many arrivals"`
	Shape string        `arg:"--shape" default:"drop" help:"poisson, constant, burst, ramp or drop"`
	Over  time.Duration `arg:"--over" default:"5m" help:"the last fan comes no later"`
	Lead  time.Duration `arg:"--lead" default:"1m" help:"until the drop"`
	Seed  uint64        `arg:"--seed" default:"1" help:"the same seed gives the same trace"`
	Out   string        `arg:"--out" placeholder:"FILE" help:"where it goes; standard output when empty"`
}

type traceStat struct {
	File string `arg:"positional,required" help:"a trace"`
}

func (t *traceCommand) run(stdout io.Writer) error {
	switch {
	case t.Gen != nil:
		model := arrival.Arrival{Shape: arrival.Shape(t.Gen.Shape), Over: t.Gen.Over, Lead: t.Gen.Lead}
		if err := model.Validate(); err != nil {
			return err
		}
		if t.Gen.Fans < 0 {
			return errors.New("--fans: less than none")
		}
		write := func(w io.Writer) error { return trace.Generate(w, t.Gen.Fans, model, t.Gen.Seed) }
		if t.Gen.Out == "" {
			return write(stdout)
		}
		return writeFile(t.Gen.Out, write)
	case t.Stat != nil:
		file, err := os.Open(t.Stat.File)
		if err != nil {
			return err
		}
		defer file.Close()
		stat, err := trace.Read(file)
		if err != nil {
			return err
		}
		return stat.Write(stdout)
	}
	return errors.New("trace gen or trace stat?")
}
