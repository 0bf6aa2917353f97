package loadtest

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/ropeline/ropeline/admission/pace"
	"github.com/ropeline/ropeline/loadtest/arrival"
	"github.com/ropeline/ropeline/loadtest/crowd"
	"github.com/ropeline/ropeline/loadtest/plan"
	"github.com/ropeline/ropeline/loadtest/report"
	"github.com/ropeline/ropeline/loadtest/scenario"
	"github.com/ropeline/ropeline/loadtest/trace"
)

type planCommand struct {
	File     string  `arg:"positional,required" help:"a scenario"`
	Fans     int     `arg:"--fans" help:"as many fans instead"`
	Seed     uint64  `arg:"--seed" help:"another crowd"`
	Pace     float64 `arg:"--pace" help:"another pace of the fans; 1 is as fast as people are"`
	Rates    string  `arg:"--rates" placeholder:"N,…" help:"candidate admissions per minute"`
	Shoppers string  `arg:"--shoppers" placeholder:"N,…" help:"candidate limits of shoppers at once"`
	HTML     string  `arg:"--html" placeholder:"FILE" help:"write a page with plots there"`
	JSON     string  `arg:"--json" placeholder:"FILE" help:"write the forecasts there"`
}

func (p *planCommand) run(stdout io.Writer) error {
	s, err := scenario.Load(p.File)
	if err != nil {
		return err
	}
	if len(s.Event.Tickets) == 0 {
		return errors.New("the scenario has no event to plan")
	}
	s.Fans, s.Seed, s.Pace = cmp.Or(p.Fans, s.Fans), cmp.Or(p.Seed, s.Seed, 1), cmp.Or(p.Pace, s.Pace)
	if !(s.Pace >= 0 && s.Pace <= 100) {
		return fmt.Errorf("--pace: %v is not in 0 to 100", s.Pace)
	}
	rates, err := numbers(p.Rates, s.Event.Rules.RatePerMinute)
	if err != nil {
		return fmt.Errorf("--rates: %w", err)
	}
	shoppers, err := numbers(p.Shoppers, s.Event.Rules.MaxShoppers)
	if err != nil {
		return fmt.Errorf("--shoppers: %w", err)
	}
	began := time.Now()
	fans, err := drawFans(s)
	if err != nil {
		return err
	}
	var forecasts []*plan.Forecast
	for _, rate := range rates {
		for _, most := range shoppers {
			forecasts = append(forecasts, fans.Forecast(houseOf(s, rate, most)))
		}
	}
	page := report.NewPlan(s.Name, fans.Len(), s.Event.Capacity(), s.Event.Lead, time.Since(began), forecasts)
	for path, write := range map[string]func(io.Writer) error{p.HTML: page.Page, p.JSON: page.JSON} {
		if path != "" {
			if err := writeFile(path, write); err != nil {
				return err
			}
		}
	}
	return page.Text(stdout)
}

// drawFans draws the scenario's fans.
func drawFans(s *scenario.Scenario) (*plan.Fans, error) {
	if path := s.TracePath(); path != "" {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		reader, err := trace.NewReader(file)
		if err != nil {
			return nil, err
		}
		fans := plan.Draw(s.Mix(), s.Seed, s.Pace, reader.Times(s.Arrival.Speed))
		return fans, reader.Err()
	}
	model := arrival.Arrival{Shape: s.Arrival.Shape, Over: s.Arrival.Over, Lead: s.Event.Lead}
	return plan.Draw(s.Mix(), s.Seed, s.Pace, model.Times(s.Fans, crowd.Chance(s.Seed))), nil
}

func houseOf(s *scenario.Scenario, rate, shoppers int) plan.House {
	r := s.Event.Rules
	h := plan.House{Drop: s.Event.Lead, Lobby: s.Event.Lobby, Hold: s.Event.Hold, Rules: pace.Rules{
		RatePerMinute: rate, Burst: r.Burst, MaxShoppers: shoppers, Batch: r.Batch, StockGate: r.StockGate, ShowUp: r.ShowUp, Shop: r.Shop,
	}}
	for _, t := range s.Event.Tickets {
		h.Types = append(h.Types, plan.Type{Capacity: t.Capacity, MaxPerOrder: t.MaxPerOrder})
	}
	return h
}

func numbers(list string, or int) (all []int, err error) {
	if list == "" {
		return []int{or}, nil
	}
	for word := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no number above 0", word)
		}
		all = append(all, n)
	}
	return all, nil
}
