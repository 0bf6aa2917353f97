package identity

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// Entry is one change in the audit log. Entries are never changed or deleted.
type Entry struct {
	ID           int64              `json:"id"`
	At           time.Time          `json:"at"`
	Organization string             `json:"organization,omitempty"` // whose thing it was; "": the house's
	Account      ropeline.AccountID `json:"account,omitempty"`
	Actor        string             `json:"actor"`  // as it called itself then
	Action       string             `json:"action"` // as in the table of actions, or a word of the room
	Object       string             `json:"object"` // kind/id
	Before       json.RawMessage    `json:"before,omitempty"`
	After        json.RawMessage    `json:"after,omitempty"`
	Address      string             `json:"address,omitempty"` // MAC of the network address: the same address is the same
}

// Record writes an entry in the transaction of what it tells. Before and after
// are given as they marshal; nil for none.
func Record(ctx context.Context, tx pgx.Tx, e Entry, before, after any) (err error) {
	for _, side := range []struct {
		value any
		into  *json.RawMessage
	}{{before, &e.Before}, {after, &e.After}} {
		if side.value != nil {
			if *side.into, err = json.Marshal(side.value); err != nil {
				return err
			}
		}
	}
	_, err = tx.Exec(ctx, `
		insert into audit_log (organization_id, account_id, actor, action, object, before, after, address)
		values (nullif($1, ''), nullif($2, ''), $3, $4, $5, $6, $7, $8)`,
		e.Organization, e.Account, e.Actor, e.Action, e.Object, e.Before, e.After, e.Address)
	return err
}

// AuditFilter chooses entries; zero fields choose all.
type AuditFilter struct {
	Organizations []string // whose; nil: everybody's
	Object        string
	Objects       []string // any of them
	Action        string
	Actor         string
	From, To      time.Time
	Before        int64 // an id: older ones only
}

// Audit lists entries, the newest first.
func (a *Accounts) Audit(ctx context.Context, f AuditFilter, limit int) ([]Entry, error) {
	var from, to *time.Time
	if !f.From.IsZero() {
		from = &f.From
	}
	if !f.To.IsZero() {
		to = &f.To
	}
	rows, err := a.pool.Query(ctx, `
		select id, at, coalesce(organization_id, ''), coalesce(account_id, ''), actor, action, object, before, after, address from audit_log
		where ($1::text[] is null or organization_id = any($1)) and ($2 = '' or object = $2) and ($3 = '' or action = $3)
			and ($4 = '' or actor = $4) and ($5::timestamptz is null or at >= $5) and ($6::timestamptz is null or at < $6) and ($7::bigint = 0 or id < $7)
			and ($9::text[] is null or object = any($9))
		order by id desc limit $8`, f.Organizations, f.Object, f.Action, f.Actor, from, to, f.Before, limit, f.Objects)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	entries, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Entry, error) {
		var e Entry
		err := row.Scan(&e.ID, &e.At, &e.Organization, &e.Account, &e.Actor, &e.Action, &e.Object, &e.Before, &e.After, &e.Address)
		return e, err
	})
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	return entries, nil
}
