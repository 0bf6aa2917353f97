// Package worker does the house's work in the background: it runs the clerks,
// brings payments to their end, and sweeps up whatever was left lying.
//
// # Two ways to the same work
//
// The quick way is a hint: a push that finds nobody serving enqueues a clerk's
// task (asynq), a clerk's commit hands this process the captures it has decided on. The sure
// way is the sweeps: twice a second they look in Postgres (and at each mailbox)
// for what is due. A task is only a hint, so no task is retried by asynq, and a
// task that is lost costs a second. asynq's own recovery of a dead worker's
// tasks takes 75 seconds and more; nothing here waits for it.
//
//	push ─► task clerk:<event>:<generation> ─► clerk ─► report ─► payments captured, some hundred at once
//	  ▲                                                   └─► stock to admission
//	  └── sweeps: mailboxes without a lease · holds that ran out · payments to
//	      settle, unwind, open, watch, capture, void · refunds
//
// # What can fail, and what then
//
//   - A worker is killed: its clerks' leases end within three seconds, and the
//     next push or sweep wakes a clerk elsewhere. A payment it was at, or that one
//     of its clerks had handed over, is taken up by another worker after a grip's
//     time, with the same keys; a webhook of the sandbox after ten seconds.
//   - Several workers at once: sweeps find the same work, and the rows decide who
//     does it. Each consumer of the outbox is read for by one process at a time.
//   - Redis is away: the sweeps fail, say so, and find everything later.
//   - A sink or webhook receiver is away: rows stay, and are offered again.
//
// # Messages to people
//
// One consumer of the outbox turns domain events into messages (letters.go),
// which package notify keeps as rows. A loop lets them go at the pace of the
// configuration into a queue with a pool of its own, so a burst of them takes
// nothing from clerks and payments but its share of the machine. A domain event
// that concerns nobody who can be found is logged and left out.
package worker
