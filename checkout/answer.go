package checkout

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/ropeline/ropeline"
)

// answer is what a clerk decided about one letter.
type answer struct {
	Letter   string           `json:"l"`
	Fan      ropeline.FanID   `json:"f"`
	Hash     requestHash      `json:"h"`
	State    ReservationState `json:"s"`
	Reason   ropeline.Code    `json:"r,omitempty"`
	Message  string           `json:"m,omitempty"`
	Items    []ReservedItem   `json:"i,omitempty"`
	Created  int64            `json:"c"` // Unix microseconds
	Deadline int64            `json:"d"`
}

// reservation is the answer as the caller gets it.
func (a answer) reservation(id ropeline.ReservationID) Reservation {
	return Reservation{
		ID: id, Event: id.Event(), Fan: a.Fan, State: a.State, Reason: a.Reason, Message: a.Message,
		Items: a.Items, CreatedAt: time.UnixMicro(a.Created), Deadline: time.UnixMicro(a.Deadline), hash: a.Hash,
	}
}

// waiters are the callers on this node who wait for a clerk's answer.
type waiters struct {
	mu      sync.Mutex
	waiting map[string][]chan answer // by letter id
}

func newWaiters() *waiters { return &waiters{waiting: map[string][]chan answer{}} }

// join returns a channel that gets the answer to a letter, and how to leave.
func (w *waiters) join(letter string) (<-chan answer, func()) {
	ch := make(chan answer, 1)
	w.mu.Lock()
	w.waiting[letter] = append(w.waiting[letter], ch)
	w.mu.Unlock()
	return ch, func() { w.leave(letter, ch) }
}

func (w *waiters) leave(letter string, ch chan answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.waiting[letter]
	for i := range list {
		if list[i] == ch {
			list = append(list[:i], list[i+1:]...)
			break
		}
	}
	if len(list) == 0 {
		delete(w.waiting, letter)
		return
	}
	w.waiting[letter] = list
}

func (w *waiters) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.waiting) == 0
}

// tell hands the answers to those who wait for them.
func (w *waiters) tell(answers []answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range answers {
		for _, ch := range w.waiting[a.Letter] {
			ch <- a // it has room: each is told once
		}
		delete(w.waiting, a.Letter)
	}
}

// tell tells those who wait in this process what was committed.
func (c *Checkout) tell(turns []*turn) {
	for _, t := range turns {
		c.sales.heard(t.event, t.desk.ledger.stockLine(t.version))
		c.waiters.tell(t.told)
	}
}

// publish tells all other nodes of the turns that were committed, in one message:
//
//	<node that tells>
//	<event> <stock line>    for each event
//	<its answers in JSON>
//
// Whoever does not get it reads Postgres, a moment later.
func (c *Checkout) publish(ctx context.Context, turns []*turn) {
	message := []byte(c.node)
	for _, t := range turns {
		stock := t.desk.ledger.stockLine(t.version)
		if stock == "" && len(t.told) == 0 {
			continue
		}
		answers, _ := json.Marshal(t.told) // texts and numbers: it cannot fail
		message = append(append(append(message, '\n'), t.event...), ' ')
		message = append(append(append(message, stock...), '\n'), answers...)
	}
	if len(message) == len(c.node) {
		return
	}
	if err := c.mailbox.redis.Write.Publish(ctx, answersChannel, message).Err(); err != nil {
		c.log.WarnContext(ctx, "answers not told to other nodes, they will read them", "err", err)
	}
}

// hearAnswers takes what another node has told.
func (c *Checkout) hearAnswers(ctx context.Context, message string) {
	from, rest, _ := strings.Cut(message, "\n")
	if from == c.node {
		return
	}
	for rest != "" {
		var line, told string
		line, rest, _ = strings.Cut(rest, "\n")
		told, rest, _ = strings.Cut(rest, "\n")
		event, stock, _ := strings.Cut(line, " ")
		c.sales.heard(ropeline.EventID(event), stock)
		if c.waiters.idle() {
			continue // other nodes' callers
		}
		var answers []answer
		if err := json.Unmarshal([]byte(told), &answers); err != nil {
			c.log.WarnContext(ctx, "answers not understood", "event", event, "err", err)
			continue
		}
		c.waiters.tell(answers)
	}
}

// listen hears the answers to every event until ctx ends. The subscription is
// a hint: who hears nothing reads Postgres.
func (c *Checkout) listen(ctx context.Context) error {
	subscription := c.mailbox.redis.Read.Subscribe(ctx, answersChannel)
	defer subscription.Close()
	messages := subscription.Channel()
	for {
		select {
		case <-ctx.Done():
			return nil
		case message, open := <-messages:
			if !open {
				return nil
			}
			c.hearAnswers(ctx, message.Payload)
		}
	}
}
