// Package draw is the arithmetic of the fair draw, without an engine: what the
// house computes, and what anyone computes again from the published file.
//
// # The scheme
//
//	commitment  = SHA-256(seed), published when the event is created
//	root        = Merkle root (RFC 6962) of the entrants' ids, sorted, published at closing
//	entropy     = SHA-256(what the source gave), fixed after the root
//	rank(fan)   = HMAC-SHA256(key: seed ‖ entropy, message: fan id)
//	number(fan) = how many entrants have a smaller rank
//
// Ranks are compared as bytes; were two equal, the smaller id goes first. The
// number depends on the set of entrants, the seed and the entropy alone: not
// on when a fan came, nor on how often.
//
// Every function is pure. Nothing here fails but on input that is not in form.
package draw
