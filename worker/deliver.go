package worker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ropeline/ropeline/checkout/payment/sandbox"
)

const (
	deliveryPause = 100 * time.Millisecond
	deliveryBatch = 64
	deliveryTime  = 5 * time.Second // for one webhook
	deliveries    = 16              // under way at once
)

// deliver posts the sandbox's due webhooks, as a gateway outside would: what
// is not taken with a 2xx comes again, later and later.
func (w *Worker) deliver(ctx context.Context) (int, error) {
	if w.options.Sandbox == nil || w.options.PublicURL == "" {
		return 0, nil
	}
	due, err := w.options.Sandbox.Claim(ctx, deliveryBatch)
	if err != nil {
		return 0, err
	}
	var g errgroup.Group
	g.SetLimit(deliveries)
	for _, d := range due {
		g.Go(func() error {
			if err := w.post(ctx, d); err != nil {
				w.log.DebugContext(ctx, "webhook not taken", "seq", d.Seq, "err", err)
				return w.options.Sandbox.Refused(ctx, d.Seq)
			}
			return w.options.Sandbox.Delivered(ctx, d.Seq)
		})
	}
	return len(due), g.Wait()
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
