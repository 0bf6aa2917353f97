// Package house is a server in memory for tests of the load tester: it speaks
// the API just enough for a crowd, and can be told to lack one safeguard, so
// that a test sees the verdict that names what broke.
package house
