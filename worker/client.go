package worker

import (
	"context"
	"errors"
	"fmt"
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

// The kinds of tasks; a payload is the plain id.
const (
	taskClerk     = "clerk"
	taskRefund    = "refund"
	taskReconcile = "reconcile" // payload: the scope
	taskLetter    = "letter"    // payload: id, a space, the lease
)

// taskPayment is what metrics call a payment's duty; it is no task of asynq.
const taskPayment = "payment"

// turn is the longest a clerk serves before it makes room for a successor.
const turn = 10 * time.Minute

// sameTask is how long an enqueued refund is not enqueued again. A task of a
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
