package queue

import (
	"context"
	"encoding/hex"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/queue/draw"
)

// Record is the draw as it is published.
func (d Draw) Record() draw.Record {
	r := draw.Record{
		Format: 1, Event: d.Event, State: d.State, Commitment: hex.EncodeToString(d.Commitment),
		Source: d.Plan.Source, Promise: d.Plan.Promise, WaitSeconds: int64(d.Plan.Wait.Seconds()),
		Root: hex.EncodeToString(d.Root), MixedFrom: d.MixedFrom, Value: d.Value,
		Entropy: hex.EncodeToString(d.Entropy), Seed: hex.EncodeToString(d.Seed),
		CreatedAt: d.CreatedAt.UTC(), ClosedAt: d.ClosedAt, MixedAt: d.MixedAt, DoneAt: d.DoneAt,
	}
	if d.is() != stateOpen {
		r.Entrants = &d.Entrants
	}
	return r
}

// EntrantsPage reads one page of the entrants, up to draw.PageSize of them;
// none after the last page, and while the lobby is open.
func (l *Line) EntrantsPage(ctx context.Context, event ropeline.EventID, page int) (draw.Entrants, error) {
	var fans []byte
	err := l.pool.QueryRow(ctx, "select fans from draw_entrants where event_id = $1 and page = $2", event, page).Scan(&fans)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, ropeline.Unavailable(err)
	}
	return fans, nil
}

// Receipt proves that a fan is among the entrants under the published root.
type Receipt struct {
	Event    ropeline.EventID `json:"event"`
	Fan      ropeline.FanID   `json:"fan"`
	Index    int              `json:"index"` // in the sorted list of entrants, from 0
	Entrants int64            `json:"entrants"`
	Root     string           `json:"root"`
	Path     []string         `json:"path"` // RFC 6962, section 2.1.1, from the leaf up
}

// Receipt makes a fan's receipt: not_open while the lobby is open, not_in_line
// for a fan who is no entrant.
func (l *Line) Receipt(ctx context.Context, event ropeline.EventID, fan ropeline.FanID) (Receipt, error) {
	none := Receipt{}
	d, err := l.Draw(ctx, event)
	if err != nil {
		return none, err
	}
	if d.is() == stateOpen {
		return none, ropeline.Errorf(ropeline.CodeNotOpen, "The entrants are written down when the lobby closes.")
	}
	var page int
	var packed []byte
	err = l.pool.QueryRow(ctx, `select page, fans from draw_entrants where event_id = $1 and first <= $2 order by page desc limit 1`,
		event, fan).Scan(&page, &packed)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return none, ropeline.Unavailable(err)
	}
	entrants := draw.Entrants(packed)
	index, found := entrants.Find(fan)
	if !found {
		return none, ropeline.Errorf(ropeline.CodeNotInLine, "You were not in the lobby when it closed.")
	}
	rows, err := l.pool.Query(ctx, "select root from draw_entrants where event_id = $1 order by page", event)
	if err != nil {
		return none, ropeline.Unavailable(err)
	}
	roots, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (draw.Hash, error) {
		var root []byte
		err := row.Scan(&root)
		return draw.Hash(root), err
	})
	if err != nil {
		return none, ropeline.Unavailable(err)
	}
	r := Receipt{Event: event, Fan: fan, Index: page*draw.PageSize + index, Entrants: d.Entrants, Root: hex.EncodeToString(d.Root), Path: []string{}}
	for _, hash := range append(draw.Path(entrants, index), draw.JoinPath(roots, page)...) {
		r.Path = append(r.Path, hex.EncodeToString(hash[:]))
	}
	return r, nil
}

// GiveEntropy fixes the entropy of a draw by the value that was promised. It
// counts once, between the closing of the lobby and the end of the wait:
// not_open before and sale_closed after.
func (l *Line) GiveEntropy(ctx context.Context, event ropeline.EventID, value string) error {
	err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		d, err := readDraw(ctx, tx, event, "for update")
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return ropeline.Errorf(ropeline.CodeNotFound, "This event has no lobby, and so no draw.")
		case err != nil:
			return err
		case d.is() == stateOpen:
			return ropeline.Errorf(ropeline.CodeNotOpen, "The value counts after the lobby has closed and its root is public, not before.")
		case d.is() != stateClosed:
			return ropeline.Errorf(ropeline.CodeSaleClosed, "The entropy of this draw is fixed already, from %s.", d.MixedFrom)
		}
		source, _ := draw.SourceOf(d.Plan.Source)
		if err := source.Check(d.Plan.Promise, value); err != nil {
			return ropeline.Errorf(ropeline.CodeInvalidRequest, "The value does not do: %v.", err)
		}
		if known := source.Known(d.Plan.Promise); !known.IsZero() && !known.After(*d.ClosedAt) {
			return ropeline.Errorf(ropeline.CodeSaleClosed, "The promised value was public before the lobby closed. The root counts.")
		}
		return l.fix(ctx, tx, event, d.Plan.Source, value)
	})
	if _, ours := errors.AsType[*ropeline.Error](err); err == nil || ours {
		return err
	}
	return ropeline.Unavailable(err)
}
