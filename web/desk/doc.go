// Package desk is what an organizer sees of a sale: its numbers now, what they
// were over the last hour, and when it will be sold out.
//
//	stock, orders, payments (Postgres) ─┐
//	line, shoppers, nodes (Redis) ──────┼─► Live ──► frames to whoever looks, one look a second for all
//	rules (Postgres) ───────────────────┘     └────► a sample every five seconds ─► sale_samples (Postgres)
//
// A node looks once a second at an event, for all who look at its desk, and not
// at all when nobody does. Samples are made for every event that fans may stand
// in line of, by whichever node with the web role comes first in a slot of
// five seconds: it holds an advisory lock of the event while it looks and
// writes, and the others pass.
//
// # When something fails
//
// Redis or Postgres away: the look fails, frames stop and say why, and there
// is no sample: the plots have a gap where nobody saw. A node that dies in the
// middle of a sample leaves none, and the next one makes it if the slot still
// lasts. What Redis counts (admitted, entered) begins anew when it lost the
// line; samples carry the epoch, so that nobody subtracts across it.
package desk
