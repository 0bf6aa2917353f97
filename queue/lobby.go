package queue

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/queue/draw"
)

// Lobby is what a line still has before it.
type Lobby int64

// The lobby of a line that has one is open until the drop, then closed until
// its draw is done, and then there is none.
const (
	NoLobby Lobby = iota
	LobbyOpen
	LobbyClosed
)

// The same for the scripts.
const (
	lobbyOpen   = "open"
	lobbyClosed = "closed"
)

// Plan is what the organizer promises about the entropy of a draw before
// anybody knows it. The zero Plan promises nothing from outside.
type Plan struct {
	Source  string        // see draw.SourceOf; "": draw.None
	Promise string        // which value exactly will count
	Wait    time.Duration // after closing, for the value; then the entrants' root counts
}

const mostWait = 7 * 24 * time.Hour

// Validate tells what is wrong with a plan, with code invalid_request.
func (p Plan) Validate() error {
	source, known := draw.SourceOf(p.Source)
	if !known {
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "%q is no source of entropy.", p.Source)
	}
	if p.Wait < 0 || p.Wait > mostWait {
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "The draw waits for its entropy for at most %d seconds.", int(mostWait/time.Second))
	}
	if err := source.Promised(p.Promise); err != nil {
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "The draw's promise does not do: %v.", err)
	}
	return nil
}

// OpenLobby gives the line of a new event a lobby, in the transaction that
// creates the event. The seed of the draw is made here; its commitment is
// public from now on.
func (l *Line) OpenLobby(ctx context.Context, tx pgx.Tx, event ropeline.EventID, p Plan) error {
	if p.Source == "" {
		p.Source = draw.None
	}
	if err := p.Validate(); err != nil {
		return err
	}
	seed := make([]byte, 32)
	rand.Read(seed)
	commitment := draw.Commitment(seed)
	if err := l.logStep(ctx, tx, event, stateOpen, map[string]any{
		"commitment": hex.EncodeToString(commitment[:]), "source": p.Source, "promise": p.Promise, "wait_seconds": int64(p.Wait / time.Second),
	}); err != nil {
		return ropeline.Unavailable(err)
	}
	_, err := tx.Exec(ctx, `
		insert into draws (event_id, seed, commitment, source, promise, wait_seconds) values ($1, $2, $3, $4, $5, $6)`,
		event, seed, commitment[:], p.Source, p.Promise, int64(p.Wait/time.Second))
	if err != nil {
		return ropeline.Unavailable(err)
	}
	return nil
}

// lobbyOf tells the restore script what a line has before it: "" when there
// is no lobby or its numbers are all given.
func lobbyOf(ctx context.Context, tx pgx.Tx, event ropeline.EventID) (lobby string, entrants int64, err error) {
	var s state
	err = tx.QueryRow(ctx, "select state, coalesce(entrants, 0) from draws where event_id = $1", event).Scan(&s, &entrants)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return "", 0, nil
	case err != nil:
		return "", 0, err
	case s == stateOpen:
		return lobbyOpen, 0, nil
	case s == stateClosed || s == stateMixed:
		return lobbyClosed, entrants, nil
	}
	return "", 0, nil
}

// drawing is what a fan hears for the seconds in which nobody can come or go.
func drawing() error {
	return &ropeline.Error{Code: ropeline.CodeNotOpen, RetryAfter: time.Second,
		Message: "The lobby has just closed and its entrants are being written down. Try again in a second."}
}

// epochs are the newest that this node has seen of each line.
type epochs struct {
	mu   sync.RWMutex
	seen map[ropeline.EventID]int64
}

func (e *epochs) saw(event ropeline.EventID, epoch int64) {
	e.mu.RLock()
	known := e.seen[event]
	e.mu.RUnlock()
	if known >= epoch {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.seen == nil {
		e.seen = map[ropeline.EventID]int64{}
	}
	e.seen[event] = max(e.seen[event], epoch)
}

// of is the epoch of a line; very high when this node has not seen it.
func (e *epochs) of(event ropeline.EventID) int64 {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if epoch, known := e.seen[event]; known {
		return epoch
	}
	return 1 << 62
}
