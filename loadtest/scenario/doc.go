// Package scenario reads a run from a YAML file: the event, the crowd, when it
// comes, and what befalls the house. docs/loadtest.md has every field.
//
// A file that is wrong is refused before anything runs, with every mistake by
// line and field; unknown fields are mistakes.
package scenario
