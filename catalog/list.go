package catalog

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/ropeline/ropeline"
)

// When says where in its life an event of a list is.
type When string

// The choices; "" is any.
const (
	OnSale   When = "on_sale"  // the drop has come, and not every ticket is sold
	Upcoming When = "upcoming" // the drop is still to come
	SoldOut  When = "sold_out"
	Past     When = "past" // the sale has ended, or the event is canceled
)

// Filter chooses published events; zero fields choose all.
type Filter struct {
	When When
	// Sold are the events of which every ticket is sold. Package checkout knows
	// them; OnSale and SoldOut need them.
	Sold     []ropeline.EventID
	Place    string    // in the name of the venue or the city
	Query    string    // in the name or the description, the venue or the city
	From, To time.Time // when the event starts; To is not in it
}

// Cursor is where a page of the list begins; its zero value is the start.
type Cursor struct {
	DropAt time.Time
	ID     ropeline.EventID
}

// List returns up to limit published events, the latest drop first, from the
// cursor on.
func (c *Catalog) List(ctx context.Context, f Filter, after Cursor, limit int) ([]ropeline.Event, error) {
	conditions, args := []string{"e.published_at is not null"}, []any{}
	add := func(condition string, values ...any) {
		for _, value := range values {
			args = append(args, value)
			condition = strings.Replace(condition, "?", "$"+strconv.Itoa(len(args)), 1)
		}
		conditions = append(conditions, condition)
	}
	const selling = "e.drop_at <= now() and e.closes_at > now() and e.canceled_at is null"
	switch f.When {
	case OnSale:
		add(selling+" and e.id <> all(?)", append([]ropeline.EventID{}, f.Sold...))
	case SoldOut:
		add(selling+" and e.id = any(?)", append([]ropeline.EventID{}, f.Sold...))
	case Upcoming:
		add("e.drop_at > now() and e.canceled_at is null")
	case Past:
		add("(e.closes_at <= now() or e.canceled_at is not null)")
	}
	within := func(s string) string {
		return "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(s) + "%"
	}
	if f.Place != "" {
		add("v.name || ' ' || v.city ilike ?", within(f.Place))
	}
	if f.Query != "" {
		add("e.name || ' ' || e.description || ' ' || v.name || ' ' || v.city ilike ?", within(f.Query))
	}
	if !f.From.IsZero() {
		add("e.starts_at >= ?", f.From)
	}
	if !f.To.IsZero() {
		add("e.starts_at < ?", f.To)
	}
	if after.ID != "" {
		add("(e.drop_at, e.id) < (?, ?)", after.DropAt, after.ID)
	}
	return c.query(ctx, selectEvents+"where "+strings.Join(conditions, " and ")+" order by e.drop_at desc, e.id desc limit "+strconv.Itoa(limit), args...)
}
