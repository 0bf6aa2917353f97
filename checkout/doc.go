// Package checkout sells: the mailbox, the clerk, stock, reservations, orders,
// payments and tickets.
//
// # The way of a reservation
//
//	fan ─► Reserve ─► push.lua ─► mailbox (Redis list) ─► wake-up, if nobody serves
//	          ▲ (by the clerk's next    │ ≤ 256 letters
//	          │  visit, if it is here)  ▼
//	          │                   clerk (Serve): one lease per event
//	          │                         │ decides one at a time, in order (ledger)
//	          │                         ▼
//	          │              one Postgres transaction for a batch, or for those
//	          │              of all events whose clerks are here at the moment
//	          │              (lock on the sales, fences, stock and ledgers, rows, outbox)
//	          │                         │ after the commit
//	          └──── answers ◄───────────┤ in this process at once, to other nodes
//	                                    │ by one message for all events
//	                              trim.lua: trim, read the next letters
//	                              (a script an event, one round trip for all)
//
//	held ─► PlaceOrder ─► payment created ─► gateway ─► Webhook: authorized, duty settle
//	     ─► clerk: converted, duty capture ─► Perform: captured, tickets issued
//
// # What can fail, and what then
//
//   - A push whose answer was lost is repeated; a letter that waits is not put
//     in twice, and one that was decided is answered with what is stored.
//   - A letter that lies in the tray of this process' clerk (clerk_seat.go) is not
//     in Redis yet, and its caller waits. A clerk that goes, or is held up for 100 ms,
//     gives it back, and it is pushed; with the process both are lost, and nothing was told.
//   - A clerk that dies leaves its lease for three seconds; then the next push
//     or the sweep wakes another one. Letters are trimmed only after the commit,
//     so what was committed is recognised by its id and answered, not decided
//     again.
//   - Two clerks at once (a lease lost in a pause) waste time: the transaction
//     begins with the lock on the sale's row and compares the fence, which every
//     clerk raises when it begins. CHECK (held + sold <= capacity) is the last line.
//   - One of several clerks in a transaction has lost its fence, or Postgres
//     refuses its batch: the others' are committed, see clerk_together.go.
//   - An answer that was told before its letter was trimmed is not told again:
//     who repeats the request in between is answered from Postgres.
//   - A clerk that was not told what it is owed (the letter "due" is lost): the
//     sweep tells it, within half a second.
//   - Redis lost: requests that were waiting are lost and must be repeated by
//     their callers (a repeat has the same id). What is held, ordered or paid is
//     in Postgres and goes on as soon as letters can be pushed again.
//   - Postgres lost: nothing is decided; letters wait, callers hear "queued".
//   - A gateway that does not answer is asked again with the same key. What is
//     owed to a payment is its row's duty, and a sweep finds it: no payment stays
//     authorized or captured without either tickets or its money back.
//   - A gateway that is slow when it sends a webhook: the webhook is answered
//     within a second all the same, and the payment's look_at has a worker ask.
//
// Every change of stock is made by the clerk: reserve, release, expire, settle,
// unwind. No gateway is called inside it.
package checkout
