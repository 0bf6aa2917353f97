// Package trace reads and writes arrivals as NDJSON, so that a real drop can be
// played again and a made one shared. The first line is the head,
//
//	{"trace":1,"drop_ms":30000,"source":"model","event":"…"}
//
// and each other line one arrival, in order of time:
//
//	{"at":12.345,"fan":"p7"}
//	{"at":13.0,"fan":"p9","left":4000}
//
// at is milliseconds from the trace's beginning; drop_ms is the drop on the same
// scale; fan is a pseudonym, the same for the same fan within the file; left,
// when known, is how many milliseconds later the fan left the line unserved.
// Unknown fields are ignored.
//
// A trace is read one line at a time, in constant memory whatever its length. A
// line that is none, or that goes back in time, ends the reading with an error
// that names the line.
package trace
