// Package pace is the arithmetic of admission without an engine: an
// organizer's rules, the token bucket, and one tick as a pure function. It
// imports the vocabulary only, so that a forecast outside the house plays the
// same tick as the house; a property test in package admission holds the
// script in Redis equal to it.
//
// Nothing here fails but Validate; no function reads a clock.
package pace
