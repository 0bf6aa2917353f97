package hub

import (
	"context"
	"time"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/admission"
	"github.com/ropeline/ropeline/queue"
)

// Status tells where the holder of a place stands now. For a fan who waits it
// asks no engine. A place of an earlier epoch is registered again under its
// own number; the place that is returned is the one to keep from then on, and
// Status.Place is filled when it differs from the one that was shown.
//
// Errors: not_in_line when the fan left or missed the turn and has not come
// back; unavailable when an engine was needed and away.
func (r *Room) Status(ctx context.Context, place queue.Place) (ropeline.Status, queue.Place, error) {
	return r.status(ctx, place, false)
}

// status is Status; with ask it looks the fan up even when the snapshot still
// shows it waiting.
func (r *Room) status(ctx context.Context, place queue.Place, ask bool) (ropeline.Status, queue.Place, error) {
	snapshot := r.watch.Snapshot()
	if !ask && place.Epoch == snapshot.Epoch && place.InLobby() && snapshot.Lobby != queue.NoLobby {
		return r.lobby(snapshot, place), place, nil
	}
	if !ask && place.Epoch == snapshot.Epoch && !place.InLobby() && !snapshot.Gone(place.Number) && !r.called.has(place.Fan) {
		return r.waiting(snapshot, place), place, nil
	}
	shopper, found, err := r.hub.admission.Shopper(ctx, r.event, place.Fan)
	if err != nil {
		return ropeline.Status{}, place, err
	}
	if found {
		return r.calledStatus(shopper, place)
	}
	now, found, err := r.hub.line.Number(ctx, r.event, place.Fan)
	if err == nil && !found && place.InLobby() { // drawn, and called between the two looks
		if shopper, found, err = r.hub.admission.Shopper(ctx, r.event, place.Fan); found {
			return r.calledStatus(shopper, place)
		}
	}
	if err == nil && !found && place.Epoch < snapshot.Epoch {
		now, err = r.hub.line.Join(ctx, r.event, place.Fan, &place)
		found = true
	}
	if err != nil {
		return ropeline.Status{}, place, err
	}
	if !found {
		return ropeline.Status{}, place, ropeline.Errorf(ropeline.CodeNotInLine, "You are not in this line any more.")
	}
	st := r.standing(snapshot, now)
	if now != place {
		st.Place = r.hub.line.Token(now)
	}
	if now.Epoch > place.Epoch {
		st.Reason = ropeline.ReasonLineRebuilt
	}
	return st, now, nil
}

// calledStatus is Shopper for the holder of a place; one of the lobby becomes
// the number that was called.
func (r *Room) calledStatus(shopper admission.Shopper, place queue.Place) (ropeline.Status, queue.Place, error) {
	if !place.InLobby() {
		return r.Shopper(shopper, place), place, nil
	}
	place.Number, place.Epoch = shopper.Number, shopper.Epoch
	st := r.Shopper(shopper, place)
	st.Place = r.hub.line.Token(place)
	return st, place, nil
}

// Shopper is the status of a fan whom admission has let in.
func (r *Room) Shopper(shopper admission.Shopper, place queue.Place) ropeline.Status {
	st := r.base(r.watch.Snapshot(), place)
	if shopper.State == admission.StateEntered {
		st.Standing, st.ShopUntil = ropeline.StandingShopping, &shopper.ShopUntil
	} else {
		st.Standing, st.PassUntil = ropeline.StandingAdmitted, &shopper.PassUntil
		st.Pass = r.hub.admission.Pass(shopper)
	}
	st.NextMS = beat.Milliseconds()
	return st
}

func (r *Room) base(snapshot *queue.Snapshot, place queue.Place) ropeline.Status {
	f := r.facts.Load()
	return ropeline.Status{
		Event: r.event, Phase: f.phase, Paused: f.paused,
		Epoch: max(snapshot.Epoch, place.Epoch), Offset: snapshot.Offset,
		Number: place.Number, Waiting: snapshot.Waiting,
	}
}

// standing is the status of a fan in the lobby or in the line.
func (r *Room) standing(snapshot *queue.Snapshot, place queue.Place) ropeline.Status {
	if place.InLobby() {
		return r.lobby(snapshot, place)
	}
	return r.waiting(snapshot, place)
}

// lobby is the status of a fan who has no number yet.
func (r *Room) lobby(snapshot *queue.Snapshot, place queue.Place) ropeline.Status {
	st := r.base(snapshot, place)
	st.Standing, st.Position = ropeline.StandingLobby, queue.NoNumber
	st.NextMS = lobbyCadence(st.Phase).Milliseconds()
	return st
}

func (r *Room) waiting(snapshot *queue.Snapshot, place queue.Place) ropeline.Status {
	st := r.base(snapshot, place)
	st.Standing = ropeline.StandingWaiting
	if f := r.facts.Load(); !f.rebuiltTo.IsZero() && time.Now().Before(f.rebuiltTo) {
		st.Reason = ropeline.ReasonLineRebuilt
	}
	st.Position = snapshot.Position(place.Number)
	st.Waiting = max(st.Waiting, st.Position+1) // the snapshot may be older than the fan
	st.Wait = r.wait(st.Position)
	st.NextMS = cadence(st.Position).Milliseconds()
	return st
}

// Work is what joining costs now, see admission.Rules.
func (r *Room) Work() int { return r.facts.Load().work }

// Line is the newest snapshot and, when it is known, the pace of admission in
// fans per minute.
func (r *Room) Line() (*queue.Snapshot, *float64) {
	if pace, known := r.watch.Pace(); known {
		return r.watch.Snapshot(), &pace
	}
	return r.watch.Snapshot(), nil
}
