// Package judge holds what fans saw against the invariants I1 to I11 and names
// each that broke, with the first counterexample in full.
//
// The verdicts use what the server said (numbers, positions, deadlines, the
// ends of passes), and the client's clock only where a slack covers the time
// that an answer may have travelled or been held in a snapshot. They can miss
// a fault that no fan could see; they should never see one that is not there.
package judge
