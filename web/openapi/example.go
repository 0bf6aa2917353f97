package openapi

import (
	"encoding/json"
	"strings"
)

// Example is a value that a schema allows, of the samples that the house gave
// and of what the schema itself says.
func (t *Types) Example(s *Schema) any { return t.example(s, "", "", 0) }

// deepest is where an example ends, for types that lead back to themselves.
const deepest = 20

func (t *Types) example(s *Schema, component, name string, depth int) any {
	if depth > deepest {
		return nil
	}
	for _, key := range []string{component + "." + name, name} {
		if sample, ok := t.Samples[key]; ok && name != "" {
			return sample
		}
	}
	if s.Ref != "" {
		component = strings.TrimPrefix(s.Ref, "#/components/schemas/")
		return t.example(t.schemas[component], component, "", depth+1)
	}
	if len(s.OneOf) > 0 {
		return t.example(s.OneOf[0], component, "", depth)
	}
	if len(s.Enum) > 0 {
		return s.Enum[0]
	}
	kind, _ := s.Type.(string)
	if several, ok := s.Type.([]string); ok {
		kind = several[0]
	}
	switch kind {
	case "object":
		if len(s.Properties) == 0 {
			if more, ok := s.Additional.(*Schema); ok {
				return map[string]any{"one": t.example(more, component, "", depth+1)}
			}
			return map[string]any{}
		}
		var o object
		for _, p := range s.Properties {
			o = append(o, member{p.Name, t.example(p.Schema, component, p.Name, depth+1)})
		}
		return o
	case "array":
		items := []any{}
		one := strings.TrimSuffix(name, "s")
		if s.Items.Ref != "" || len(s.Items.Properties) > 0 {
			one = "" // a sample of that name is a word
		}
		for range max(1, value(s.MinItems)) {
			items = append(items, t.example(s.Items, component, one, depth+1))
		}
		return items
	case "integer", "number":
		return 1
	case "boolean":
		return false
	}
	switch {
	case s.Format == "date-time":
		return "2026-11-23T18:00:00Z"
	case s.Pattern != "":
		return t.Samples[s.Pattern]
	}
	return "text"
}

func value(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}

// object is an example's object, in the order of its schema.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON writes an object.
func (o object) MarshalJSON() ([]byte, error) {
	text := []byte("{")
	for i, m := range o {
		if i > 0 {
			text = append(text, ',')
		}
		name, err := json.Marshal(m.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		text = append(append(append(text, name...), ':'), value...)
	}
	return append(text, '}'), nil
}
