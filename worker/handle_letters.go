package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ropeline/ropeline/notify"
)

const letterPause = 250 * time.Millisecond

// releaseLetters enqueues the messages that the pace lets go now. One that is
// not enqueued is let go again when its lease ends.
func (w *Worker) releaseLetters(ctx context.Context) (sent int, err error) {
	if w.options.Letters.Notify == nil {
		return 0, nil
	}
	var errs []error
	for _, channel := range []notify.Channel{notify.Email, notify.SMS} {
		released, err := w.options.Letters.Notify.Release(ctx, channel)
		errs = append(errs, err)
		for _, r := range released {
			if err := w.client.letter(ctx, r); err != nil {
				errs = append(errs, err)
				break // the others would fail as slowly
			}
			sent++
		}
	}
	return sent, errors.Join(errs...)
}

// letter delivers one message.
func (w *Worker) letter(ctx context.Context, payload string) (again bool, err error) {
	var r notify.Released
	if _, err := fmt.Sscanf(payload, "%s %d", &r.ID, &r.Lease); err != nil || w.options.Letters.Notify == nil {
		return false, fmt.Errorf("no letter can be delivered for %q", payload)
	}
	outcome, err := w.options.Letters.Notify.Deliver(ctx, r)
	switch {
	case err != nil:
		w.log.WarnContext(ctx, "what became of a message is not written down, it is sent again", "id", r.ID, "err", err)
	case outcome.State == notify.StateFailed, outcome.State == notify.StateDead:
		err = fmt.Errorf("the message is %s", outcome.State)
	}
	return outcome.Attempts > 1, err
}
