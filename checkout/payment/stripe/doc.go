// Package stripe is the payment gateway Stripe (https://docs.stripe.com/api),
// by PaymentIntents that are authorized first and captured later.
//
// No card data comes here: the payer deals with Stripe's own Payment Element,
// with 3-D Secure inside it, by the intent's client secret. The API's version is
// pinned to Version, for calls by the library and for webhooks by a check.
//
// What can fail, and what then:
//
//   - A call is not repeated here (but net/http sends one again, with its key,
//     when it finds the connection closed). Its caller has written its
//     idempotency key down and calls again with it; a call takes CallTime at the
//     most.
//   - Stripe keeps the answer of a key for a day at least, failures of its own
//     (500) too, and gives it again with the header Idempotent-Replayed. Such a
//     failure would stick, so a replayed failure is passed over: the next key in
//     a row that is always the same ("key", "key:2", …) is tried, and whoever
//     repeats the call arrives at the same answer.
//   - After that day a key is forgotten. An intent is captured or canceled once
//     by its own state, and a refund is looked up by the key in its metadata
//     before it is made, so money moves once even then. An intent may be opened
//     a second time; nobody knows the first one's secret, so nobody can pay it.
//   - 409 (the key is in use), 429, 5xx, and 401 and 403 (the house's key is
//     wrong, which an operator can mend) are transient; every other refusal is
//     permanent. A cut line is neither: nobody knows.
package stripe
