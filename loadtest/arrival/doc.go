// Package arrival says when the fans of a crowd come: one moment after the
// other, in order, in constant memory, and the same for the same seed.
package arrival
