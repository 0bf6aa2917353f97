package worker

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/internal/outbox"
	"github.com/ropeline/ropeline/notify"
)

// tellChange posts that an event has changed: to those with an open order or
// tickets, and to those who wait to be told that their turn is near; to each
// address once, with what waits to be told of changes before. When the sale
// opens and ends concerns only who waits. Begun again, it posts nothing twice.
func (w *Worker) tellChange(ctx context.Context, e outbox.Event, change outbox.Change) error {
	if len(change.Fields) == 0 && change.Note == "" {
		return nil
	}
	post := func(notices []notify.Notice) error {
		if err := w.options.Letters.Notify.PostInstead(ctx, notices...); err != nil {
			return ropeline.Unavailable(err)
		}
		return nil
	}
	notice := func(n notify.Notice) notify.Notice {
		to := sha256.Sum256([]byte(string(n.Channel) + ":" + strings.ToLower(n.To)))
		n.Dedupe, n.Kind, n.Bulk = fmt.Sprintf("%s:%s:%d:%x", notify.EventChanged, e.Event, e.Seq, to[:16]), notify.EventChanged, true
		n.Data.Fields, n.Data.Note = change.Fields, change.Note
		return n
	}
	ofSale := func(field string) bool { return field == "lobby_at" || field == "drop_at" || field == "closes_at" }
	if change.Note != "" || slices.ContainsFunc(change.Fields, func(f string) bool { return !ofSale(f) }) {
		tell := func(concerned []checkout.Contact) error {
			notices := make([]notify.Notice, len(concerned))
			for i, c := range concerned {
				notices[i] = notice(TicketNotice(c, notify.EventChanged, ""))
			}
			return post(notices)
		}
		var after ropeline.OrderID
		for {
			concerned, err := w.checkout.Concerned(ctx, e.Event, after, holdersAtOnce)
			if err != nil {
				return err
			}
			if len(concerned) == 0 {
				break
			}
			if err := tell(concerned); err != nil {
				return err
			}
			after = concerned[len(concerned)-1].Order
		}
		if err := w.toGiven(ctx, e.Event, true, tell); err != nil {
			return err
		}
	}
	var after ropeline.FanID
	for {
		alerts, err := w.options.Letters.Notify.Alerts(ctx, e.Event, after, holdersAtOnce)
		if err != nil {
			return ropeline.Unavailable(err)
		}
		if len(alerts) == 0 {
			return nil
		}
		notices := make([]notify.Notice, len(alerts))
		for i, a := range alerts {
			notices[i], after = notice(notify.Notice{Channel: a.Channel, To: a.To, Event: e.Event, Subject: string(a.Fan), Data: notify.Data{Fan: a.Fan}}), a.Fan
		}
		if err := post(notices); err != nil {
			return err
		}
	}
}
