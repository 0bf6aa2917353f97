package worker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/ropeline/ropeline/checkout/payment/sandbox"
	"github.com/ropeline/ropeline/internal/batch"
)

const (
	deliveryPause = 100 * time.Millisecond
	deliveryTime  = 5 * time.Second // for one webhook
	deliveries    = 128             // under way at once
)

// deliver posts the sandbox's due webhooks, as a gateway outside would: what
// is not taken with a 2xx comes again, later and later. It takes no more than
// may be under way, and does not wait for their answers.
func (w *Worker) deliver(ctx context.Context) (found int, err error) {
	if w.options.Sandbox == nil || w.options.PublicURL == "" {
		return 0, nil
	}
	for {
		free := cap(w.posts) - len(w.posts)
		if free < deliveries/4 {
			return found, nil // whoever ends hurries the next run
		}
		due, err := w.options.Sandbox.Claim(ctx, free)
		if err != nil {
			return found, err
		}
		for _, d := range due {
			w.posts <- struct{}{}
			w.posting.Go(func() {
				w.deliverOne(context.WithoutCancel(ctx), d)
				<-w.posts
				w.options.Sandbox.Hurry()
			})
		}
		found += len(due)
		if len(due) < free {
			return found, nil
		}
	}
}

// webhooksDue hurries the delivery.
func (w *Worker) webhooksDue() <-chan struct{} {
	if w.options.Sandbox == nil {
		return nil
	}
	return w.options.Sandbox.Due()
}

func (w *Worker) deliverOne(ctx context.Context, d sandbox.Delivery) {
	err := w.post(ctx, d)
	if err == nil {
		_, err = w.delivered.Do(ctx, d.Seq)
	} else {
		w.log.DebugContext(ctx, "webhook not taken", "seq", d.Seq, "err", err)
		err = w.options.Sandbox.Refused(ctx, d.Seq)
	}
	if err != nil {
		w.log.WarnContext(ctx, "a webhook comes once more than it must", "seq", d.Seq, "err", err)
	}
}

// noteDelivered is a batcher's call: one statement for the webhooks that were
// taken at the same time.
func (w *Worker) noteDelivered(ctx context.Context, seqs []int64) []batch.Result[struct{}] {
	if err := w.options.Sandbox.Delivered(ctx, seqs...); err != nil {
		return batch.Fail[struct{}](len(seqs), err)
	}
	return make([]batch.Result[struct{}], len(seqs))
}

func (w *Worker) post(ctx context.Context, d sandbox.Delivery) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.options.PublicURL+"/payments/webhook", bytes.NewReader(d.Body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(sandbox.SignatureHeader, w.options.Sandbox.Sign(d.Body, time.Now()))
	response, err := w.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	io.Copy(io.Discard, io.LimitReader(response.Body, 4096)) // so that the connection is used again
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}
