// Package web is the front of the house: the HTTP API, the pages, and the
// live hub behind the waiting page. It checks who asks and whether they may,
// and leaves every decision about the line, admission and stock to the rooms
// that own them.
//
// # The way of a request
//
//	request → limits and headers → who asks (identify.go) → handler
//	        → catalog · queue · admission · checkout · identity
//	        ← JSON, a page, or an RFC 9457 problem (problem.go)
//
// A handler returns an error; problem.go is the one place where a code of the
// vocabulary becomes an HTTP status. Bad input is a 4xx and changes nothing.
//
// # When something is away
//
// Redis away: joins, entering and leaving answer 503 unavailable with
// Retry-After; polls and open sockets keep telling the last known position,
// and the hub catches up from the feed when Redis is back. A shopper's token
// verifies without Redis, yet reserving needs the mailbox and answers 503.
// Postgres away: fans who wait notice nothing; what needs an event that is
// not in the cache, an order or a sign-in answers 503. A node that stops
// closes its sockets with 4002, and fans reconnect to another with jitter.
package web
