package checkout

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline/internal/safeguard"
)

// tear ends the transaction in the middle of a batch, where a build for tests
// has taken that safeguard away. It tells whether the rest is lost: of every
// third batch it is, as if the clerk had died between the two.
func (b ledgers) tear(batch *pgx.Batch) (lost bool) {
	if !safeguard.Off(safeguard.Transaction) {
		return false
	}
	batch.Queue("commit")
	batch.Queue("begin")
	return b.now().UnixMicro()%3 == 0
}

// overtaken writes the stock as it was before this batch, where a build for
// tests has taken the fence away: what a clerk does that paused before its
// write, is overtaken by this one, and is not stopped.
func (t *turn) overtaken(ctx context.Context, conn *pgx.Conn) {
	if !safeguard.Off(safeguard.Fencing) {
		return
	}
	if late := t.late; late != nil {
		batch := &pgx.Batch{}
		ledgers{late}.queueStock(batch)
		if batch.Len() > 0 {
			conn.SendBatch(ctx, batch).Close()
		}
	}
	t.late = t.desk.ledger
}
