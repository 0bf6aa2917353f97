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
	if st, known := r.known(place); known {
		return st, place, nil
	}
	st, now, shopper, err := r.find(ctx, place)
	if err == nil {
		r.sign(&st, shopper)
	}
	return st, now, err
}

// known is the status of a fan whom the snapshot shows in the lobby or waiting,
// and whom the feed has not named since.
func (r *Room) known(place queue.Place) (st ropeline.Status, known bool) {
	snapshot := r.watch.Snapshot()
	switch {
	case place.Epoch != snapshot.Epoch:
		return st, false
	case place.InLobby():
		if snapshot.Lobby == queue.NoLobby {
			return st, false
		}
		return r.lobby(snapshot, place), true
	case snapshot.Gone(place.Number) || r.called.has(place.Fan):
		return st, false
	}
	return r.waiting(snapshot, place), true
}

// find asks the engines. The pass of a shopper is not signed yet.
func (r *Room) find(ctx context.Context, place queue.Place) (ropeline.Status, queue.Place, *admission.Shopper, error) {
	snapshot := r.watch.Snapshot()
	shopper, found, err := r.hub.admission.Shopper(ctx, r.event, place.Fan)
	if err != nil {
		return ropeline.Status{}, place, nil, err
	}
	if found {
		return r.calledStatus(shopper, place)
	}
	now, found, err := r.hub.line.Number(ctx, r.event, place.Fan)
	if err == nil && !found { // called between the two looks
		if shopper, found, err = r.hub.admission.Shopper(ctx, r.event, place.Fan); found {
			return r.calledStatus(shopper, place)
		}
	}
	earlier := !place.InLobby() && place.Number < now.Number                               // another device came back without a place, and got a later number
	if err == nil && (!found || earlier) && place.Epoch < max(snapshot.Epoch, now.Epoch) { // Redis may know of a loss before the snapshot does
		now, err = r.hub.line.Join(ctx, r.event, place.Fan, &place)
		found = true
	}
	if err != nil {
		return ropeline.Status{}, place, nil, err
	}
	if !found {
		return ropeline.Status{}, place, nil, ropeline.Errorf(ropeline.CodeNotInLine, "You are not in this line any more.")
	}
	st := r.standing(snapshot, now)
	if now != place {
		st.Place = r.hub.line.Token(now)
	}
	if now.Epoch > place.Epoch {
		st.Reason = ropeline.ReasonLineRebuilt
	}
	return st, now, nil, nil
}

// calledStatus is the status of a shopper who holds a place, with the pass still
// to be signed. The number is the one that was called, also for a place of the
// lobby and for one that was given while another was being called: two windows of
// a fan come back after a loss, and one of them is too late.
func (r *Room) calledStatus(shopper admission.Shopper, place queue.Place) (ropeline.Status, queue.Place, *admission.Shopper, error) {
	another := place.InLobby() || place.Number != shopper.Number
	if another {
		place.Number, place.Epoch = shopper.Number, shopper.Epoch
	}
	st := r.base(r.watch.Snapshot(), place)
	if shopper.State == admission.StateEntered {
		st = r.shopping(place, shopper.ShopUntil)
	} else {
		st.Standing, st.PassUntil = ropeline.StandingAdmitted, &shopper.PassUntil
	}
	st.NextMS = beat.Milliseconds()
	if another {
		st.Place = r.hub.line.Token(place)
	}
	return st, place, &shopper, nil
}

// shopping is the status of a fan in the shop.
func (r *Room) shopping(place queue.Place, until time.Time) ropeline.Status {
	st := r.base(r.watch.Snapshot(), place)
	st.Standing, st.ShopUntil, st.Stock, st.NextMS = ropeline.StandingShopping, &until, r.left(), beat.Milliseconds()
	return st
}

// sign gives the pass to a fan who is admitted. A signature costs more than all
// the rest of a frame.
func (r *Room) sign(st *ropeline.Status, shopper *admission.Shopper) {
	if shopper != nil && st.Standing == ropeline.StandingAdmitted {
		st.Pass = r.hub.admission.Pass(*shopper)
	}
}

// Shopper is the status of a fan whom admission has let in.
func (r *Room) Shopper(shopper admission.Shopper, place queue.Place) ropeline.Status {
	st, _, _, _ := r.calledStatus(shopper, place)
	r.sign(&st, &shopper)
	return st
}

// left is what is left of each type, as this node has heard.
func (r *Room) left() []ropeline.Left {
	stock, known := r.hub.checkout.Seen(r.event)
	if !known {
		return nil
	}
	types := r.facts.Load().types
	left := make([]ropeline.Left, len(types))
	for i, id := range types {
		left[i] = ropeline.Left{TicketType: id, Available: int64(max(stock.Types[id].Left(), 0))}
	}
	return left
}

func (r *Room) base(snapshot *queue.Snapshot, place queue.Place) ropeline.Status {
	f := r.facts.Load()
	st := ropeline.Status{
		Event: r.event, Phase: f.phase, Paused: f.paused,
		Epoch: max(snapshot.Epoch, place.Epoch), Offset: snapshot.Offset,
		Number: place.Number, Waiting: snapshot.Waiting,
	}
	if f.announced != nil && f.announced.Holds(time.Now()) {
		st.Announcement = &f.announced.Announcement
	}
	return st
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
	drop := r.facts.Load().drop
	st.DropAt = &drop
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
