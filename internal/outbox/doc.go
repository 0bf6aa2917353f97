// Package outbox knows the domain events: their kinds and what each tells
// (docs/events.md), and how they are read in an order that can be relied on.
//
// # Writing
//
// A domain event is a row of the table outbox, inserted in the transaction of
// what it tells: both are there, or neither. Rows are never changed.
//
// # The order
//
// Seq only rises. Whoever changes an order, a payment, a reservation or an
// event holds its row's lock while it inserts, so what happened later has the
// higher seq: for each event (and for each thing of it) seq is the order in
// which things happened. Numbers may be missing, where a transaction was rolled
// back; an Event names the one before it of the same event (Previous), so that
// a reader far away can tell a gap from a loss.
//
// # What may be read
//
// Transactions end in another order than they took their numbers: number 8 may
// be visible while 7 is not committed yet. A reader who took 8 and moved its
// cursor on would never see 7. So readers read up to the horizon only: the
// highest number below which everything has ended. It is found in three steps:
//
//  1. read the last number that was handed out, H;
//  2. take a transaction id, X. A number is handed out only to a transaction
//     that has its id (see the default of outbox.seq in the schema), so whoever has a
//     number up to H has an id below X;
//  3. when no transaction below X runs any more (xmin of a fresh snapshot),
//     every row up to H is either visible or will never be.
//
// No writer waits for that and no row is touched; the price is that a row is
// read only when the transactions that began before it have ended. One that
// hangs holds the readers up (not the writers), and nothing is lost or reordered.
//
// # Several readers
//
// Each consumer has a cursor of its own, and for each event the seq that it was
// given last (Previous of the next), both moved after it has taken a batch: it
// sees every row at least once and in order, and one that is down holds up
// nobody else. An advisory lock lets one process at a time read for a consumer.
package outbox
