// Package record is what a run leaves behind: everything that a fan was told,
// one Observation after the other, streamed to disk and read again by the
// judge, the tally and the reports.
package record
