package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ropeline/ropeline/checkout/payment/sandbox"
)

const (
	deliveryPause = 100 * time.Millisecond
	deliveryBatch = 128
	deliveryTime  = 5 * time.Second // for one webhook
	deliveries    = 64              // under way at once
)

// deliver posts the sandbox's due webhooks, as a gateway outside would: what
// is not taken with a 2xx comes again, later and later.
func (w *Worker) deliver(ctx context.Context) (found int, err error) {
	if w.options.Sandbox == nil || w.options.PublicURL == "" {
		return 0, nil
	}
	for {
		due, err := w.options.Sandbox.Claim(ctx, deliveryBatch)
		if err == nil {
			err = w.deliverAll(ctx, due)
		}
		found += len(due)
		if err != nil || len(due) < deliveryBatch {
			return found, err
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

func (w *Worker) deliverAll(ctx context.Context, due []sandbox.Delivery) error {
	var g errgroup.Group
	g.SetLimit(deliveries)
	taken := make([]bool, len(due))
	for i, d := range due {
		g.Go(func() error {
			if err := w.post(ctx, d); err != nil {
				w.log.DebugContext(ctx, "webhook not taken", "seq", d.Seq, "err", err)
				return w.options.Sandbox.Refused(ctx, d.Seq)
			}
			taken[i] = true
			return nil
		})
	}
	err := g.Wait()
	var seqs []int64
	for i, d := range due {
		if taken[i] {
			seqs = append(seqs, d.Seq)
		}
	}
	if len(seqs) == 0 {
		return err
	}
	return errors.Join(err, w.options.Sandbox.Delivered(ctx, seqs...))
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
