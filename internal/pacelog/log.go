package pacelog

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/keyring"
)

// PageSize is the most entries of one page.
const PageSize = 5000

// Append puts entries at the end of an event's chain, in the order given. The
// event must be there; its chain begins with the first entry.
func Append(ctx context.Context, tx pgx.Tx, event ropeline.EventID, entries ...Entry) error {
	if len(entries) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, "insert into pace_heads (event_id) values ($1) on conflict do nothing", event); err != nil {
		return err
	}
	head := Head{Event: event}
	var last []byte
	if err := tx.QueryRow(ctx, "select seq, hash from pace_heads where event_id = $1 for update", event).Scan(&head.Seq, &last); err != nil {
		return err
	}
	copy(head.Hash[:], last)
	rows := make([][]any, len(entries))
	for i, e := range entries {
		e.Event, e.Seq, e.Prev = event, head.Seq+1, head.Hash
		e.Hash = e.sum()
		head.Seq, head.Hash = e.Seq, e.Hash
		rows[i] = []any{event, e.Seq, e.Kind, e.At, string(e.Data), e.Hash[:]}
	}
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"pace_entries"},
		[]string{"event_id", "seq", "kind", "at", "data", "hash"}, pgx.CopyFromRows(rows)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "update pace_heads set seq = $2, hash = $3 where event_id = $1", event, head.Seq, head.Hash[:])
	return err
}

// Page is a stretch of a log with the end of the chain at the same moment.
type Page struct {
	Entries []Entry
	Head    Head
}

// Next is the seq to read after, 0 when the page reaches the end.
func (p Page) Next() int64 {
	if n := len(p.Entries); n > 0 && p.Entries[n-1].Seq < p.Head.Seq {
		return p.Entries[n-1].Seq
	}
	return 0
}

// Read returns up to limit (at most PageSize) entries that come after a seq.
// An event without a log has an empty one.
func Read(ctx context.Context, pool *pgxpool.Pool, event ropeline.EventID, after int64, limit int) (Page, error) {
	page := Page{Head: Head{Event: event}}
	var last []byte
	err := pool.QueryRow(ctx, "select seq, hash from pace_heads where event_id = $1", event).Scan(&page.Head.Seq, &last)
	if errors.Is(err, pgx.ErrNoRows) {
		return page, nil
	}
	if err != nil {
		return page, fmt.Errorf("pacelog: %w", err)
	}
	copy(page.Head.Hash[:], last)
	limit = min(limit, PageSize)
	if after > 0 {
		limit++ // the entry before the page is read too: its hash is the first one's prev
	}
	rows, err := pool.Query(ctx, `select seq, kind, at, data, hash from pace_entries
		where event_id = $1 and seq >= $2 and seq <= $3 order by seq limit $4`,
		event, after, page.Head.Seq, limit)
	if err != nil {
		return page, fmt.Errorf("pacelog: %w", err)
	}
	var prev Hash
	var e Entry
	var data string
	var hash []byte
	_, err = pgx.ForEachRow(rows, []any{&e.Seq, &e.Kind, &e.At, &data, &hash}, func() error {
		e.Event, e.Data, e.Prev = event, []byte(data), prev
		copy(e.Hash[:], hash)
		prev = e.Hash
		if e.Seq > after {
			page.Entries = append(page.Entries, e)
		}
		return nil
	})
	if err != nil {
		return page, fmt.Errorf("pacelog: %w", err)
	}
	return page, nil
}

// Text is the page as NDJSON, its last line the signed head.
func (p Page) Text(keys *keyring.Keyring) []byte {
	var text []byte
	for _, e := range p.Entries {
		text = e.AppendLine(text)
	}
	id, signature := keys.Sign(keyring.PurposePace, p.Head.message())
	return appendHead(text, p.Head, id, keys.Public(keyring.PurposePace)[id], signature)
}
