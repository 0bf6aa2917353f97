// Package batch gathers single requests into one call: the way joins and
// mailbox pushes share a round trip to Redis.
//
// A batch leaves when nobody joined it for a few turns of the scheduler, when
// it is full, or after Wait, so a lone request pays microseconds and a stream
// of them shares the call. While as many calls as allowed are under way the
// next batch fills, so under load batches grow by themselves. A call that fails fails all its requests alike; a request whose
// context ends stops waiting, but its effect may still come.
package batch

import (
	"context"
	"errors"
	"runtime"
	"time"
)

// ErrClosed is returned to requests that come after Run has ended.
var ErrClosed = errors.New("batch: closed")

// Options bound a batch.
type Options struct {
	Size    int           // most requests in one call
	Wait    time.Duration // longest wait for company
	Calls   int           // calls under way at once
	Timeout time.Duration // of one call
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
	inbox   chan request[Q, R]
	done    chan struct{}
}

type request[Q, R any] struct {
	question Q
	answer   chan Result[R]
}

// New makes a batcher around call, which gets 1…Size questions and returns
// as many results in the same order. It works while Run does.
func New[Q, R any](o Options, call func(context.Context, []Q) []Result[R]) *Batcher[Q, R] {
	return &Batcher[Q, R]{
		options: o,
		call:    call,
		inbox:   make(chan request[Q, R], o.Size),
		done:    make(chan struct{}),
	}
}

// Do hands one question in and waits for its result.
func (b *Batcher[Q, R]) Do(ctx context.Context, question Q) (R, error) {
	var none R
	r := request[Q, R]{question: question, answer: make(chan Result[R], 1)}
	select {
	case b.inbox <- r:
	case <-ctx.Done():
		return none, ctx.Err()
	case <-b.done:
		return none, ErrClosed
	}
	select {
	case result := <-r.answer:
		return result.Value, result.Err
	case <-ctx.Done():
		return none, ctx.Err()
	case <-b.done:
		select {
		case result := <-r.answer:
			return result.Value, result.Err
		default:
			return none, ErrClosed
		}
	}
}

// Run gathers and calls until ctx ends; it returns when every call has.
func (b *Batcher[Q, R]) Run(ctx context.Context) error {
	defer close(b.done)
	free := make(chan struct{}, b.options.Calls)
	for {
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return b.drain(free)
		}
		requests := b.gather(ctx)
		if len(requests) == 0 {
			<-free
			return b.drain(free)
		}
		go func() {
			defer func() { <-free }()
			b.answer(context.WithoutCancel(ctx), requests)
		}()
	}
}

// patience is how many times in a row a batch lets the other goroutines run
// without anybody joining it before it leaves.
const patience = 4

// gather waits for a first request and then for company; empty when ctx ends.
func (b *Batcher[Q, R]) gather(ctx context.Context) []request[Q, R] {
	requests := make([]request[Q, R], 0, 16)
	select {
	case r := <-b.inbox:
		requests = append(requests, r)
	case <-ctx.Done():
		return nil
	}
	begun := time.Now()
	for alone := 0; alone < patience && len(requests) < b.options.Size; {
		select {
		case r := <-b.inbox:
			requests = append(requests, r)
			alone = 0
		default:
			if time.Since(begun) > b.options.Wait {
				return requests
			}
			alone++
			runtime.Gosched()
		}
	}
	return requests
}

func (b *Batcher[Q, R]) answer(ctx context.Context, requests []request[Q, R]) {
	ctx, cancel := context.WithTimeout(ctx, b.options.Timeout)
	defer cancel()
	questions := make([]Q, len(requests))
	for i, r := range requests {
		questions[i] = r.question
	}
	for i, result := range b.call(ctx, questions) {
		requests[i].answer <- result
	}
}

// drain waits for the calls under way.
func (b *Batcher[Q, R]) drain(free chan struct{}) error {
	for range cap(free) {
		free <- struct{}{}
	}
	return nil
}

// Fail is a result of n times the same error.
func Fail[R any](n int, err error) []Result[R] {
	results := make([]Result[R], n)
	for i := range results {
		results[i].Err = err
	}
	return results
}
