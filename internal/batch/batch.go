// Package batch gathers single requests into one call: the way joins and
// mailbox pushes share a round trip to Redis.
//
// A batch leaves when nobody joined it for a few turns of the scheduler, when
// it is full, or after Wait, so a lone request pays microseconds and a stream
// of them shares the call. While a call has its time alone, or its pace, or as
// many calls as allowed are under way, the next batch fills, so under load
// batches grow by themselves. A call that fails fails all its requests alike; a request whose
// context ends stops waiting, but its effect may still come.
package batch

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"
)

// ErrClosed is returned to requests that come after Run has ended.
var ErrClosed = errors.New("batch: closed")

// Options bound a batch.
type Options struct {
	Size    int           // most requests in one call
	Wait    time.Duration // longest wait for company
	Calls   int           // calls under way at once
	Alone   time.Duration // a call has for itself before another one begins, unless that is full; 0: none
	Timeout time.Duration // of one call

	// Pace is the time between the beginnings of two calls, so that the second
	// one gathers more; nil: none.
	Pace func() time.Duration
}

// Steady is always the same Pace.
func Steady(pace time.Duration) func() time.Duration {
	return func() time.Duration { return pace }
}

// Result is the answer to one request of a batch.
type Result[R any] struct {
	Value R
	Err   error
}

// Batcher gathers requests of type Q and answers each with an R.
type Batcher[Q, R any] struct {
	options Options
	call    func(context.Context, []Q) []Result[R]
	waiters sync.Pool // of chan Result[R], empty

	mu        sync.Mutex
	pending   []request[Q, R] // in the order in which they came
	calls     int             // goroutines that gather or call
	gathering bool            // one of them gathers
	begun     time.Time       // when the last call began, see Options.Pace
	ctx       context.Context // of the calls; nil while Run does not run
	ended     bool
	late      *time.Timer // since the last call began, see Options.Alone
	crowded   bool        // it has fired: another call may begin beside
	running   sync.WaitGroup
}

type request[Q, R any] struct {
	question Q
	answer   chan Result[R]
}

// New makes a batcher around call, which gets 1…Size questions and returns
// as many results in the same order. It works while Run does.
func New[Q, R any](o Options, call func(context.Context, []Q) []Result[R]) *Batcher[Q, R] {
	return &Batcher[Q, R]{options: o, call: call,
		waiters: sync.Pool{New: func() any { return make(chan Result[R], 1) }}}
}

// Open makes a batcher that works at once and without Run, for a room that
// nobody runs: it has no goroutine while nobody asks.
func Open[Q, R any](o Options, call func(context.Context, []Q) []Result[R]) *Batcher[Q, R] {
	b := New(o, call)
	b.ctx = context.Background()
	return b
}

// Do hands one question in and waits for its result. With a context that cannot
// end, as context.WithoutCancel makes them, waiting costs least.
func (b *Batcher[Q, R]) Do(ctx context.Context, question Q) (R, error) {
	answer := b.waiters.Get().(chan Result[R])
	b.mu.Lock()
	if b.ended {
		b.mu.Unlock()
		var none R
		return none, ErrClosed
	}
	b.pending = append(b.pending, request[Q, R]{question, answer})
	b.lead()
	b.mu.Unlock()
	if ended := ctx.Done(); ended != nil {
		select {
		case result := <-answer:
			b.waiters.Put(answer)
			return result.Value, result.Err
		case <-ended: // the answer will come to nobody
			var none R
			return none, ctx.Err()
		}
	}
	result := <-answer
	b.waiters.Put(answer)
	return result.Value, result.Err
}

// Run lets calls begin until ctx ends; it returns when every call has.
// Requests that were not sent by then fail.
func (b *Batcher[Q, R]) Run(ctx context.Context) error {
	b.mu.Lock()
	b.ctx = context.WithoutCancel(ctx)
	b.lead()
	b.mu.Unlock()
	<-ctx.Done()
	b.mu.Lock()
	b.ended = true
	rest := b.pending
	b.pending = nil
	if b.late != nil {
		b.late.Stop()
	}
	b.mu.Unlock()
	for _, r := range rest {
		r.answer <- Result[R]{Err: ErrClosed}
	}
	b.running.Wait()
	return nil
}

// lead lets somebody gather what is pending, if somebody may. Needs the lock.
func (b *Batcher[Q, R]) lead() {
	if b.ctx == nil || b.ended || b.gathering || len(b.pending) == 0 || b.calls >= b.options.Calls {
		return
	}
	if b.calls > 0 && b.options.Alone > 0 && !b.crowded && len(b.pending) < b.options.Size {
		return
	}
	b.calls++
	b.gathering = true
	b.running.Go(b.work)
}

// work gathers and calls for as long as requests come while it calls.
func (b *Batcher[Q, R]) work() {
	var requests []request[Q, R]
	var questions []Q
	for {
		b.gather()
		b.mu.Lock()
		n := min(len(b.pending), b.options.Size)
		requests = append(requests[:0], b.pending[:n]...)
		left := copy(b.pending, b.pending[n:])
		clear(b.pending[left:])
		b.pending = b.pending[:left]
		b.gathering = false
		b.begun = time.Now()
		if b.options.Alone > 0 {
			b.crowded = false
			b.wait()
		}
		b.lead()
		b.mu.Unlock()

		questions = questions[:0]
		for i := range requests {
			questions = append(questions, requests[i].question)
		}
		b.answer(requests, questions)
		clear(requests)
		clear(questions)

		b.mu.Lock()
		if b.ended || b.gathering || len(b.pending) == 0 {
			b.calls--
			b.mu.Unlock()
			return
		}
		b.gathering = true
		b.mu.Unlock()
	}
}

// wait lets another call begin beside the one that begins now, when that has had
// its time alone. Needs the lock.
func (b *Batcher[Q, R]) wait() {
	if b.late != nil {
		b.late.Reset(b.options.Alone)
		return
	}
	b.late = time.AfterFunc(b.options.Alone, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.crowded = true
		b.lead()
	})
}

// patience is how many times in a row a batch lets the other goroutines run
// without anybody joining it before it leaves.
const patience = 4

// gather waits for company: for the pace, where a call has begun just now, and
// then for as long as somebody comes.
func (b *Batcher[Q, R]) gather() {
	if b.options.Pace != nil {
		b.mu.Lock()
		begun := b.begun
		b.mu.Unlock()
		time.Sleep(b.options.Pace() - time.Since(begun))
	}
	begun := time.Now()
	for alone, before := 0, 0; alone < patience; alone++ {
		runtime.Gosched()
		b.mu.Lock()
		n := len(b.pending)
		b.mu.Unlock()
		if n >= b.options.Size || time.Since(begun) > b.options.Wait {
			return
		}
		if n > before {
			alone, before = -1, n
		}
	}
}

func (b *Batcher[Q, R]) answer(requests []request[Q, R], questions []Q) {
	if len(requests) == 0 { // the end came first
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, b.options.Timeout)
	defer cancel()
	for i, result := range b.call(ctx, questions) {
		requests[i].answer <- result
	}
}

// Fail is a result of n times the same error.
func Fail[R any](n int, err error) []Result[R] {
	results := make([]Result[R], n)
	for i := range results {
		results[i].Err = err
	}
	return results
}
