package crowd

import (
	"context"
	"fmt"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/loadtest/record"
)

// enter redeems the pass at once, unless the fan is a no-show.
func (f *fan) enter(ctx context.Context) record.Outcome {
	f.scene.loot.dropPass(f.index, f.status.Pass)
	if f.plan.Is.NoShow {
		return record.NoShow
	}
	var got entryAnswer
	a := f.ask(ctx, request{
		step: record.StepEnter, method: "POST", path: f.path("/enter"),
		body: map[string]string{"pass": f.status.Pass}, into: &got,
	}, nil)
	switch {
	case a.ok():
		f.shopper = got.Shopper
		f.scene.loot.dropShopper(f.index, got.Shopper)
		return ""
	case a.code == string(ropeline.CodePassExpired):
		return record.Missed
	}
	return f.stuck(ctx)
}

// shop chooses, reserves and goes on as the behaviour says. A fan who finds
// nothing tries what else there is, and then goes.
func (f *fan) shop(ctx context.Context) record.Outcome {
	if !f.rest(ctx, f.plan.Think) {
		return record.Cut
	}
	var held reservationAnswer
	for range 3 {
		items := f.choose()
		got, a := f.reserve(ctx, items)
		if a.ok() && got.State == "held" {
			held = got
			break
		}
		code := a.code
		if a.ok() {
			code = got.Reason
		}
		switch ropeline.Code(code) {
		case ropeline.CodeSoldOut, ropeline.CodeLimitExceeded:
			f.ask(ctx, request{step: record.StepArrive, method: "GET", path: f.path(""), into: &f.event}, nil)
			f.plan.Appetite = 0 // the next try is for a single ticket
			if f.available() {
				continue
			}
			f.goHome(ctx)
			return record.InVain
		case ropeline.CodeSaleClosed:
			return record.Closed
		case ropeline.CodePassExpired, ropeline.CodeNoPass:
			return record.Missed
		}
		return f.stuck(ctx)
	}
	switch {
	case held.ID == "":
		f.goHome(ctx)
		return record.InVain
	case f.plan.Is.RunsOut:
		return f.runOut(ctx, held)
	case !f.rest(ctx, f.plan.Pay):
		return record.Cut
	case f.plan.Is.GivesUp:
		return f.release(ctx, held)
	}
	return f.buy(ctx, held)
}

// choose picks a ticket type by taste among what is said to be available, and
// as many of it as the plan wants.
func (f *fan) choose() []ropeline.Item {
	types := f.event.TicketTypes
	if len(types) == 0 {
		return nil
	}
	pick := int(f.plan.Taste * float64(len(types)))
	for range types {
		if left := types[pick].Available; left == nil || *left > 0 {
			break
		}
		pick = (pick + 1) % len(types)
	}
	quantity := f.plan.Quantity()
	if most := types[pick].MaxPerOrder; most > 0 {
		quantity = min(quantity, most)
	}
	return []ropeline.Item{{TicketType: types[pick].ID, Quantity: quantity}}
}

func (f *fan) available() bool {
	for _, t := range f.event.TicketTypes {
		if t.Available == nil || *t.Available > 0 {
			return true
		}
	}
	return false
}

// reserve asks and, when the clerk has not decided yet, looks until it has.
func (f *fan) reserve(ctx context.Context, items []ropeline.Item) (reservationAnswer, answer) {
	header, key := f.header(), f.key()
	header.set("Prefer", "wait=5")
	got, a := create(ctx, f, request{
		step: record.StepReserve, method: "POST", path: f.path("/reserve-tickets"), header: header,
		body: map[string]any{"items": items},
	}, key, reservationAnswer.facts)
	if f.plan.repeats && a.ok() {
		f.tryOtherBody(ctx, key, items)
	}
	for pause := 100 * time.Millisecond; a.ok() && got.State == "queued"; pause = min(2*pause, 2*time.Second) {
		if !f.rest(ctx, pause) {
			break
		}
		got, a = look(ctx, f, record.StepReservation, "/reservations/"+got.ID, reservationAnswer.facts)
	}
	return got, a
}

func (f *fan) release(ctx context.Context, held reservationAnswer) record.Outcome {
	a := f.ask(ctx, request{step: record.StepRelease, method: "DELETE", path: "/reservations/" + held.ID, releases: held.ID}, nil)
	if !a.ok() {
		return f.stuck(ctx)
	}
	f.goHome(ctx)
	return record.Released
}

// runOut does nothing until the deadline, and then watches the hold end.
func (f *fan) runOut(ctx context.Context, held reservationAnswer) record.Outcome {
	if !f.rest(ctx, time.Until(held.Deadline)) {
		return record.Cut
	}
	for time.Since(held.Deadline) < record.HoldMayOutlast+5*time.Second {
		got, a := look(ctx, f, record.StepReservation, "/reservations/"+held.ID, reservationAnswer.facts)
		if a.ok() && got.State != "held" {
			return record.RanOut
		}
		if !f.rest(ctx, 500*time.Millisecond) {
			return record.Cut
		}
	}
	return record.RanOut
}

// goHome gives the shopper's place back, as a page does when it is left.
func (f *fan) goHome(ctx context.Context) {
	f.home = f.ask(ctx, request{step: record.StepLeave, method: "DELETE", path: f.path("/queue")}, nil).ok()
}

func (f *fan) email() string { return fmt.Sprintf("fan-%d@fans.example", f.index) }
