package checkout

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// Batch tells what a clerk has committed, to whom it concerns.
type Batch struct {
	Event    ropeline.EventID
	Version  int64 // rises with each batch of the event
	Left     int64 // tickets that nobody holds or owns
	Requests int   // letters answered
	Holding  []ropeline.FanID
	Ended    []ropeline.FanID // fans whose hold has ended without a sale
	Owed     []ropeline.PaymentID
	Taken    []Taken // those of Owed whose duty is the caller's already, see ServeAndTake
}

// linger is how long a clerk waits for letters before it closes.
const linger = 300 * time.Millisecond

// service is one clerk's turn at one event.
type service struct {
	*Checkout
	event  ropeline.EventID
	token  string
	fence  int64
	report func(Batch)
	takes  func() bool // may be nil, see ServeAndTake
	looked bool        // at what it is owed in Postgres, and there was no more
	more   bool        // there was more than one batch could take, and it needs no letter
	late   *ledger     // only where a test has taken the fence away

	homeless bool // the event has no sale
}

// Serve is the clerk: it takes the event's lease, serves until the mailbox has
// been empty for a moment, and closes. Somebody else serving is no error. When
// ctx ends it finishes its batch, gives the lease back and wakes a successor.
// report (may be nil) is called after each commit and must be quick.
func (c *Checkout) Serve(ctx context.Context, event ropeline.EventID, report func(Batch)) error {
	return c.ServeAndTake(ctx, event, report, nil)
}

// ServeAndTake is Serve for somebody who performs what payments are owed: while
// takes says so, the report hands the captures over that the clerk decides on.
// One that is not performed is due again after a grip's time: until then the
// payment of an accepted order is left alone, although it is owed to the clerk
// still.
func (c *Checkout) ServeAndTake(ctx context.Context, event ropeline.EventID, report func(Batch), takes func() bool) error {
	s := &service{Checkout: c, event: event, token: rand.Text(), report: report, takes: takes}
	held, err := c.mailbox.lease(ctx, event, s.token, true)
	if err != nil || !held {
		return err
	}
	ctx, lost := context.WithCancel(ctx)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		s.renew(ctx, lost)
	}()
	err = s.serve(ctx)
	// The order of the end: no renewal any more, then the lease, then the
	// wake-up of the next clerk, if letters are left. After a failure the sweep
	// wakes it, a moment later: it would fail the same way now.
	lost()
	<-renewed
	s.leave(context.WithoutCancel(ctx), err == nil)
	if errors.Is(err, errFenced) {
		c.log.InfoContext(ctx, "clerk gives way to another", "event", event)
		return nil
	}
	return err
}

// renew keeps the lease while a batch takes its time.
func (s *service) renew(ctx context.Context, lost context.CancelFunc) {
	ticker := time.NewTicker(leaseTime / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if held, err := s.mailbox.lease(ctx, s.event, s.token, false); err == nil && !held {
			lost()
			return
		}
	}
}

func (s *service) leave(ctx context.Context, wake bool) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, generation, err := s.mailbox.close(ctx, s.event, s.token, true)
	if err != nil {
		s.log.WarnContext(ctx, "lease not given back, it ends by itself", "event", s.event, "err", err)
	}
	if wake {
		s.wake(ctx, s.event, generation)
	}
}

func (s *service) serve(ctx context.Context) error {
	defer s.rounds.join(s.event)()
	var err error
	if s.fence, err = s.raiseFence(ctx); err != nil && !errors.Is(err, errNoSale) {
		return err
	}
	s.homeless = err != nil
	var told <-chan struct{}
	defer func() {
		// Before the clerk is gone: whoever stops this process closes Redis next.
		if told != nil {
			<-told
		}
	}()
	var decided []envelope
	limit, busy := batchSize, time.Now()
	for {
		if ctx.Err() != nil {
			limit, s.more = 0, false // what is decided is trimmed, and nothing more is read
		}
		v, err := s.rounds.visit(trimming{event: s.event, token: s.token, decided: decided, next: limit}, s.turn)
		if err != nil {
			return err
		}
		if !v.held || limit == 0 {
			return nil
		}
		letters := v.letters
		decided = letters
		if v.turn == nil {
			if len(letters) > 0 {
				s.log.WarnContext(ctx, "letters for an event without a sale dropped", "event", s.event, "letters", len(letters))
			} else if stop, err := s.idle(ctx, busy); stop || err != nil {
				return err
			}
			continue
		}
		busy, told = time.Now(), v.told
		switch err = s.finish(ctx, v.turn, v.err); {
		case err == nil:
			limit = batchSize
		case spoiled(err) && len(letters) > 1:
			// One letter spoils the batch: take half, until it is alone.
			limit, decided = len(letters)/2, nil
		case spoiled(err) && len(letters) == 1:
			s.log.ErrorContext(ctx, "letter dropped: Postgres refuses what it leads to", "event", s.event, "letter", letters[0].id, "err", err)
			limit = batchSize
		default:
			return err
		}
	}
}

