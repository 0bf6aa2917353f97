package web

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/ropeline/ropeline"
	"github.com/ropeline/ropeline/web/openapi"
	"github.com/ropeline/ropeline/web/pages"
)

// apiPage: GET /docs/api, the document to read.
func (s *Server) apiPage(c *gin.Context) error {
	return s.pages.API(pages.Zip(c.Writer, c.Request), s.documentPage)
}

// newAPIView writes the document in the order of the table.
func newAPIView(d *openapi.Document) pages.APIView {
	view := pages.APIView{About: strings.Split(d.Info.Description, "\n\n")}
	for _, s := range sections {
		chapter := pages.APIChapter{ID: strings.ReplaceAll(strings.ToLower(strings.ReplaceAll(s.name, ",", "")), " ", "-"), Name: s.name, Lead: s.lead}
		for _, o := range s.operations {
			method, path := o.address()
			if written := d.Paths[path][strings.ToLower(method)]; written != nil {
				chapter.Operations = append(chapter.Operations, viewOperation(written, o, method, path))
			}
		}
		if len(chapter.Operations) > 0 {
			view.Chapters = append(view.Chapters, chapter)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Components.Schemas)) {
		view.Schemas = append(view.Schemas, pages.APISchema{Name: name, Fields: viewFields(d.Components.Schemas[name])})
	}
	for _, name := range slices.Sorted(maps.Keys(d.Components.Security)) {
		way := d.Components.Security[name]
		kind := way.In + " " + way.Name
		if way.Type == "http" {
			kind = "header Authorization: Bearer"
		}
		view.Ways = append(view.Ways, pages.APIField{Name: name, Kind: pages.APIKind{Before: kind}, Words: way.Description})
	}
	for _, code := range slices.SortedFunc(maps.Keys(codeWords), func(a, b ropeline.Code) int {
		if n := statuses[a] - statuses[b]; n != 0 {
			return n
		}
		return strings.Compare(string(a), string(b))
	}) {
		view.Problems = append(view.Problems, pages.APIField{Name: string(code), Where: strconv.Itoa(statuses[code]), Words: codeWords[code]})
	}
	return view
}

func viewOperation(written *openapi.Operation, o operation, method, path string) pages.APIOperation {
	view := pages.APIOperation{ID: written.ID, Method: method, Path: path, Says: written.Summary, More: written.Description}
	for _, p := range written.Parameters {
		view.Params = append(view.Params, pages.APIField{Name: p.Name, Where: p.In, Words: p.Description, Kind: kindOf(p.Schema), Required: p.Required})
	}
	if written.Body != nil {
		for kind, media := range written.Body.Content {
			view.Body = viewFields(media.Schema)
			view.BodyExample = exampleText(media)
			if len(view.Body) == 0 {
				view.Body = []pages.APIField{{Name: kind}}
			}
		}
	}
	for _, status := range slices.Sorted(maps.Keys(written.Responses)) {
		response := written.Responses[status]
		if _, problem := response.Content[problemType]; problem {
			continue
		}
		answer := pages.APIAnswer{Status: status, Words: response.Description}
		for _, kind := range slices.Sorted(maps.Keys(response.Content)) {
			media := response.Content[kind]
			if kind == "application/json" && o.media == "" {
				answer.Kinds = append(answer.Kinds, kindOf(media.Schema))
				answer.Example = exampleText(media)
			} else {
				answer.Kinds = append(answer.Kinds, pages.APIKind{Before: kind})
			}
		}
		view.Answers = append(view.Answers, answer)
	}
	for _, code := range o.problems() {
		view.Problems = append(view.Problems, pages.APIAnswer{Status: strconv.Itoa(statuses[code]), Words: string(code)})
	}
	slices.SortStableFunc(view.Problems, func(a, b pages.APIAnswer) int { return strings.Compare(a.Status, b.Status) })
	var ways []string
	anybody := false
	for _, way := range written.Security {
		anybody = anybody || len(way) == 0
		for name, scopes := range way {
			if len(scopes) > 0 {
				name += " with " + strings.Join(scopes, ", ")
			}
			ways = append(ways, name)
		}
	}
	if view.Ways = strings.Join(ways, ", or "); anybody && view.Ways != "" {
		view.Ways += ", or nothing"
	}
	return view
}

func exampleText(media openapi.Media) string {
	text, err := json.Marshal(media.Example)
	if err != nil || media.Example == nil {
		return ""
	}
	return string(text)
}

func viewFields(s *openapi.Schema) []pages.APIField {
	var fields []pages.APIField
	for _, p := range s.Properties {
		fields = append(fields, pages.APIField{Name: p.Name, Kind: kindOf(p.Schema), Words: p.Schema.Description, Required: slices.Contains(s.Required, p.Name)})
		inner := p.Schema
		if inner.Items != nil {
			inner = inner.Items
		}
		for _, f := range viewFields(inner) { // of bodies, which have no schemas with a name
			f.Name = p.Name + "." + f.Name
			fields = append(fields, f)
		}
	}
	return fields
}

// kindOf says in words what a schema allows.
func kindOf(s *openapi.Schema) pages.APIKind {
	switch {
	case s.Ref != "":
		return pages.APIKind{Schema: strings.TrimPrefix(s.Ref, "#/components/schemas/")}
	case len(s.OneOf) > 0:
		kind := kindOf(s.OneOf[0])
		if other := kindOf(s.OneOf[1]); other.Schema != "" {
			kind.After += " or " + other.Schema
		} else {
			kind.After += " or null"
		}
		return kind
	case s.Items != nil:
		kind := kindOf(s.Items)
		kind.Before = "list of " + kind.Before
		return kind
	case len(s.Enum) > 0:
		words := make([]string, len(s.Enum))
		for i, value := range s.Enum {
			if words[i] = fmt.Sprint(value); value == "" {
				words[i] = `""`
			}
		}
		return pages.APIKind{Before: strings.Join(words, " | ")}
	case s.Additional != nil && s.Additional != false:
		kind := kindOf(s.Additional.(*openapi.Schema))
		kind.Before = "map of " + kind.Before
		return kind
	}
	text := "any"
	switch kind := s.Type.(type) {
	case string:
		text = kind
	case []string:
		text = strings.Join(kind, " or ")
	}
	switch {
	case s.Format != "":
		text = strings.Replace(text, "string", s.Format, 1)
	case s.Pattern == idForm:
		text = strings.Replace(text, "string", "id", 1)
	}
	return pages.APIKind{Before: text}
}
