package checkout

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ropeline/ropeline"
)

// OpenSale puts the tickets of a new event on the shelves, in the transaction
// that writes the event.
func (c *Checkout) OpenSale(ctx context.Context, tx pgx.Tx, event ropeline.Event) error {
	batch := &pgx.Batch{}
	batch.Queue("insert into sales (event_id) values ($1)", event.ID)
	for _, t := range event.TicketTypes {
		batch.Queue("insert into stock (ticket_type_id, event_id, capacity) values ($1, $2, $3)", t.ID, event.ID, t.Capacity)
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return err
	}
	return openLedger(ctx, tx, event)
}

// Stock is what has become of the tickets of one type.
type Stock struct {
	Capacity int
	Held     int
	Sold     int
}

// Left is what nobody holds or owns.
func (s Stock) Left() int { return s.Capacity - s.Held - s.Sold }

// Stocks is the stock of an event at one moment.
type Stocks struct {
	Version int64 // rises when the stock changes
	Types   map[ropeline.TicketTypeID]Stock
}

// Left is the stock that nobody holds or owns, over all types.
func (s Stocks) Left() int64 {
	var left int64
	for _, t := range s.Types {
		left += int64(t.Left())
	}
	return left
}

// SoldOut tells whether every ticket is sold; held ones may still come back.
func (s Stocks) SoldOut() bool {
	for _, t := range s.Types {
		if t.Sold < t.Capacity {
			return false
		}
	}
	return true
}

// SoldOut lists the events of which every ticket is sold.
func (c *Checkout) SoldOut(ctx context.Context) ([]ropeline.EventID, error) {
	ids, err := collect[ropeline.EventID](ctx, c, "select event_id from stock group by event_id having bool_and(sold >= capacity)")
	return ids, asError(err)
}

// Available reads the stock of an event, at most a second old; event_not_found
// for an event without a sale. The map is shared: read it only.
func (c *Checkout) Available(ctx context.Context, event ropeline.EventID) (Stocks, error) {
	return c.sales.stocks(ctx, event)
}

// StockNow reads the stock of an event as it is committed now.
func (c *Checkout) StockNow(ctx context.Context, event ropeline.EventID) (Stocks, error) {
	return readStocks(ctx, c.pool, event)
}

// Totals is what an organizer wants to know of a sale.
type Totals struct {
	Reservations map[ReservationState]int64
	Orders       map[OrderState]int64
	Revenue      []ropeline.Money // of paid orders, one sum a currency
	Tickets      int64
}

// Totals counts a sale's rows; it reads them all, so it is not for every request.
func (c *Checkout) Totals(ctx context.Context, event ropeline.EventID) (Totals, error) {
	t := Totals{Reservations: map[ReservationState]int64{}, Orders: map[OrderState]int64{}}
	batch := &pgx.Batch{}
	batch.Queue("select state, count(*) from reservations where event_id = $1 group by 1", event).Query(countInto(t.Reservations))
	batch.Queue("select state, count(*) from orders where event_id = $1 group by 1", event).Query(countInto(t.Orders))
	batch.Queue("select sum(total_minor)::bigint, currency from orders where event_id = $1 and state = 'paid' group by 2 order by 2", event).
		Query(func(rows pgx.Rows) (err error) {
			t.Revenue, err = pgx.CollectRows(rows, pgx.RowToStructByPos[ropeline.Money])
			return err
		})
	batch.Queue("select count(*) from tickets where event_id = $1 and state in ('issued', 'checked_in')", event).
		QueryRow(func(row pgx.Row) error { return row.Scan(&t.Tickets) })
	if err := c.pool.SendBatch(ctx, batch).Close(); err != nil {
		return Totals{}, ropeline.Unavailable(err)
	}
	return t, nil
}

// sales remembers stock for a second, so that a crowd's reads are one read, and
// takes what clerks tell meanwhile.
type sales struct {
	pool *pgxpool.Pool
	mu   sync.Mutex
	seen map[ropeline.EventID]*seenSale
}

