// Package notify writes to people: it keeps messages as rows in Postgres, writes
// them from templates, and hands them to a Sender: SMTP, Twilio, or the log.
//
// # The way of a message
//
//	Post ─► queued ─► Release (paced) ─► a task ─► Deliver ─► sending ─► sent
//	          ▲                                                  ├─► moot
//	          │                                                  ├─► failed ─► (later) sending
//	          └──────────── Resend ◄───────────────────────────── dead
//
// Post inserts a row once for each Dedupe key, however often what it tells of
// is heard. Release lets rows whose time has come go at the configured rate,
// counted over all nodes by one row for each channel; messages to one person
// who waits for them go before those to a crowd. Whoever calls Release
// enqueues a task for each, and the task calls Deliver. The states are drawn
// in docs/states.md.
//
// # What can fail, and what then
//
//   - A task is lost (Redis, a worker): the row's lease ends, and Release lets
//     it go again.
//   - A worker dies while it sends, or the connection breaks after the message
//     was handed over: nobody knows whether it arrived, so it is sent again, with
//     the same Message-ID, by which mail programs and servers recognize it. So a
//     message comes at least once, and twice only then.
//   - The server says "not now" (4xx), or cannot be reached: the row fails and is
//     tried again after a growing pause with jitter, about a day in all.
//   - The server says no (5xx), or the last try failed: the row is dead. It stays
//     to be seen and sent again by an operator.
//   - What it tells is not so any more: the row is moot, and nobody looks at it.
//   - Two tasks for one row: the lease that each carries lets only the newest
//     deliver.
//   - The server is slow: at most InFlight messages are let go and not done.
//
// What a message says is looked up when it is sent (Options.Facts), so that a row
// holds ids and an address, no tickets. Addresses are masked in the log.
package notify
