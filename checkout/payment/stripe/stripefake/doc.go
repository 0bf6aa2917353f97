// Package stripefake is a small Stripe with a memory, for tests: PaymentIntents
// with manual capture, refunds, disputes, lists and signed events, over HTTP and
// with the answers that Stripe gives (stripe-mock knows the shapes of requests,
// but remembers nothing).
//
// The payer's hands are Pay and Authenticate, the bank's is Dispute. A card
// behaves by its number, as in https://docs.stripe.com/testing. Idempotency keys
// are kept with their answers, failures included. Fail makes the next calls go
// wrong on the way there, on the way back, or at Stripe.
package stripefake
