package admission

import (
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ropeline/ropeline"
)

func TestValidateNamesTheField(t *testing.T) {
	if err := DefaultRules().Validate(); err != nil {
		t.Fatal(err)
	}
	for field, spoil := range map[string][]func(*Rules){
		"rate_per_minute":    {func(r *Rules) { r.RatePerMinute = -1 }, func(r *Rules) { r.RatePerMinute = 1_000_001 }},
		"burst":              {func(r *Rules) { r.Burst = 0 }, func(r *Rules) { r.Burst = 1_000_001 }},
		"max_shoppers":       {func(r *Rules) { r.MaxShoppers = 0 }, func(r *Rules) { r.MaxShoppers = 1_000_001 }},
		"batch":              {func(r *Rules) { r.Batch = 0 }, func(r *Rules) { r.Batch = 1001 }},
		"work":               {func(r *Rules) { r.Work = -1 }, func(r *Rules) { r.Work = 10_000_001 }},
		"compensate_percent": {func(r *Rules) { r.CompensatePercent = -1 }, func(r *Rules) { r.CompensatePercent = 101 }},
		"schedule": {
			func(r *Rules) { r.Schedule = make([]Step, 21) },
			func(r *Rules) {
				r.Schedule = []Step{{From: time.Now(), RatePerMinute: 1}, {From: time.Now().Add(-time.Second)}}
			},
		},
		"schedule:":       {func(r *Rules) { r.Schedule = []Step{{From: time.Now(), RatePerMinute: -1}} }, func(r *Rules) { r.Schedule = []Step{{RatePerMinute: 1}} }},
		"show_up_seconds": {func(r *Rules) { r.ShowUp = 4 * time.Second }, func(r *Rules) { r.ShowUp = 5500 * time.Millisecond }},
		"shop_seconds":    {func(r *Rules) { r.Shop = 9 * time.Second }, func(r *Rules) { r.Shop = 25 * time.Hour }},
	} {
		for _, spoil := range spoil {
			r := DefaultRules()
			spoil(&r)
			err, ok := errors.AsType[*ropeline.Error](r.Validate())
			if !ok || err.Code != ropeline.CodeInvalidRules || !strings.HasPrefix(err.Message, field+" ") {
				t.Errorf("%s: %v", field, err)
			}
		}
	}
}

func TestRulesAreVersioned(t *testing.T) {
	h := newHouse(t)
	event := h.event(DefaultRules())
	first, err := h.Rules(t.Context(), event)
	if err != nil || first.Version != 1 || first.ChangedBy != "the test" || first.ChangedAt.IsZero() {
		t.Fatalf("%+v, %v", first, err)
	}
	paused := first
	paused.Paused, paused.Shop = true, 20*time.Minute
	second, err := h.SetRules(t.Context(), event, paused, 1, "ada")
	if err != nil || second.Version != 2 || second.ChangedBy != "ada" {
		t.Fatalf("%+v, %v", second, err)
	}
	if _, err := h.SetRules(t.Context(), event, first, 1, "bob"); ropeline.CodeOf(err) != ropeline.CodeRulesConflict {
		t.Errorf("an outdated change: %v", err)
	}
	if third, err := h.SetRules(t.Context(), event, first, 0, "bob"); err != nil || third.Version != 3 {
		t.Errorf("a change of whatever there is: %+v, %v", third, err)
	}
	history, err := h.History(t.Context(), event)
	if err != nil || len(history) != 3 || !reflect.DeepEqual(history[1], second) || !reflect.DeepEqual(history[0], first) {
		t.Errorf("history %+v, %v", history, err)
	}
	bad := first
	bad.Batch = 0
	if _, err := h.SetRules(t.Context(), event, bad, 0, "bob"); ropeline.CodeOf(err) != ropeline.CodeInvalidRules {
		t.Errorf("bad rules: %v", err)
	}
	if _, err := h.SetRules(t.Context(), ropeline.NewID[ropeline.EventID](), first, 0, "bob"); ropeline.CodeOf(err) != ropeline.CodeEventNotFound {
		t.Errorf("an unknown event: %v", err)
	}
}

func TestManyOrganizersAtOnce(t *testing.T) {
	h := newHouse(t)
	event := h.event(DefaultRules())
	var all sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 8 {
		all.Go(func() {
			_, err := h.SetRules(t.Context(), event, DefaultRules(), 1, "one of many")
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if ropeline.CodeOf(err) != ropeline.CodeRulesConflict {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if won != 1 {
		t.Errorf("%d of 8 changes of version 1 were taken", won)
	}
}

func TestRulesTakeEffectAtOnce(t *testing.T) {
	h := newHouse(t)
	rules := quick()
	event := h.event(rules)
	h.join(event, 3)
	h.tickNow(event)
	rules.Paused = true
	if _, err := h.SetRules(t.Context(), event, rules, 1, "ada"); err != nil {
		t.Fatal(err)
	}
	h.join(event, 3)
	if ticked := h.tickNow(event); len(ticked.Admitted) != 0 || !ticked.Paused || ticked.Version != 2 {
		t.Errorf("%+v", ticked)
	}
}

func TestOldRulesDoNotComeBack(t *testing.T) {
	h := newHouse(t)
	rules := quick()
	event := h.event(rules)
	h.tickNow(event)
	if _, err := h.SetRules(t.Context(), event, rules, 1, "ada"); err != nil {
		t.Fatal(err)
	}
	rules.Version, rules.Paused = 1, true // a node that was asleep pushes what it knew
	if err := h.push(t.Context(), event, rules, ""); err != nil {
		t.Fatal(err)
	}
	if ticked := h.tickNow(event); ticked.Version != 2 || ticked.Paused {
		t.Errorf("%+v", ticked)
	}
}
