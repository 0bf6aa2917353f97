package catalog

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ropeline/ropeline"
)

// Catalog reads and writes events. It is safe for concurrent use.
type Catalog struct {
	pool     *pgxpool.Pool
	cache    cache
	pictures pictures
}

// New makes a catalog over the house's database.
func New(pool *pgxpool.Pool) *Catalog {
	return &Catalog{pool: pool, cache: newCache(), pictures: newPictures()}
}

// Create checks the event, gives it and its parts their ids, and writes them
// in the caller's transaction.
func (c *Catalog) Create(ctx context.Context, tx pgx.Tx, event ropeline.Event) (ropeline.Event, error) {
	if event.LimitAcross == "" {
		event.LimitAcross = ropeline.AcrossNone
	}
	if err := validate(event); err != nil {
		return ropeline.Event{}, err
	}
	event.ID, event.DrawnAt, event.CanceledAt, event.Picture = ropeline.NewID[ropeline.EventID](), nil, nil, nil
	if event.OnePer == "" {
		event.OnePer = ropeline.OnePerFan
	}
	if event.Organization == "" {
		event.Organization = ropeline.HouseOrganization
	}
	event.Venue.ID = ropeline.NewID[ropeline.VenueID]()
	if _, err := tx.Exec(ctx, `insert into venues (id, name, address, city, time_zone) values ($1, $2, $3, $4, $5)`,
		event.Venue.ID, event.Venue.Name, event.Venue.Address, event.Venue.City, event.Venue.TimeZone); err != nil {
		return ropeline.Event{}, ropeline.Unavailable(err)
	}
	if _, err := tx.Exec(ctx, `
		insert into events (id, venue_id, name, description, starts_at, lobby_at, drop_at, closes_at, one_per, limit_across, organization_id, published_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, case when $12 then null else now() end)`,
		event.ID, event.Venue.ID, event.Name, event.Description, event.StartsAt, event.LobbyAt, event.DropAt, event.ClosesAt, event.OnePer, event.LimitAcross, event.Organization, event.Draft); err != nil {
		return ropeline.Event{}, ropeline.Unavailable(err)
	}
	types := make([]ropeline.TicketType, len(event.TicketTypes))
	for i, t := range event.TicketTypes {
		t.ID = ropeline.NewID[ropeline.TicketTypeID]()
		types[i] = t
		if _, err := tx.Exec(ctx, `
			insert into ticket_types (id, event_id, name, price_minor, currency, max_per_order, max_per_fan, ordinal, sale_from, sale_until)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			t.ID, event.ID, t.Name, t.Price.Minor, t.Price.Currency, t.MaxPerOrder, t.MaxPerFan, i, t.SaleFrom, t.SaleUntil); err != nil {
			return ropeline.Event{}, ropeline.Unavailable(err)
		}
	}
	event.TicketTypes = types
	return event, nil
}

const selectEvents = `
	select e.id, e.name, e.description, e.starts_at, e.lobby_at, e.drop_at, e.closes_at, e.one_per, e.limit_across, e.organization_id, e.canceled_at, d.done_at,
	       v.id, v.name, v.address, v.city, v.time_zone, coalesce(e.picture, ''), e.picture_alt, e.published_at is null,
	       (select jsonb_agg(jsonb_build_object('width', p.width, 'height', p.height) order by p.width) from pictures p where p.hash = e.picture)
	from events e join venues v on v.id = e.venue_id left join draws d on d.event_id = e.id `

// Event returns one event, at most a second old. Capacities are not filled in.
func (c *Catalog) Event(ctx context.Context, id ropeline.EventID) (ropeline.Event, error) {
	return c.cache.get(id, func() (ropeline.Event, error) { return c.Current(ctx, id) })
}

// Current is Event by the database, for what is kept longer than a second: a
// message that tells of a change must not tell what was before.
func (c *Catalog) Current(ctx context.Context, id ropeline.EventID) (ropeline.Event, error) {
	events, err := c.query(ctx, selectEvents+`where e.id = $1`, id)
	if err != nil {
		return ropeline.Event{}, err
	}
	if len(events) == 0 {
		return ropeline.Event{}, ropeline.Errorf(ropeline.CodeEventNotFound, "There is no such event.")
	}
	return events[0], nil
}

// ListOf lists the events of some organizations, drafts too, the latest drop first.
func (c *Catalog) ListOf(ctx context.Context, organizations []ropeline.OrganizationID, limit int) ([]ropeline.Event, error) {
	return c.query(ctx, selectEvents+`where e.organization_id = any($1) order by e.drop_at desc, e.id desc limit $2`, organizations, limit)
}

// Live lists the events whose line moves: the drop has come, or comes within
// the lead, and the sale has not ended more than a minute ago.
func (c *Catalog) Live(ctx context.Context, lead time.Duration) ([]ropeline.EventID, error) {
	rows, err := c.pool.Query(ctx, `
		select id from events where drop_at <= now() + $1::interval and closes_at > now() - interval '1 minute' and canceled_at is null and published_at is not null order by id`, lead)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[ropeline.EventID])
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	return ids, nil
}

// Running lists the events that fans may stand in line of: the lobby is open,
// or the drop has come, and the sale has not ended more than a minute ago.
func (c *Catalog) Running(ctx context.Context) ([]ropeline.EventID, error) {
	rows, err := c.pool.Query(ctx, `
		select id from events where least(lobby_at, drop_at) <= now() and closes_at > now() - interval '1 minute' and canceled_at is null order by id`)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[ropeline.EventID])
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	return ids, nil
}

func (c *Catalog) query(ctx context.Context, sql string, args ...any) ([]ropeline.Event, error) {
	rows, err := c.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	events, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (ropeline.Event, error) {
		var e ropeline.Event
		var picture ropeline.Picture
		err := row.Scan(&e.ID, &e.Name, &e.Description, &e.StartsAt, &e.LobbyAt, &e.DropAt, &e.ClosesAt, &e.OnePer, &e.LimitAcross, &e.Organization, &e.CanceledAt, &e.DrawnAt,
			&e.Venue.ID, &e.Venue.Name, &e.Venue.Address, &e.Venue.City, &e.Venue.TimeZone, &picture.Hash, &picture.Alt, &e.Draft, &picture.Sizes)
		if len(picture.Sizes) > 0 {
			e.Picture = located(picture)
		}
		return e, err
	})
	if err == nil {
		err = c.loadTypes(ctx, events)
	}
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	return events, nil
}

func (c *Catalog) loadTypes(ctx context.Context, events []ropeline.Event) error {
	if len(events) == 0 {
		return nil
	}
	index := make(map[ropeline.EventID]int, len(events))
	ids := make([]ropeline.EventID, len(events))
	for i, e := range events {
		index[e.ID], ids[i] = i, e.ID
	}
	rows, err := c.pool.Query(ctx, `
		select event_id, id, name, price_minor, currency, max_per_order, max_per_fan, sale_from, sale_until
		from ticket_types where event_id = any($1) order by event_id, ordinal`, ids)
	if err != nil {
		return err
	}
	var (
		event ropeline.EventID
		t     ropeline.TicketType
	)
	_, err = pgx.ForEachRow(rows, []any{&event, &t.ID, &t.Name, &t.Price.Minor, &t.Price.Currency, &t.MaxPerOrder, &t.MaxPerFan, &t.SaleFrom, &t.SaleUntil}, func() error {
		e := &events[index[event]]
		e.TicketTypes = append(e.TicketTypes, t)
		return nil
	})
	return err
}