// idle waits for letters with growing patience; after linger it closes, if the
// mailbox is still empty then.
func (s *service) idle(ctx context.Context, busy time.Time) (stop bool, err error) {
	quiet := time.Since(busy)
	if quiet >= linger {
		closed, _, err := s.mailbox.close(ctx, s.event, s.token, false)
		return closed, err
	}
	s.rounds.nap(ctx, s.event, min(max(quiet/8, time.Millisecond), 10*time.Millisecond))
	return false, nil
}

// raiseFence makes this clerk the newest: whoever served before is refused by
// its next batch.
func (s *service) raiseFence(ctx context.Context) (fence int64, err error) {
	err = s.pool.QueryRow(ctx, "update sales set fence = fence + 1 where event_id = $1 returning fence", s.event).Scan(&fence)
	if errors.Is(err, pgx.ErrNoRows) {
		err = errNoSale
	}
	return fence, err
}

// turn makes a batch of letters and of what is due; nil when there is neither,
// or no sale. Letters that it has put in itself (puts, may be nil) need no parsing.
func (s *service) turn(envelopes []envelope, puts *bundle) *turn {
	if s.homeless || len(envelopes) == 0 && !s.more {
		return nil
	}
	t := &turn{event: s.event, fence: s.fence, late: s.late, looks: !s.looked, letters: make([]letter, 0, len(envelopes)), takes: s.report != nil && s.takes != nil && s.takes()}
	known := puts.known()
	for _, e := range envelopes {
		l, err := known.open(s.event, e)
		if err != nil {
			s.log.Error("letter dropped: it cannot be read", "event", s.event, "err", err)
			continue
		}
		t.letters = append(t.letters, l)
		t.looks = t.looks || l.Kind == letterDue
	}
	return t
}

// finish ends a turn that was committed, or not, with the turns of other events'
// clerks, and reports it. One that must be committed alone is, here.
func (s *service) finish(ctx context.Context, t *turn, err error) error {
	if errors.Is(err, errApart) {
		err = s.alone(ctx, t)
	}
	if s.more = false; err != nil {
		return err
	}
	s.late = t.late
	if s.report != nil {
		s.report(t.desk.ledger.summary(s.event, t.version, len(t.told)))
	}
	s.more = t.desk.more()
	s.looked = !s.more && (s.looked || t.looks)
	return nil
}

// decide goes through the batch: first money that has come, then orders that
// can never be paid, then what organizers take back, then holds that have
// ended, then the letters in order.
func (d *desk) decide(letters []letter) []answer {
	for _, c := range d.claims {
		if c.duty == DutySettle {
			d.ledger.settle(c)
		}
	}
	for _, c := range d.claims {
		if c.duty == DutyUnwind {
			d.ledger.unwind(c)
		}
	}
	for _, b := range d.returns {
		d.ledger.giveBack(b)
	}
	for _, id := range d.doomed {
		d.ledger.drop(id)
	}
	for _, id := range d.dueIDs {
		d.ledger.expire(id)
	}
	answers := make([]answer, 0, len(letters))
	for _, l := range letters {
		var e *entry
		switch l.Kind {
		case letterReserve:
			e = d.ledger.reserve(l)
		case letterRelease:
			e = d.ledger.release(l)
		case letterChange:
			answers = append(answers, d.ledger.change(l).answer())
		case letterCapacity:
			answers = append(answers, d.ledger.capacity(l).answer())
		}
		if e != nil {
			answers = append(answers, answer{
				Letter: l.id(), Fan: e.Fan, Hash: e.hash, State: e.State, Reason: e.Reason, Message: e.Message,
				Items: e.Items, Created: e.CreatedAt.UnixMicro(), Deadline: e.Deadline.UnixMicro(),
			})
		}
	}
	return answers
}

func (l *ledger) summary(event ropeline.EventID, version int64, requests int) Batch {
	b := Batch{Event: event, Version: version, Left: l.left(), Requests: requests}
	for _, e := range l.fresh {
		if e.State == ReservationHeld {
			b.Holding = append(b.Holding, e.Fan)
		}
	}
	for _, e := range l.changed {
		if e.State == ReservationExpired || e.State == ReservationReleased {
			b.Ended = append(b.Ended, e.Fan)
		}
	}
	for _, c := range l.accepted {
		b.Owed = append(b.Owed, c.payment)
		if l.takes(c) {
			b.Taken = append(b.Taken, Taken{c.owed(l.event, l.now)})
		}
	}
	for _, c := range slices.Concat(l.refused, l.dropped) {
		b.Owed = append(b.Owed, c.payment)
	}
	return b
}
