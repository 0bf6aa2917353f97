package openapi

import (
	"reflect"
	"strings"
)

// field is a field of a struct as encoding/json writes it.
type field struct {
	name  string
	typ   reflect.Type
	omit  bool // left out when it is empty
	depth int  // of embedding
}

// fieldsOf lists what encoding/json writes of a struct: the fields of embedded
// structs too, unless one of the same name is less deep.
func fieldsOf(typ reflect.Type) []field {
	all := collect(typ, 0)
	least := map[string]int{}
	for _, f := range all {
		if depth, known := least[f.name]; !known || f.depth < depth {
			least[f.name] = f.depth
		}
	}
	var fields []field
	for _, f := range all {
		if f.depth == least[f.name] {
			fields = append(fields, f)
		}
	}
	return fields
}

func collect(typ reflect.Type, depth int) []field {
	var all []field
	for i := range typ.NumField() {
		f := typ.Field(i)
		tag, tagged := f.Tag.Lookup("json")
		name, options, _ := strings.Cut(tag, ",")
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch {
		case tag == "-":
		case f.Anonymous && name == "" && inner.Kind() == reflect.Struct:
			all = append(all, collect(inner, depth+1)...)
		case !f.IsExported():
		default:
			if !tagged || name == "" {
				name = f.Name
			}
			omit := strings.Contains(","+options+",", ",omitempty,") || strings.Contains(","+options+",", ",omitzero,")
			all = append(all, field{name: name, typ: f.Type, omit: omit, depth: depth})
		}
	}
	return all
}
