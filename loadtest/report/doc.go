// Package report tells people and machines what a run came to. It reads a
// record; it is no part of a run.
package report
