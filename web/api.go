package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/identity"
	"github.com/ropeline/ropeline/web/openapi"
)

// sections are the whole API.
var sections = slices.Concat(fanOperations, deskOperations)

// oneOf is an answer of one of two types.
type oneOf struct{ one, other any }

const problemType = "application/problem+json"

// newDocument writes the document of the routes that this house serves: some
// have no messages, or no sandbox. Closed is for tests, see package openapi.
func newDocument(served func(route string) bool, server, version string, closed bool) (*openapi.Document, *openapi.Types, error) {
	types := newTypes()
	types.Closed = closed
	d := &openapi.Document{
		OpenAPI: openapi.Version,
		Info:    openapi.Info{Title: "ropeline", Version: version, Description: aboutAPI},
		Paths:   map[string]map[string]*openapi.Operation{},
	}
	if server != "" {
		d.Servers = []openapi.Server{{URL: server}}
	}
	for _, s := range sections {
		tag := openapi.Tag{Name: s.name, Description: s.lead}
		for _, o := range s.operations {
			if !served(o.route) {
				continue
			}
			method, path := o.address()
			if d.Paths[path] == nil {
				d.Paths[path] = map[string]*openapi.Operation{}
			}
			d.Paths[path][strings.ToLower(method)] = o.write(types, s.name)
			if len(d.Tags) == 0 || d.Tags[len(d.Tags)-1].Name != tag.Name {
				d.Tags = append(d.Tags, tag)
			}
		}
	}
	var err error
	d.Components.Schemas, err = types.Components()
	d.Components.Security = securitySchemes
	return d, types, err
}

// address is the method and the path as OpenAPI writes it.
func (o operation) address() (method, path string) {
	method, path, _ = strings.Cut(o.route, " ")
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if name, is := strings.CutPrefix(part, ":"); is {
			parts[i] = "{" + name + "}"
		}
	}
	return method, strings.Join(parts, "/")
}

func (o operation) params() []string {
	var names []string
	for part := range strings.SplitSeq(o.route, "/") {
		if name, is := strings.CutPrefix(part, ":"); is {
			names = append(names, name)
		}
	}
	return names
}

func (o operation) write(types *openapi.Types, section string) *openapi.Operation {
	method, path := o.address()
	to := &openapi.Operation{
		ID: strings.ToLower(method) + strings.NewReplacer("/", "_", "{", "", "}", "", "-", "_", ".", "_").Replace(path), Tags: []string{section},
		Summary: o.says, Description: o.more, Responses: map[string]*openapi.Response{}, Security: o.security(),
	}
	if action := access[o.route]; action != open && action != identity.Self {
		to.Description = strings.TrimSpace(to.Description + " " + mayAct(action))
	}
	for _, name := range o.params() {
		schema := &openapi.Schema{Type: "string", Pattern: pathForms[name]}
		if form := o.path[name]; form != "" {
			schema.Pattern = form
		}
		to.Parameters = append(to.Parameters, openapi.Parameter{Name: name, In: "path", Description: pathWords[name], Required: true, Schema: schema})
	}
	for _, p := range o.query {
		to.Parameters = append(to.Parameters, openapi.Parameter{Name: p.name, In: "query", Description: p.says, Schema: types.Answer(p.value)})
	}
	headers := o.headers
	if o.once {
		headers = append(slices.Clone(headers), onceParam)
	}
	for _, p := range headers {
		to.Parameters = append(to.Parameters, openapi.Parameter{Name: p.name, In: "header", Description: p.says, Schema: types.Answer(p.value)})
	}
	if o.body != nil {
		schema := types.Body(o.body, strings.Fields(o.needs)...)
		to.Body = &openapi.Body{Required: true, Content: map[string]openapi.Media{"application/json": {Schema: schema, Example: types.Example(schema)}}}
	}
	if o.takes != "" {
		schema := &openapi.Schema{}
		if o.form != nil {
			schema = &openapi.Schema{Type: "object", Properties: o.form}
		}
		to.Body = &openapi.Body{Required: true, Content: map[string]openapi.Media{o.takes: {Schema: schema}}}
	}
	to.Responses[strconv.Itoa(o.success())] = o.response(types, o.success(), o.answer)
	for status, answer := range o.also {
		to.Responses[strconv.Itoa(status)] = o.response(types, status, answer)
	}
	o.writeProblems(types, to)
	return to
}

func (o operation) success() int {
	switch {
	case o.status != 0:
		return o.status
	case o.answer == nil && o.media == "":
		return http.StatusNoContent
	}
	return http.StatusOK
}

func (o operation) response(types *openapi.Types, status int, answer any) *openapi.Response {
	r := &openapi.Response{Description: http.StatusText(status)}
	switch {
	case answer != nil:
		schema := schemaOf(types, answer)
		r.Content = map[string]openapi.Media{"application/json": {Schema: schema, Example: types.Example(schema)}}
		if o.page && strings.HasPrefix(o.route, "GET ") {
			r.Description += "; a page where Accept prefers text/html"
			r.Content["text/html"] = openapi.Media{Schema: &openapi.Schema{Type: "string"}}
		}
	case o.media != "" && status == o.success():
		schema := &openapi.Schema{Type: "string"}
		if o.media == "application/json" {
			schema = &openapi.Schema{Type: "object"}
		}
		r.Content = map[string]openapi.Media{o.media: {Schema: schema}}
	}
	return r
}

