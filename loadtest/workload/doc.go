// Package workload measures four small things of any system that a spec file
// describes: joining a line, polling a position, opening sockets, reserving.
// It knows nothing of that system but its HTTP, so that two of them can be held
// side by side with the same load; make compare runs it.
//
// Each workload is closed: so many workers, each sending its next request when
// the last was answered. That is right for asking how much a system can take,
// and wrong for asking how long fans wait (loadtest run asks that).
//
// A request that fails is counted and does not stop the measuring; preparations
// that fail do, with the answer that they got.
package workload
