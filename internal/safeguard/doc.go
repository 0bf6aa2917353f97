// Package safeguard lets a test take one of the house's safeguards away and see
// that the load tester's verdict names what breaks. In the program as it is
// built for anybody, Off is a constant false and the compiler removes what
// depends on it. A build with the tag unsafe_safeguards reads the environment
// variable ROPELINE_UNSAFE, a list by comma of the names below, and says so on
// stderr.
//
// Nothing here fails.
package safeguard

// The safeguards that can be taken away.
const (
	Fencing     = "fencing"     // a clerk that was overtaken must not write
	Transaction = "transaction" // a batch is written whole or not at all
	Draw        = "draw"        // numbers come in the order of the draw
	Clock       = "clock"       // the bucket fills by Redis' clock and no other
)
