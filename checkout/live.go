package checkout

import (
	"slices"
	"strconv"
	"strings"

	"github.com/ropeline/ropeline"
)

// What clerks tell after a commit begins with a line about the stock. It is
// "<version> <type>:<capacity>:<held>:<sold> …", and nodes whose fans look at the
// event take it instead of reading Postgres.

// stockLine is that line; empty when no stock has moved.
func (l *ledger) stockLine(version int64) string {
	moved := false
	ids := make([]ropeline.TicketTypeID, 0, len(l.shelves))
	for id, s := range l.shelves {
		ids, moved = append(ids, id), moved || s.moved
	}
	if !moved {
		return ""
	}
	slices.Sort(ids)
	b := strconv.AppendInt(make([]byte, 0, 48*(1+len(ids))), version, 10)
	for _, id := range ids {
		s := l.shelves[id]
		b = append(append(b, ' '), id...)
		for _, n := range []int{s.capacity, s.held, s.sold} {
			b = strconv.AppendInt(append(b, ':'), int64(n), 10)
		}
	}
	return string(b)
}

// parseStockLine reads what stockLine wrote.
func parseStockLine(line string) (Stocks, bool) {
	first, rest, _ := strings.Cut(line, " ")
	version, err := strconv.ParseInt(first, 10, 64)
	if err != nil || rest == "" {
		return Stocks{}, false
	}
	stocks := Stocks{Version: version, Types: map[ropeline.TicketTypeID]Stock{}}
	for each := range strings.SplitSeq(rest, " ") {
		parts := strings.Split(each, ":")
		if len(parts) != 4 {
			return Stocks{}, false
		}
		var n [3]int
		for i := range n {
			if n[i], err = strconv.Atoi(parts[i+1]); err != nil {
				return Stocks{}, false
			}
		}
		stocks.Types[ropeline.TicketTypeID(parts[0])] = Stock{Capacity: n[0], Held: n[1], Sold: n[2]}
	}
	return stocks, true
}

// Seen is the stock as this node knows it, without asking anybody: of an event
// that Available was asked for within the last second it is what the clerk has
// told since. The map is shared: read it only.
func (c *Checkout) Seen(event ropeline.EventID) (Stocks, bool) {
	return c.sales.known(event)
}
