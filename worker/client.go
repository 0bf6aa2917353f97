package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hibiken/asynq"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/checkout"
	"github.com/ropeline/ropeline/internal/redisdb"
	"github.com/ropeline/ropeline/notify"
)

// The queues, a fixed set.
const (
	queueClerk    = "clerk"
	queuePayments = "payments"
	queueLetters  = "letters"
)

// The kinds of tasks. A payload is the plain id, of payments several with
// spaces between.
const (
	taskClerk     = "clerk"
	taskPayment   = "payment"
	taskRefund    = "refund"
	taskReconcile = "reconcile" // payload: the scope
	taskLetter    = "letter"    // payload: id, a space, the lease
)

// turn is the longest a clerk serves before it makes room for a successor.
const turn = 10 * time.Minute

// sameTask is how long an enqueued payment is not enqueued again. A task of a
// worker that died stays with asynq for a while and blocks its own id, so ids
// change with the time.
const sameTask = 10 * time.Second

// Client enqueues tasks; every node that pushes requests needs one, to wake
// clerks. It is safe for concurrent use.
type Client struct {
	asynq     *asynq.Client
	inspector *asynq.Inspector
}

// NewClient connects asynq to the house's Redis.
func NewClient(r *redisdb.Clients) *Client {
	return &Client{asynq: asynq.NewClient(r.Asynq()), inspector: asynq.NewInspector(r.Asynq())}
}

// Inspector looks into the queues, for operators; it is the client's to close.
func (c *Client) Inspector() *asynq.Inspector { return c.inspector }

// Close ends the connections.
func (c *Client) Close() error { return errors.Join(c.asynq.Close(), c.inspector.Close()) }

// Wake asks for a clerk for an event; it fits checkout.Options.Wake.
func (c *Client) Wake(ctx context.Context, event ropeline.EventID, generation int64) error {
	return c.enqueue(ctx, asynq.NewTask(taskClerk, []byte(event)), queueClerk, fmt.Sprintf("clerk:%s:%d", event, generation), turn)
}

// paymentsAtOnce is how many payments share a task: asynq costs a worker more
// than a payment's own work does.
const paymentsAtOnce = 32

// payments enqueues the duties of payments; those that failed to be are found
// by the sweep.
func (c *Client) payments(ctx context.Context, ids []ropeline.PaymentID) error {
	for some := range slices.Chunk(ids, paymentsAtOnce) {
		names := make([]string, len(some))
		for i, id := range some {
			names[i] = string(id)
		}
		payload := strings.Join(names, " ")
		name := payload
		if len(some) > 1 {
			sum := sha256.Sum256([]byte(payload))
			name = hex.EncodeToString(sum[:16])
		}
		if err := c.enqueue(ctx, asynq.NewTask(taskPayment, []byte(payload)), queuePayments, sometimes("payment", name), time.Minute); err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) refund(ctx context.Context, id ropeline.RefundID) error {
	return c.enqueue(ctx, asynq.NewTask(taskRefund, []byte(id)), queuePayments, sometimes("refund", string(id)), time.Minute)
}

func (c *Client) reconcile(ctx context.Context, scope checkout.Scope) error {
	return c.enqueue(ctx, asynq.NewTask(taskReconcile, []byte(scope)), queuePayments, sometimes(taskReconcile, string(scope)), reconcileTime)
}

func (c *Client) letter(ctx context.Context, r notify.Released) error {
	name := fmt.Sprintf("%s %d", r.ID, r.Lease)
	return c.enqueue(ctx, asynq.NewTask(taskLetter, []byte(name)), queueLetters, "letter:"+name, time.Minute)
}

func sometimes(kind, id string) string {
	return fmt.Sprintf("%s:%s:%d", kind, id, time.Now().Unix()/int64(sameTask/time.Second))
}

// enqueue hands a task over. One with the same id that is there already does
// the same work, so that is no error.
func (c *Client) enqueue(ctx context.Context, task *asynq.Task, queue, id string, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	_, err := c.asynq.EnqueueContext(ctx, task, asynq.Queue(queue), asynq.TaskID(id), asynq.MaxRetry(0), asynq.Timeout(timeout))
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil
	}
	return err
}
