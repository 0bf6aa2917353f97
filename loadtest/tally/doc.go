// Package tally counts what fans saw: the funnel, the outcomes, the problems
// met, and how long answers took, by step and by time.
package tally
