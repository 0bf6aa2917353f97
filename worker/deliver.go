package worker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/ropeline/ropeline/checkout/payment/sandbox"
)

const (
	deliveryPause = 100 * time.Millisecond
	deliveryTime  = 5 * time.Second // for one post
	deliveries    = 16              // posts under way at once
	mostBundled   = 64              // webhooks in one post
)

// deliver posts the sandbox's due webhooks, as a gateway outside would: what
// is not taken with a 2xx comes again, later and later. Those that are due at
// the same moment share a post; one that was refused comes alone, so that none
// keeps the others from being taken. It takes no more than may be under way,
// and does not wait for the answers.
func (w *Worker) deliver(ctx context.Context) (found int, err error) {
	return w.deliverFrom(ctx, func(limit int) ([]sandbox.Delivery, error) { return w.options.Sandbox.Claim(ctx, limit) })
}

// deliverHanded is deliver for the webhooks that this process has made due.
func (w *Worker) deliverHanded(ctx context.Context) (found int, err error) {
	return w.deliverFrom(ctx, func(limit int) ([]sandbox.Delivery, error) { return w.options.Sandbox.TakeHanded(limit), nil })
}

func (w *Worker) deliverFrom(ctx context.Context, take func(limit int) ([]sandbox.Delivery, error)) (found int, err error) {
	if w.options.Sandbox == nil || w.options.PublicURL == "" {
		return 0, nil
	}
	for {
		free := cap(w.posts) - len(w.posts)
		if free < deliveries/4 {
			return found, nil // whoever ends hurries the next run
		}
		due, err := take((free / 2) * mostBundled)
		if err != nil {
			return found, err
		}
		first := due[:0:0]
		for _, d := range due {
			if d.Attempts > 1 {
				w.deliverSoon(ctx, []sandbox.Delivery{d})
			} else {
				first = append(first, d)
			}
		}
		for some := range slices.Chunk(first, mostBundled) {
			w.deliverSoon(ctx, some)
		}
		found += len(due)
		if len(due) < (free/2)*mostBundled {
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

// deliverSoon posts them when a post may be under way, and does not wait for
// the answer.
func (w *Worker) deliverSoon(ctx context.Context, some []sandbox.Delivery) {
	w.posts <- struct{}{}
	w.posting.Go(func() {
		w.deliverBundle(context.WithoutCancel(ctx), some)
		<-w.posts
		w.options.Sandbox.Hurry()
	})
}

func (w *Worker) deliverBundle(ctx context.Context, some []sandbox.Delivery) {
	seqs := make([]int64, len(some))
	for i, d := range some {
		seqs[i] = d.Seq
	}
	err := w.post(ctx, sandbox.Bundle(some))
	if err == nil {
		err = w.options.Sandbox.Delivered(ctx, seqs...)
	} else {
		w.log.DebugContext(ctx, "webhooks not taken", "seqs", seqs, "err", err)
		err = w.options.Sandbox.Refused(ctx, seqs...)
	}
	if err != nil {
		w.log.WarnContext(ctx, "webhooks come once more than they must", "seqs", seqs, "err", err)
	}
}

func (w *Worker) post(ctx context.Context, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.options.PublicURL+"/payments/webhook", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(sandbox.SignatureHeader, w.options.Sandbox.Sign(body, time.Now()))
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
