// Package fraud says how likely an order is not an honest fan's, and in words
// why. It decides nothing about money: checkout holds to its verdict.
//
//	visit (web) ─► Place: counts in Redis, first score ─────► in the order's own transaction
//	                                                          (orders.risk_score, fraud_orders)
//	gateway authorizes ─► Judge: card, gateway's risk, ─────► verdict: allow, review or reject
//	                      declines, the counts anew           (with the authorization, see checkout)
//
// A score is a logistic model over standardised signals (model.go); what each
// signal is, how it is turned into a number and put into words stands in
// features.go. The weights come from a file, by default the embedded one, which
// Train has fitted to what Generate made up: see docs/fraud.md.
//
// # What can fail, and what then
//
//   - Both looks have 50 ms. What is not known by then counts as average, the
//     reasons say so, and the order goes on. Nothing here returns an error to
//     the way of an order.
//   - Redis lost: the counts begin anew; scores are too mild for some minutes.
//   - Postgres slow: the thresholds last read are used; when none were ever
//     read, the order is allowed. The verdict is written by checkout with the
//     authorization, so a crash asks again or has it; nothing is decided twice.
//   - A process that dies loses the last fraction of a second of its notes: who
//     joined (a count) and the signals as they were at the authorization, which
//     only training reads.
//
// # What is kept
//
// No address, e-mail, user agent or card is stored: each becomes 12 bytes of a
// MAC (keyring purpose fraud) over the event and the value, which nobody can
// reverse or compare between events without the house's secret. Redis forgets
// after 24 hours, Postgres' traces are purged after seven days, the signals,
// which are numbers, after 180.
package fraud
