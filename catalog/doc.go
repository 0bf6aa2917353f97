// Package catalog keeps what is for sale: venues, events and their ticket
// types, in Postgres. How much of a ticket type is left is not here; stock
// belongs to package checkout.
//
// Reads are served from a small cache of one second a node, because every
// join and every poll asks whether the line is open. An event that is created
// is seen by all nodes within that second. When Postgres is away, a cached
// event stays readable for a minute, so that fans who wait go on waiting; after
// that, and for events not in the cache, reads fail with code unavailable.
package catalog