func schemaOf(types *openapi.Types, answer any) *openapi.Schema {
	if two, is := answer.(oneOf); is {
		return &openapi.Schema{OneOf: []*openapi.Schema{types.Answer(two.one), types.Answer(two.other)}}
	}
	return types.Answer(answer)
}

// writeProblems writes a response for each status that the operation's problems have.
func (o operation) writeProblems(types *openapi.Types, to *openapi.Operation) {
	byStatus := map[int][]ropeline.Code{}
	for _, code := range o.problems() {
		byStatus[statuses[code]] = append(byStatus[statuses[code]], code)
	}
	for status, codes := range byStatus {
		words := make([]string, len(codes))
		values := make([]any, len(codes))
		for i, code := range codes {
			words[i], values[i] = string(code)+": "+codeWords[code], code
		}
		schema := &openapi.Schema{AllOf: []*openapi.Schema{types.Answer(problem{}), {Type: "object", Properties: openapi.Properties{{Name: "code", Schema: &openapi.Schema{Type: "string", Enum: values}}}}}}
		example := problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: codeWords[codes[0]], Code: codes[0]}
		to.Responses[strconv.Itoa(status)] = &openapi.Response{
			Description: strings.Join(words, " "), Content: map[string]openapi.Media{problemType: {Schema: schema, Example: example}},
		}
	}
}

// problems are the codes of an operation: its own, and those that every route
// of its kind has.
func (o operation) problems() []ropeline.Code {
	all := append(codes(ropeline.CodeInvalidRequest), o.codes...)
	if !strings.HasPrefix(o.route, "GET ") {
		all = append(all, ropeline.CodeCrossOrigin)
	}
	if o.body != nil || o.takes != "" {
		all = append(all, ropeline.CodeBodyTooLarge)
	}
	if o.once {
		all = append(all, ropeline.CodeInvalidKey, ropeline.CodeKeyReused)
	}
	switch o.who {
	case byFan:
		all = append(all, ropeline.CodeUnauthenticated, ropeline.CodeAccountRequired)
	case orNewFan:
		all = append(all, ropeline.CodeUnauthenticated, ropeline.CodeAccountRequired)
	case byAccount:
		all = append(all, ropeline.CodeUnauthenticated)
	}
	if action := access[o.route]; action != open {
		all = append(all, ropeline.CodeUnauthenticated, ropeline.CodeForbidden, ropeline.CodeNotFound)
		if action != identity.Self {
			all = append(all, ropeline.CodeTOTPRequired)
		}
	}
	for _, name := range o.params() {
		if code, known := missingCodes[name]; known {
			all = append(all, code)
		}
	}
	all = append(all, ropeline.CodeUnavailable, ropeline.CodeInternal)
	slices.Sort(all)
	return slices.Compact(all)
}

// security is how the caller shows who asks: each of the ways alone is enough.
func (o operation) security() []map[string][]string {
	ways := func(names ...string) []map[string][]string {
		list := []map[string][]string{}
		for _, name := range names {
			list = append(list, map[string][]string{name: {}})
		}
		return list
	}
	switch action := access[o.route]; {
	case action == identity.Self:
		return ways("sessionCookie", "session")
	case action != open:
		list := ways("sessionCookie", "session")
		if slices.Contains(identity.Actions(), action) {
			list = append(list, map[string][]string{"apiKey": {string(action)}})
		}
		return list
	}
	switch o.who {
	case byFan:
		return ways("fanCookie", "fan", "sessionCookie", "session")
	case orNewFan:
		return append(ways("fanCookie", "fan", "sessionCookie", "session"), map[string][]string{})
	case byAccount:
		return ways("sessionCookie", "session")
	case byGateway:
		return ways("gateway")
	}
	return ways()
}

// mayAct says which roles may do it.
func mayAct(action identity.Action) string {
	var roles []string
	for _, role := range identity.Roles {
		if role.Allows(action) {
			roles = append(roles, role.Words())
		}
	}
	if action == identity.Operate {
		return "Allowed to owners of the house."
	}
	return fmt.Sprintf("Allowed as %s; keys need the scope %s.", strings.Join(roles, ", "), action)
}

// describe writes the document of the routes, once.
func (s *Server) describe(routes *gin.Engine, version string) error {
	served := map[string]bool{}
	for _, r := range routes.Routes() {
		served[r.Method+" "+r.Path] = true
	}
	d, _, err := newDocument(func(route string) bool { return served[route] }, s.publicURL, version, false)
	if err != nil {
		return err
	}
	if s.document, err = json.Marshal(d); err != nil {
		return err
	}
	s.documentPage = newAPIView(d)
	return nil
}

// openAPI: GET /openapi.json.
func (s *Server) openAPI(c *gin.Context) error {
	c.Header("Cache-Control", "no-cache")
	return writeTagged(c, json.RawMessage(s.document))
}
