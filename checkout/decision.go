package checkout

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// decision is what a clerk said to a letter that has no row of its own: the
// change of a reservation, or of a capacity. It is written in the batch's
// transaction, so that the same letter again is answered and not decided anew.
type decision struct {
	letter  string
	kind    letterKind
	subject string
	actor   string
	hash    requestHash
	reason  ropeline.Code // empty: done
	message string
	before  any
	wanted  any
}

func (d *decision) refuse(refusal *ropeline.Error) {
	d.reason, d.message = refusal.Code, refusal.Message
}

func (d *decision) answer() answer {
	return answer{Letter: d.letter, Hash: d.hash, Reason: d.reason, Message: d.message}
}

// decisionName makes a letter's name of who asks, for what, and the caller's key.
func decisionName(parts ...string) string {
	sum := sha256.New()
	for _, part := range parts {
		sum.Write([]byte(part))
		sum.Write([]byte{0})
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

func (b ledgers) queueDecisions(batch *pgx.Batch) {
	var ids, events, kinds, subjects, actors, reasons, messages, before, wanted []string
	var hashes [][]byte
	for _, l := range b {
		for _, d := range l.decisions {
			was, _ := json.Marshal(d.before)
			is, _ := json.Marshal(d.wanted)
			ids, events, kinds, subjects = append(ids, d.letter), append(events, string(l.event)), append(kinds, string(d.kind)), append(subjects, d.subject)
			actors, hashes, reasons, messages = append(actors, d.actor), append(hashes, d.hash[:]), append(reasons, string(d.reason)), append(messages, d.message)
			before, wanted = append(before, string(was)), append(wanted, string(is))
		}
	}
	if len(ids) > 0 {
		batch.Queue(`
			insert into stock_decisions (id, event_id, kind, subject, actor, request_hash, reason, message, before, wanted, at)
			select u.id, u.event, u.kind, u.subject, u.actor, u.hash, u.reason, u.message, u.before::jsonb, u.wanted::jsonb, $1
			from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::text[], $9::text[], $10::text[], $11::text[])
				as u(id, event, kind, subject, actor, hash, reason, message, before, wanted)`,
			b.now(), ids, events, kinds, subjects, actors, hashes, reasons, messages, before, wanted)
	}
}

// sendDecision pushes a letter that leads to a decision and waits for it. No
// decision in time is unavailable: the same request again finds it.
func (c *Checkout) sendDecision(ctx context.Context, event ropeline.EventID, l letter, wait time.Duration) (answer, error) {
	answers, leave := c.waiters.join(l.id())
	defer leave()
	code, err := c.post(ctx, post{event: event, letter: l})
	if err := pushError(code, err); err != nil {
		return answer{}, err
	}
	var a answer
	if code == pushedAgain {
		// It may have been answered already, and only lie there still.
		a, _ = c.decisionOn(ctx, l)
	}
	if a.Letter == "" {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case a = <-answers:
		case <-ctx.Done():
		case <-timer.C:
		}
	}
	if a.Letter == "" {
		if a, err = c.decisionOn(ctx, l); err != nil {
			return answer{}, ropeline.Unavailable(err)
		}
	}
	switch {
	case a.Letter == "":
		return answer{}, &ropeline.Error{Code: ropeline.CodeUnavailable, RetryAfter: time.Second,
			Message: "The change is not decided yet. Ask again with the same Idempotency-Key."}
	case a.Hash != l.hash:
		return answer{}, errKeyReused
	case a.Reason != "":
		return a, &ropeline.Error{Code: a.Reason, Message: a.Message}
	}
	return a, nil
}

// decisionOn reads what was decided about a letter; without a name: nothing was.
func (c *Checkout) decisionOn(ctx context.Context, l letter) (a answer, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	var hash []byte
	err = c.pool.QueryRow(ctx, "select id, request_hash, reason, message from stock_decisions where id = $1", l.id()).Scan(&a.Letter, &hash, &a.Reason, &a.Message)
	if errors.Is(err, pgx.ErrNoRows) {
		return answer{}, nil
	}
	copy(a.Hash[:], hash)
	return a, err
}
