// Package queue is the line of an event: join, position, leave, and the feed
// that tells what changed. Redis holds the line; Postgres holds what makes it
// survivable: the epoch and the high-water mark of the numbers given out.
//
// # Numbers and positions
//
// Numbers are dense integers that never change and are never given twice.
// They are the scores of a sorted set of the fans who wait. A bitmap, gone,
// has a bit for every number that no longer waits, so that
//
//	number < next  ⇒  the number waits in the sorted set ⊕ its gone bit is set
//	position(n)    =  n − popcount(gone[0, n))
//
// A node fetches the bitmap once a second (Snapshot, Watch) and answers every
// poll from memory.
//
// # Epochs
//
//	          no meta, or meta of another life of the server
//	(missing) ────────────────────────────────────────────────▶ restore
//	    ▲                                                          │ row lock in Postgres,
//	    │ FLUSHALL, lost disk, failover                            │ epoch+1, next = high water
//	    └──────────────────────── line of epoch e ◀────────────────┘
//
// Every script compares the life (run_id) of the server with the one in the
// line's meta. A server that restarted or a replica that took over may have
// forgotten its last writes; it looks healthy and would give numbers out a
// second time. So a new life is a new epoch even if all data is there: the
// numbers from next to the high-water mark are marked gone and lost, and fans
// who hold a place with a lost number take it back on their next join.
// After a total loss all numbers are lost, and the line admits nobody for a
// moment (settle), so that the front can come back before the rest.
//
// # The lobby and its draw
//
// A line may have a lobby: a set of fans without numbers, from lobby_at to the
// drop. Then every node tries to take the next step of the draw; the row lock
// in Postgres lets one through at a time, and each step is one transaction:
//
//	open ──▶ closed ──▶ mixed ──▶ numbered ──▶ done
//	 fans     entrants   entropy   0…n−1 are    the line
//	 come     and root   is fixed, given, 250   is open
//	 and go   written    the seed  in a call
//	          down       revealed
//
// Package draw has the arithmetic. Numbers 0…n−1 are set aside at closing, so
// who comes later gets the next one at once and stands behind the entrants.
// Nobody is admitted before the state done. How far the numbers are given
// stands in Redis beside the numbers themselves.
//
// Redis lost in the state open: the lobby opens anew, in the next epoch, and
// stays open for 20 s at least; fans come back with their place in the lobby.
// Lost in closed or mixed: the entrants are read back from Postgres and the
// numbers are given again, the same ones. Lost later: the loss of a line; a
// fan who has only the place of the lobby, or none because the answer was lost,
// gets the number that the draw gave.
// A node that dies in a step: the transaction ends with its connection, and
// another node takes the step again.
//
// While the entrants are written down (a few seconds for a million) nobody can
// join or leave: code not_open, with a second to wait. An entrant who leaves
// after closing stays in the published set; the number is gone when it is given.
// A second device of a fan who left the lobby learns of it at the draw.
//
// # What fails, and what then
//
//   - Redis does not answer: every call fails with code unavailable. A join or
//     a leave whose reply was lost may have happened; repeating it is harmless.
//   - Redis lost the line: the next Join, Number, Snapshot or tick restores it
//     under the row lock of the line, once over all nodes. Those who come back
//     with a place get their number, unless it is at or below the highest number
//     that Postgres knows to be admitted: they were served, and go to the end.
//   - Redis lost the last second only: as above, but only numbers given in that
//     second are lost; everybody else still stands in the line. A fan who was
//     admitted or left in that second stands there again.
//   - Postgres does not answer: joins go on until the reserved block (10,000
//     numbers, fetched ahead at 2,000) is used up, then fail with unavailable.
//     Positions and leaves need no Postgres. A lost line waits for Postgres.
//   - A node dies: between reserving a block and telling Redis, the reservation
//     is picked up by the next node that asks; numbers stay dense. Between
//     restoring in Redis and committing in Postgres, the new line has no numbers
//     to give until Postgres covers them, so nothing is given twice; the next
//     restore takes the higher epoch of the two.
//
// What is weaker: a fan who left before a total loss and kept the place can
// come back to the old number; a fan who came back late, below the admitted
// mark, and then lives through a second loss goes to the end.
package queue
