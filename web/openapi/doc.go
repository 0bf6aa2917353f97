// Package openapi writes OpenAPI 3.1 documents. Types makes JSON Schemas of
// the Go types that travel as JSON, by the rules of encoding/json, so that
// the document says what the program sends. It knows nothing of the house:
// package web has the table of the operations and the words.
//
// It runs once, when the server is made, and fails only for a table that is
// wrong, which a test finds.
package openapi
