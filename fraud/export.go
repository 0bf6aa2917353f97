package fraud

import (
	"context"
	"encoding/base64"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/internal/keyring"
)

// What is kept of an order, and for how long.
const (
	tracesKept  = "interval '7 days'"
	signalsKept = "interval '180 days'"
	purgePause  = time.Hour
)

// Purge forgets the traces of orders older than a week, and all of those older
// than 180 days. It may run anywhere, at any time.
func (f *Fraud) Purge(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	batch := &pgx.Batch{}
	batch.Queue("delete from fraud_orders where created_at < now() - " + signalsKept)
	batch.Queue("update fraud_orders set traces = '{}' where traced and created_at < now() - " + tracesKept)
	return f.pool.SendBatch(ctx, batch).Close()
}

// Label remembers what a person has said of an order, in the transaction of
// the decision: it is what a model learns from.
func (f *Fraud) Label(ctx context.Context, tx pgx.Tx, order ropeline.OrderID, fraud bool) error {
	_, err := tx.Exec(ctx, "update fraud_orders set label = $2 where order_id = $1", order, map[bool]int{false: 0, true: 1}[fraud])
	return err
}

// Export reads an event's orders as training data, in the order of their ids,
// and gives each to row. Orders have pseudonyms, which are the same each time.
func (f *Fraud) Export(ctx context.Context, event ropeline.EventID, row func(Row) error) error {
	rows, err := f.pool.Query(ctx, `
		select f.order_id, f.model, f.signals, f.label, f.score::float8 from orders o join fraud_orders f on f.order_id = o.id where o.event_id = $1 order by o.id`, event)
	if err != nil {
		return err
	}
	var order, model string
	var signals Signals
	var label *int
	var score float64
	_, err = pgx.ForEachRow(rows, []any{&order, &model, &signals, &label, &score}, func() error {
		mac := f.keys.MAC(keyring.PurposeFraud, []byte("export\x00"+order))
		told := score
		err := row(Row{Order: base64.RawURLEncoding.EncodeToString(mac[:12]), Signals: signals, Label: label, Score: &told, Model: model})
		signals, label = nil, nil
		return err
	})
	return err
}
