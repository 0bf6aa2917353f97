// Package admission lets fans out of the line at the pace that the organizer
// sets, and knows who was let out: the shoppers of an event.
//
//	           tick                 Enter                 Done, or time to shop ends
//	waiting ─────────▶ admitted ───────────▶ entered (shopping) ───────────▶ gone
//	                       │   the pass ran out: a no-show                    ▲
//	                       └──────────────────────────────────────────────────┘
//
// There is no leader. Every node calls one script for each event, ten times a
// second where somebody waits in line and once a second elsewhere; the script
// refills the bucket by Redis' clock, sweeps those whose time is over, and takes
//
//	min(tokens, batch, max shoppers − shoppers, stock left − shoppers without a reservation)
//
// fans from the head of the line. N nodes admit no faster than one, and a
// node that dies takes nothing along. Package pace has the same arithmetic in Go,
// without an engine; a property test holds the two equal.
//
// # The pace
//
// The organizer's rate r, which may follow a schedule, is a rate of fans who
// enter. Without compensation (the default) it is also that of admissions, and
// for every window of length t
//
//	(I3)  admissions ≤ r·t + burst
//
// A pass that runs out or is given up unused gives its admission back. With
// compensation of c percent the loop gives those admissions again, on top of
// the rate, at most a burst of them at a time, so that as many fans enter per
// minute as r says while at most c/(100+c) of the admitted stay away. Two
// bounds then hold for every window, and the log proves both:
//
//	admissions                             ≤ r·(1 + c/100)·t + burst
//	admissions − those given a second time ≤ r·t + burst
//
// with r·(1 + c/100) rounded down to whole admissions per minute.
//
// An organizer may name fans who wait to be let in next (Bypass). They come
// before the head of the line (I2 bypass aside), and count like all others
// against the rate, the most shoppers and the stock gate. Stop stops all nodes
// at once: it is in Redis before it is in Postgres.
//
// Foresee tells what rules lead to, by playing pace.Decide forward.
//
// # The pace log
//
// Everything that changes the pace is in a public chain of hashes (package
// internal/pacelog). Rules and bypasses get there in the transaction that makes
// them; ticks through the line's feed, read by its offsets off the ticks' path
// and written with the offset, so that each is there once whichever node does
// it or dies. VerifyPace replays a log against the rules in it.
//
// A pass is a signed fact about a shopper: every node makes the same one from
// the same record, and anyone with the public key may verify it. It is
// redeemed once. A shopper token is what a redeemed pass is exchanged for; it
// is verified without Redis.
//
// # What fails, and what then
//
//   - Redis does not answer: nobody is admitted and nobody enters; both go on
//     when it is back. Shoppers go on shopping: their token needs no Redis. A
//     tick whose reply was lost is asked for again by its operation id; if that
//     fails too, those it admitted find out from the feed or from Shopper.
//   - Redis lost everything: the tick restores the line through package queue
//     and the rules from Postgres. The bucket starts empty, so that the loss
//     does not let a second burst in, and the line settles before anybody is
//     admitted. Who was admitted before and holds a pass enters with it; the
//     redemption is recorded anew. Who shops goes on by the token, but no longer
//     counts among the shoppers, so for one shopping time there may be more of
//     them than the rules say. With the stock gate, nobody is admitted until the
//     worker has published the stock again (a second).
//     Ticks that were not logged yet are lost to the pace log, which says that
//     an epoch began; so are bypasses that no tick had taken.
//   - Redis lost its last second: a fan admitted in it may be admitted again; a
//     pass redeemed in it may be redeemed again, by the same fan.
//   - Postgres does not answer: admission goes on by the rules in Redis; rules
//     cannot be changed or healed.
//   - A node dies after it wrote new rules to Postgres and before it told
//     Redis: the other nodes find out within a second and tell.
package admission