type seenSale struct {
	reading sync.Mutex // held by the one who reads
	latest  atomic.Pointer[seenStocks]
}

type seenStocks struct {
	Stocks
	at time.Time
}

const (
	seenFor   = time.Second
	mostSales = 10_000 // remembered at once; then it begins anew
)

func newSales(pool *pgxpool.Pool) *sales {
	return &sales{pool: pool, seen: map[ropeline.EventID]*seenSale{}}
}

func (s *sales) stocks(ctx context.Context, event ropeline.EventID) (Stocks, error) {
	s.mu.Lock()
	sale := s.seen[event]
	if sale == nil {
		if len(s.seen) >= mostSales {
			clear(s.seen)
		}
		sale = &seenSale{}
		s.seen[event] = sale
	}
	s.mu.Unlock()
	if seen := sale.fresh(); seen != nil {
		return seen.Stocks, nil
	}
	sale.reading.Lock()
	defer sale.reading.Unlock()
	if seen := sale.fresh(); seen != nil {
		return seen.Stocks, nil
	}
	stocks, err := readStocks(ctx, s.pool, event)
	if err == nil {
		return sale.take(stocks), nil
	}
	if ropeline.CodeOf(err) == ropeline.CodeEventNotFound {
		s.mu.Lock()
		delete(s.seen, event)
		s.mu.Unlock()
	}
	return Stocks{}, err
}

func (s *seenSale) fresh() *seenStocks {
	if seen := s.latest.Load(); seen != nil && time.Since(seen.at) < seenFor {
		return seen
	}
	return nil
}

// take keeps the newer of two sights, and tells which it is.
func (s *seenSale) take(stocks Stocks) Stocks {
	next := &seenStocks{stocks, time.Now()}
	for {
		seen := s.latest.Load()
		if seen != nil && seen.Version > stocks.Version {
			next = &seenStocks{seen.Stocks, next.at} // it is still the latest that is known
		}
		if s.latest.CompareAndSwap(seen, next) {
			return next.Stocks
		}
	}
}

// heard takes what a clerk has told of an event that somebody looks at.
func (s *sales) heard(event ropeline.EventID, line string) {
	s.mu.Lock()
	sale := s.seen[event]
	s.mu.Unlock()
	if sale == nil || sale.latest.Load() == nil {
		return
	}
	if stocks, ok := parseStockLine(line); ok {
		sale.take(stocks)
	}
}

// known is the newest sight, however old.
func (s *sales) known(event ropeline.EventID) (Stocks, bool) {
	s.mu.Lock()
	sale := s.seen[event]
	s.mu.Unlock()
	if sale == nil {
		return Stocks{}, false
	}
	seen := sale.latest.Load()
	if seen == nil {
		return Stocks{}, false
	}
	return seen.Stocks, true
}

// check tells whether an event has a sale. Once seen it always has.
func (s *sales) check(ctx context.Context, event ropeline.EventID) error {
	if _, known := s.known(event); known {
		return nil
	}
	_, err := s.stocks(ctx, event)
	return err
}

func readStocks(ctx context.Context, pool *pgxpool.Pool, event ropeline.EventID) (Stocks, error) {
	rows, err := pool.Query(ctx, `
		select a.version, s.ticket_type_id, s.capacity, s.held, s.sold
		from sales a join stock s on s.event_id = a.event_id where a.event_id = $1`, event)
	if err != nil {
		return Stocks{}, ropeline.Unavailable(err)
	}
	stocks := Stocks{Types: map[ropeline.TicketTypeID]Stock{}}
	var id ropeline.TicketTypeID
	var s Stock
	_, err = pgx.ForEachRow(rows, []any{&stocks.Version, &id, &s.Capacity, &s.Held, &s.Sold}, func() error {
		stocks.Types[id] = s
		return nil
	})
	if err != nil {
		return Stocks{}, ropeline.Unavailable(err)
	}
	if len(stocks.Types) == 0 {
		return Stocks{}, ropeline.Errorf(ropeline.CodeEventNotFound, "There is no such event.")
	}
	return stocks, nil
}
