package strictyaml

import (
	"reflect"
	"slices"
	"strings"
)

// form is what may be written into a struct.
type form struct {
	names  []string
	fields [][]int // indices of the fields of these names, those of inline structs included
	rest   []int   // of the inline map that takes all else; nil: none does
	inline []int   // of the struct's own inline structs
}

// form is worked out once a file, since a file may hold very many values of one type.
func (s *source) form(t reflect.Type) form {
	if s == nil {
		return formOf(t)
	}
	if known, ok := s.forms.Load(t); ok {
		return known.(form)
	}
	f := formOf(t)
	s.forms.Store(t, f)
	return f
}

func formOf(t reflect.Type) form {
	var out form
	add := func(name string, at []int) {
		out.names, out.fields = append(out.names, name), append(out.fields, at)
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case !f.IsExported():
		case isInline(f) && f.Type.Kind() == reflect.Struct:
			out.inline = append(out.inline, i)
			if name == "-" {
				continue
			}
			inner := formOf(f.Type)
			for k, n := range inner.names {
				add(n, append([]int{i}, inner.fields[k]...))
			}
			if inner.rest != nil {
				out.rest = append([]int{i}, inner.rest...)
			}
		case name == "-":
		case isInline(f) && f.Type.Kind() == reflect.Map:
			out.rest = []int{i}
		case name == "":
			add(strings.ToLower(f.Name), []int{i})
		default:
			add(name, []int{i})
		}
	}
	return out
}

func isInline(f reflect.StructField) bool {
	_, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return slices.Contains(strings.Split(options, ","), "inline")
}
