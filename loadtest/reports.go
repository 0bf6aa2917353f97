package loadtest

import (
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/ropeline/ropeline/loadtest/record"
	"github.com/ropeline/ropeline/loadtest/report"
)

type reportCommand struct {
	Path string `arg:"positional,required" help:"a run's directory, or a single record"`
	HTML string `arg:"--html" placeholder:"FILE" help:"write the page there"`
	JSON string `arg:"--json" placeholder:"FILE" help:"write the numbers there"`
	Dump bool   `arg:"--dump" help:"print the record as NDJSON instead"`
}

func (r *reportCommand) run(stdout io.Writer) error {
	if r.Dump {
		return replayDir(r.Path, record.NewDump(stdout))
	}
	summary, err := analyse(r.Path)
	if err != nil {
		return err
	}
	for path, write := range map[string]func(io.Writer) error{r.HTML: summary.Page, r.JSON: summary.JSON} {
		if path != "" {
			if err := writeFile(path, write); err != nil {
				return err
			}
		}
	}
	if err := summary.Text(stdout); err != nil {
		return err
	}
	if summary.Broken() != "" {
		return errBroken
	}
	return nil
}

type compareCommand struct {
	A    string `arg:"positional,required" help:"a run's directory, a record, or a report.json"`
	B    string `arg:"positional,required" help:"the other"`
	HTML string `arg:"--html" placeholder:"FILE" help:"write the page there"`
}

func (c *compareCommand) run(stdout io.Writer) error {
	a, err := summaryOf(c.A)
	if err != nil {
		return err
	}
	b, err := summaryOf(c.B)
	if err != nil {
		return err
	}
	if c.HTML != "" {
		if err := writeFile(c.HTML, func(w io.Writer) error { return report.ComparePage(w, a, b) }); err != nil {
			return err
		}
	}
	return report.CompareText(stdout, a, b)
}

func summaryOf(path string) (*report.Summary, error) {
	if inside := filepath.Join(path, jsonFile); exists(inside) {
		path = inside
	}
	if !strings.HasSuffix(path, ".json") {
		return analyse(path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return report.ReadJSON(file)
}
