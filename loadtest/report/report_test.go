package report_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/judge"
	"github.com/ropeline/ropeline/loadtest/record"
	"github.com/ropeline/ropeline/loadtest/report"
	"github.com/ropeline/ropeline/loadtest/tally"
)

// told is a small run with a broken invariant, a fault and hostile names.
func told(t *testing.T) *report.Summary {
	t.Helper()
	judged, counts := judge.New(), tally.New()
	said := []record.Observation{{Fan: -1, Step: record.StepRun, Run: &record.RunFacts{
		Fans: 40, Scenario: `<script>alert("x")</script>`, Started: time.Unix(1_000_000, 0), Slack: time.Second, Rule: &record.Rule{RatePerMinute: 60, Burst: 1},
	}}}
	for i := range 40 {
		at := int64(i) * 100_000
		line := &record.LineFacts{Standing: ropeline.StandingWaiting, Phase: ropeline.PhaseOnSale, Epoch: 1, Number: int64(i)}
		in := *line
		in.Standing, in.PassUntil = ropeline.StandingAdmitted, 1_000_010_000_000+at
		said = append(said,
			record.Observation{Fan: i, T: at + 1000, Took: 1000, Late: 50, Step: record.StepJoin, Status: 201, Line: line},
			record.Observation{Fan: i, T: at + 9000, Step: record.StepFrame, Conn: int64(i), Line: &in},
			record.Observation{Fan: i, T: at + 15_000, Took: 1000, Step: record.StepEnter, Status: 200},
			record.Observation{Fan: i, T: at + 20_000, Took: 4000, Step: record.StepReserve, Status: 201, Sale: &record.SaleFacts{Reservation: "r", State: "held"}},
			record.Observation{Fan: i, T: at + 30_000, Step: record.StepEnd, Outcome: record.Released, Is: "</td>patient"})
	}
	said = append(said, record.Observation{Fan: -1, T: 1_500_000, Step: record.StepFault, Code: "kill", Note: "worker"})
	for _, o := range said {
		judged.See(o)
		counts.See(o)
	}
	return report.New(judged, counts)
}

// The page needs nothing from elsewhere, and shows names as text.
func TestThePageStandsByItself(t *testing.T) {
	var page bytes.Buffer
	s := told(t)
	if err := s.Page(&page); err != nil {
		t.Fatal(err)
	}
	for _, not := range []string{"<script", "http://", "https://", "src=", "@import", "url("} {
		if strings.Contains(page.String(), not) {
			t.Errorf("the page has %q in it", not)
		}
	}
	for _, want := range []string{"<svg", "BROKEN: I3", "kill worker", "&lt;/td&gt;patient", "Kendall"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if _, err := html.Parse(&page); err != nil {
		t.Error(err)
	}
}

func TestTheJSONComesBack(t *testing.T) {
	s := told(t)
	var file bytes.Buffer
	if err := s.JSON(&file); err != nil {
		t.Fatal(err)
	}
	if !json.Valid(file.Bytes()) {
		t.Fatal("this is no JSON")
	}
	again, err := report.ReadJSON(&file)
	if err != nil {
		t.Fatal(err)
	}
	if again.Funnel != s.Funnel || !reflect.DeepEqual(again.Series, s.Series) || again.Broken() != "I3" {
		t.Errorf("%+v", again)
	}
	if _, err := report.ReadJSON(strings.NewReader(`{"fans":3}`)); err == nil {
		t.Error("another JSON was taken for a report")
	}
}

func TestTwoRunsSideBySide(t *testing.T) {
	a, b := told(t), told(t)
	b.Seconds, b.Latency[0].P99 = 2*a.Seconds, 3*a.Latency[0].P99
	var text, page bytes.Buffer
	if err := report.CompareText(&text, a, b); err != nil {
		t.Fatal(err)
	}
	if err := report.ComparePage(&page, a, b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"+100.0 %", "+200.0 %", "BROKEN"} {
		if !strings.Contains(text.String(), want) || !strings.Contains(page.String(), strings.ReplaceAll(want, "+", "&#43;")) {
			t.Errorf("no %q in\n%s", want, &text)
		}
	}
}
