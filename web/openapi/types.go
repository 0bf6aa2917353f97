package openapi

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Types makes schemas of Go types. What the house says of its types is set
// before the first one is made.
type Types struct {
	Names    map[reflect.Type]string // of components; the others are called as their Go type, without View at the end
	Values   map[reflect.Type][]any  // the closed set of values of a type
	Patterns map[reflect.Type]string // the form of a string
	Words    map[string]string       // what a field is: by "Component.field", or by "field" for all of that name
	Samples  map[string]any          // the value of a field in an example: by "Component.field", or by "field"

	Closed bool // objects have no more fields than they are said to have, which only tests may ask: fields may be added

	schemas map[string]*Schema
	types   map[string]reflect.Type
	said    map[string]bool
	err     error
}

// Components are the schemas made so far, by name. The error tells of two
// types with one name.
func (t *Types) Components() (map[string]*Schema, error) { return t.schemas, t.err }

// Unsaid are the keys of Words that no field has asked for.
func (t *Types) Unsaid() []string {
	var keys []string
	for key := range t.Words {
		if !t.said[key] {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Answer is the schema of what the program writes: structs with a name become
// components, and a field is required unless it may be left out.
func (t *Types) Answer(v any) *Schema { return t.of(reflect.TypeOf(v), false, "") }

// Body is the schema of what a caller writes. Only the fields that are named
// are required; a name with dots is a field of a field.
func (t *Types) Body(v any, required ...string) *Schema {
	s := t.of(reflect.TypeOf(v), true, "")
	for _, name := range required {
		at := s
		parts := strings.Split(name, ".")
		for i, part := range parts {
			index := slices.IndexFunc(at.Properties, func(p Property) bool { return p.Name == part })
			if index < 0 {
				t.fail("%T has no field %s, which is said to be required", v, name)
				break
			}
			if i == len(parts)-1 && !slices.Contains(at.Required, part) {
				at.Required = append(at.Required, part)
			}
			if at = at.Properties[index].Schema; at.Items != nil {
				at = at.Items
			}
		}
	}
	return s
}

func (t *Types) fail(format string, args ...any) {
	if t.err == nil {
		t.err = fmt.Errorf("openapi: "+format, args...)
	}
}

var (
	timeType = reflect.TypeFor[time.Time]()
	rawType  = reflect.TypeFor[json.RawMessage]()
)

func (t *Types) of(typ reflect.Type, body bool, inside string) *Schema {
	switch typ {
	case timeType:
		return &Schema{Type: "string", Format: "date-time"}
	case rawType:
		return &Schema{}
	}
	if values := t.Values[typ]; values != nil {
		return &Schema{Type: "string", Enum: values}
	}
	if pattern := t.Patterns[typ]; pattern != "" {
		return &Schema{Type: "string", Pattern: pattern}
	}
	switch typ.Kind() {
	case reflect.Pointer:
		return t.of(typ.Elem(), body, inside)
	case reflect.String:
		return &Schema{Type: "string"}
	case reflect.Bool:
		return &Schema{Type: "boolean"}
	case reflect.Float32, reflect.Float64:
		return &Schema{Type: "number"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return &Schema{Type: "integer"}
	case reflect.Slice:
		return &Schema{Type: "array", Items: t.of(typ.Elem(), body, inside)}
	case reflect.Array:
		n := typ.Len()
		return &Schema{Type: "array", Items: t.of(typ.Elem(), body, inside), MinItems: &n, MaxItems: &n}
	case reflect.Map:
		return &Schema{Type: "object", Additional: t.of(typ.Elem(), body, inside)}
	case reflect.Interface:
		return &Schema{}
	case reflect.Struct:
		if body || typ.Name() == "" {
			return t.object(typ, body, inside)
		}
		return t.component(typ)
	}
	t.fail("%s cannot be written as a schema", typ)
	return &Schema{}
}

func (t *Types) component(typ reflect.Type) *Schema {
	name := t.Names[typ]
	if name == "" {
		letters := []rune(strings.TrimSuffix(typ.Name(), "View"))
		letters[0] = unicode.ToUpper(letters[0])
		name = string(letters)
	}
	if known := t.types[name]; known != nil && known != typ {
		t.fail("%s and %s are both called %s: give one a name in Names", known, typ, name)
	}
	if t.schemas == nil {
		t.schemas, t.types = map[string]*Schema{}, map[string]reflect.Type{}
	}
	if t.types[name] == nil {
		t.types[name] = typ // before its fields: they may lead back to it
		t.schemas[name] = t.object(typ, false, name)
	}
	return &Schema{Ref: "#/components/schemas/" + name}
}

func (t *Types) object(typ reflect.Type, body bool, name string) *Schema {
	s := &Schema{Type: "object"}
	if t.Closed {
		s.Additional = false
	}
	for _, f := range fieldsOf(typ) {
		inside := ""
		if name != "" {
			inside = name + "." + f.name
		}
		schema := t.of(f.typ, body, inside)
		if f.typ.Kind() == reflect.Pointer && !f.omit && !body {
			schema = nullable(schema)
		}
		schema.Description = t.words(name, f.name)
		s.Properties = append(s.Properties, Property{f.name, schema})
		if !f.omit && !body {
			s.Required = append(s.Required, f.name)
		}
	}
	return s
}

func nullable(s *Schema) *Schema {
	if word, plain := s.Type.(string); plain {
		s.Type = []string{word, "null"}
		if s.Enum != nil {
			s.Enum = append(slices.Clone(s.Enum), nil)
		}
		return s
	}
	return &Schema{OneOf: []*Schema{s, {Type: "null"}}}
}

func (t *Types) words(component, field string) string {
	for _, key := range []string{component + "." + field, field} {
		if words, ok := t.Words[key]; ok {
			if t.said == nil {
				t.said = map[string]bool{}
			}
			t.said[key] = true
			return words
		}
	}
	return ""
}
