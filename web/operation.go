package web

import (
	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/web/openapi"
)

// operation says of a route what a program needs to know to call it. The
// document at /openapi.json is made of them (api.go). To add a route, add its
// line to a section of the table: operations_fan.go, operations_desk.go; one
// that is for browsers alone goes into forBrowsers. Tests fail for a route that
// is missing, and for an answer that is not as it is said here.
//
// What every route of its kind may answer needs no words: see problemsOf.
type operation struct {
	route   string // as gin has it
	says    string // what it does, in a line
	more    string // what else a caller must know
	who     caller // of routes outside the desk; there the table access says it
	query   []param
	headers []param
	body    any    // a value of the type that is read; nil: none is
	needs   string // the fields of the body that must be there
	answer  any    // a value of the type that is written; nil: no body
	status  int    // of success; 0: 200, and 204 without a body
	also    map[int]any
	media   string             // of the answer, when it is no JSON
	takes   string             // media type of the body, when it is not read as JSON here
	form    openapi.Properties // what that body has, when it is a form
	once    bool               // Idempotency-Key is taken
	page    bool               // a browser gets a page
	path    map[string]string
	codes   []ropeline.Code // of problems that others of its kind have not
}

// section is a chapter of the API.
type section struct {
	name, lead string
	operations []operation
}

// param is a parameter of the query or a header; value is of its type.
type param struct {
	name, says string
	value      any
}

// caller is who may ask a route outside the desk.
type caller int

const (
	byAnybody caller = iota
	byFan            // by a fan's token, or the session of an account
	orNewFan         // the same, and nobody gets an identity
	byAccount        // by the session of an account
	byGateway        // by a signature
)

var (
	afterParam   = param{"after", "Where the page before ended: its next.", ""}
	offsetParam  = param{"offset", "The offset of the last status: the answer is no older.", ""}
	inParam      = param{"organization", "Which organization is meant; the first one of yours when absent.", ""}
	shopperParam = param{headerShopper, "The token that entering gave; a browser has it in a cookie.", ""}
	placeParam   = param{headerPlace, "The place that the fan keeps; a browser has it in a cookie.", ""}
	waitParam    = param{"Prefer", "wait=N waits up to N seconds, 10 at the most, for the clerk's decision (RFC 7240).", ""}
	workParam    = param{headerWork, "The solution of the work that joining costs, as base64 of JSON.", ""}
	etagParam    = param{"If-None-Match", "The ETag that is known: 304 when it is still the same.", ""}
	onceParam    = param{"Idempotency-Key", "Names the request: sent again with it, it has the first answer.", ""}
)

// merge is for routes that may fail as others do.
func merge(lists ...[]ropeline.Code) []ropeline.Code {
	var all []ropeline.Code
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

func codes(list ...ropeline.Code) []ropeline.Code { return list }
