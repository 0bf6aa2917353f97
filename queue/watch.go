package queue

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ropeline/ropeline"
)

const (
	refreshEvery = time.Second
	feedBlock    = 400 * time.Millisecond
	feedCount    = 100
	backoffLeast = 50 * time.Millisecond
	backoffMost  = 2 * time.Second

	// catchUpEvery bounds how often those who ask for newer news than a node has
	// can make it read the line.
	catchUpEvery = 100 * time.Millisecond
)

// Watch follows one line for one node: a snapshot each second, and the feed as
// it comes. When Redis fails it goes on with what it has, tries again with
// growing, jittered pauses, and resumes the feed where it was; a part of the
// feed that is gone by then, or a new epoch, is told as one KindResync entry
// after a fresh snapshot was taken. The first snapshot is the feed reader's.
type Watch struct {
	line    *Line
	event   ropeline.EventID
	handler func(FeedEntry)

	snapshot atomic.Pointer[Snapshot]
	pace     pace
	refresh  sync.Mutex // one at a time, so that snapshots never go back
	begun    time.Time  // when the last one was asked for; under refresh
}

// NewWatch makes a watch; handler is called from one goroutine of Run, in
// order, and holds the feed up while it works. The first entry is a resync:
// from then on there is a snapshot.
func NewWatch(l *Line, event ropeline.EventID, handler func(FeedEntry)) *Watch {
	return &Watch{line: l, event: event, handler: handler}
}

// Snapshot is the latest one; nil until the first has come.
func (w *Watch) Snapshot() *Snapshot { return w.snapshot.Load() }

// Pace is how many fans were admitted per minute over the last two minutes;
// not known before ten seconds of watching, and anew after an epoch began.
func (w *Watch) Pace() (perMinute float64, known bool) { return w.pace.perMinute() }

// PaceBounds are the slowest and the fastest that the line moved lately, in
// fans per minute; known as Pace is.
func (w *Watch) PaceBounds() (slow, fast float64, known bool) { return w.pace.bounds() }

// ForgetPace starts measuring anew, e.g. when the rules have changed.
func (w *Watch) ForgetPace() { w.pace.forget() }

// CatchUp waits until the snapshot is no older than a feed offset that somebody
// was told, maybe by another node. It reads the line when it must, ten times a
// second at the most whoever asks. An offset that no line has reached is not
// waited for: then the snapshot is as new as the call.
func (w *Watch) CatchUp(ctx context.Context, offset string) {
	if s := w.Snapshot(); s == nil || !s.Before(offset) {
		return
	}
	came := time.Now()
	w.refresh.Lock()
	defer w.refresh.Unlock()
	if w.begun.After(came) || !w.Snapshot().Before(offset) {
		return
	}
	if !pause(ctx, catchUpEvery-time.Since(w.begun)) {
		return
	}
	if err := w.takeLocked(ctx); err != nil && ctx.Err() == nil {
		w.line.log.WarnContext(ctx, "catch up with the line", "event", w.event, "err", err)
	}
}

// Run watches until ctx ends; that may take the 400 ms of one feed read.
func (w *Watch) Run(ctx context.Context) error {
	var both sync.WaitGroup
	both.Go(func() { w.refreshLoop(ctx) })
	both.Go(func() { w.readLoop(ctx) })
	both.Wait()
	return nil
}

func (w *Watch) refreshLoop(ctx context.Context) {
	if !pause(ctx, rand.N(refreshEvery)) { // many watches do not ask at the same moment
		return
	}
	ticker := time.NewTicker(refreshEvery)
	defer ticker.Stop()
	for {
		if err := w.take(ctx); err != nil && ctx.Err() == nil {
			w.line.log.WarnContext(ctx, "refresh the line", "event", w.event, "err", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// take stores a new snapshot.
func (w *Watch) take(ctx context.Context) error {
	w.refresh.Lock()
	defer w.refresh.Unlock()
	return w.takeLocked(ctx)
}

func (w *Watch) takeLocked(ctx context.Context) error {
	w.begun = time.Now()
	s, err := w.line.Snapshot(ctx, w.event)
	if err != nil {
		return err
	}
	w.snapshot.Store(s)
	w.pace.observe(s)
	return nil
}

// readLoop reads the feed on a connection of its own: a blocked read would
// keep one of the pool's from everybody else.
func (w *Watch) readLoop(ctx context.Context) {
	client := ownClient(w.line.redis.Read)
	defer client.Close()
	wait := backoffLeast
	last := ""
	for ctx.Err() == nil {
		next, err := w.read(ctx, client, last)
		last = next
		if err == nil {
			wait = backoffLeast
			continue
		}
		if ctx.Err() == nil {
			w.line.log.WarnContext(ctx, "read the feed", "event", w.event, "err", err)
		}
		pause(ctx, wait/2+rand.N(wait/2))
		wait = min(2*wait, backoffMost)
	}
}

// read handles what comes after last, and returns the new last.
func (w *Watch) read(ctx context.Context, client redis.UniversalClient, last string) (string, error) {
	if last == "" {
		return w.resync(ctx)
	}
	bounded, cancel := context.WithTimeout(ctx, feedBlock+time.Second)
	defer cancel()
	streams, err := client.XRead(bounded, &redis.XReadArgs{
		Streams: []string{KeysOf(w.event).Feed, last},
		Count:   feedCount,
		Block:   feedBlock,
	}).Result()
	if errors.Is(err, redis.Nil) {
		return last, nil
	}
	if err != nil {
		return last, err
	}
	for _, stream := range streams {
		for _, message := range stream.Messages {
			entry, err := parseEntry(message)
			if err != nil {
				w.line.log.ErrorContext(ctx, "a feed entry cannot be read", "event", w.event, "err", err)
			}
			if err != nil || entry.Kind == KindResync || !follows(last, message.ID) {
				return w.resync(ctx)
			}
			w.handler(entry)
			last = message.ID
		}
	}
	return last, nil
}

// resync takes a snapshot, tells the handler, and goes on after the snapshot:
// all that the feed says before it is in it.
func (w *Watch) resync(ctx context.Context) (string, error) {
	if err := w.take(ctx); err != nil {
		return "", err
	}
	s := w.Snapshot()
	w.handler(FeedEntry{ID: s.Offset, Kind: KindResync, At: s.TakenAt})
	return s.Offset, nil
}

// ownClient makes a client of one connection to where another one connects.
func ownClient(of redis.UniversalClient) redis.UniversalClient {
	switch c := of.(type) {
	case *redis.Client:
		o := *c.Options()
		o.PoolSize = 1
		return redis.NewClient(&o)
	case *redis.ClusterClient:
		o := *c.Options()
		o.PoolSize = 1
		return redis.NewClusterClient(&o)
	}
	panic("queue: a Redis client of an unknown kind")
}

// pause waits, or returns false when ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
