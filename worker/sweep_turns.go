package worker

import (
	"context"
	"errors"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/notify"
	"github.com/ropeline/ropeline/queue"
)

const (
	nearPause = 2 * time.Second
	nearPage  = 1000
	// nearLooks bounds how many numbers one run looks up: those of a lobby, whose
	// draw is done, or of a line that was lost.
	nearLooks = 2000
)

// sweepTurns tells the fans who asked for it that their turn is near. Several
// workers may find the same fan; the message's key sends it once.
func (w *Worker) sweepTurns(ctx context.Context) (told int, err error) {
	l := w.options.Letters
	if l.Notify == nil || l.Line == nil || l.Admission == nil {
		return 0, nil
	}
	events, err := l.Notify.AlertEvents(ctx)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, event := range events {
		n, err := w.tellNear(ctx, event)
		told += n
		errs = append(errs, err)
	}
	return told, errors.Join(errs...)
}

func (w *Worker) tellNear(ctx context.Context, id ropeline.EventID) (told int, err error) {
	l := w.options.Letters
	event, err := l.Catalog.Event(ctx, id)
	if err != nil || time.Now().Before(event.DropAt) {
		return 0, err
	}
	over := !time.Now().Before(event.ClosesAt)
	t := turns{Worker: w, event: id, over: over, looks: nearLooks}
	if !over {
		if t.snapshot, err = l.Line.Snapshot(ctx, id); err != nil || t.snapshot.Lobby != queue.NoLobby {
			return 0, err
		}
		rules, err := l.Admission.Rules(ctx, id)
		if err != nil {
			return 0, err
		}
		if !rules.Paused {
			t.rate = rules.RateAt(time.Now())
		}
	}
	var after ropeline.FanID
	for {
		alerts, err := l.Notify.Alerts(ctx, id, after, nearPage)
		if err != nil || len(alerts) == 0 {
			return told, err
		}
		near, moot, ahead, err := t.sort(ctx, alerts)
		if err != nil {
			return told, err
		}
		if len(near)+len(moot) > 0 {
			if err := l.Notify.Tell(ctx, id, near, ahead, moot); err != nil {
				return told, err
			}
		}
		told, after = told+len(near), alerts[len(alerts)-1].Fan
	}
}

// nearKnown is how long the position of a message is taken for that of its fan:
// a look at the line costs more than the rest of the message.
const nearKnown = time.Minute

// factsOfTurn are what a message that waited says of a turn that is near.
// Nothing is said to a fan who has been called or has left.
func factsOfTurn(ctx context.Context, line *queue.Line, n notify.Notice, facts notify.Facts) (notify.Facts, error) {
	place, found, err := line.Number(ctx, n.Event, n.Data.Fan)
	if err != nil {
		return facts, err
	}
	if !found {
		return facts, notify.ErrMoot
	}
	facts.Ahead = n.Data.Ahead
	if time.Since(n.Posted) < nearKnown {
		return facts, nil
	}
	snapshot, err := line.Snapshot(ctx, n.Event)
	if err != nil {
		return facts, err
	}
	if place.InLobby() || place.Epoch != snapshot.Epoch {
		return facts, errors.New("the line has just begun anew")
	}
	facts.Ahead = snapshot.Position(place.Number)
	return facts, nil
}

// turns is one look at an event's line.
type turns struct {
	*Worker
	event    ropeline.EventID
	snapshot *queue.Snapshot
	rate     int // admissions a minute; 0: paused
	over     bool
	looks    int
}

// sort finds those whose turn is near, and those to whom there is nothing to
// tell any more: called, gone, or the sale is over. The others wait on.
func (t *turns) sort(ctx context.Context, alerts []notify.Alert) (near []notify.Alert, moot []ropeline.FanID, ahead map[ropeline.FanID]int64, err error) {
	ahead = map[ropeline.FanID]int64{}
	for _, a := range alerts {
		if t.over {
			moot = append(moot, a.Fan)
			continue
		}
		if a.Number == nil || a.Epoch != t.snapshot.Epoch {
			known, err := t.look(ctx, &a)
			if err != nil {
				return nil, nil, nil, err
			}
			if !known {
				continue
			}
		}
		if a.Number == nil || t.snapshot.Gone(*a.Number) {
			moot = append(moot, a.Fan)
			continue
		}
		position := t.snapshot.Position(*a.Number)
		if position <= t.options.Letters.NearAhead || t.rate > 0 && time.Duration(position)*time.Minute/time.Duration(t.rate) <= t.options.Letters.NearWait {
			near, ahead[a.Fan] = append(near, a), position
		}
	}
	return near, moot, ahead, nil
}

// look asks the line for a fan's number, and keeps it. A fan who is not found
// has been called or has left; after a lost line the fan may yet come back.
func (t *turns) look(ctx context.Context, a *notify.Alert) (known bool, err error) {
	if t.looks--; t.looks < 0 {
		return false, nil
	}
	place, found, err := t.options.Letters.Line.Number(ctx, t.event, a.Fan)
	if err != nil {
		return false, err
	}
	if !found {
		lost := a.Number != nil
		a.Number = nil
		return !lost, nil
	}
	if place.InLobby() || place.Epoch != t.snapshot.Epoch {
		return false, nil // the snapshot is older
	}
	a.Number, a.Epoch = &place.Number, place.Epoch
	return true, t.options.Letters.Notify.Numbered(ctx, *a)
}
