package strictyaml

import (
	"encoding"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/assayer-io/assayer/internal/problem"
)

// Unmarshaler is implemented by types that read themselves. They return every problem they find,
// placed with [Node.Problem].
type Unmarshaler interface {
	UnmarshalNode(n Node) problem.List
}

// funcUnmarshaler is what the types of the Prometheus libraries implement.
type funcUnmarshaler interface {
	UnmarshalYAML(unmarshal func(any) error) error
}

// validator is called once a struct has been read, with what could be read of it. An error that is
// a problem.List names its paths relative to the struct.
type validator interface {
	Validate() error
}

// Decode lays n over into, a non-nil pointer, and returns every problem. A field of type [Node]
// takes its value as it is, to be decoded later. A struct with a method Validate() error is
// validated once it has been read, inline ones included, and whatever else is wrong with it: values
// that cannot be read leave the default, and Validate is not heard on what was told of already. No
// pointer in a list is left nil.
func (n Node) Decode(into any) problem.List {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return problem.List{n.Problem(problem.Problem{Message: fmt.Sprintf("decoding into a %T, which is not a pointer", into)})}
	}
	if !n.Exists() {
		return nil
	}
	var d decoder
	d.value(n, v.Elem())
	return d.problems
}

type decoder struct{ problems problem.List }

func (d *decoder) report(n Node, p problem.Problem) {
	d.problems = append(d.problems, n.Problem(p))
}

func (d *decoder) wrong(n Node, allowed string) {
	d.problems = append(d.problems, n.Wrong(allowed))
}

func (d *decoder) value(n Node, out reflect.Value) {
	if out.Type() == reflect.TypeFor[Node]() {
		out.Set(reflect.ValueOf(n))
		return
	}
	if out.Kind() == reflect.Pointer {
		d.pointer(n, out)
		return
	}
	if d.own(n, out) {
		return
	}
	switch out.Kind() {
	case reflect.Struct:
		d.structure(n, out)
	case reflect.Map:
		d.mapping(n, out)
	case reflect.Slice:
		d.list(n, out)
	case reflect.Interface:
		d.anything(n, out)
	default:
		d.scalar(n, out)
	}
}

// pointer decodes over a copy of what the pointer held, since defaults may share it.
func (d *decoder) pointer(n Node, out reflect.Value) {
	target := reflect.New(out.Type().Elem())
	if !out.IsNil() {
		target.Elem().Set(out.Elem())
	} else if !n.Exists() && (target.Elem().Kind() == reflect.Struct || target.Elem().Kind() == reflect.Map) {
		return
	}
	d.value(n, target.Elem())
	out.Set(target)
}

// own lets types read themselves and reports whether out is one that does.
func (d *decoder) own(n Node, out reflect.Value) bool {
	if !out.CanAddr() {
		return false
	}
	switch t := out.Addr().Interface().(type) {
	case Unmarshaler:
		d.problems = append(d.problems, t.UnmarshalNode(n)...)
	case *time.Duration:
		if v, ok := d.duration(n); ok {
			*t = v
		}
	case *model.Duration:
		if v, ok := d.duration(n); ok {
			*t = model.Duration(v)
		}
	case funcUnmarshaler:
		if n.Exists() || !composite(out.Kind()) {
			d.foreign(n, t)
		}
	case encoding.TextUnmarshaler:
		if !n.Exists() || n.yaml.Kind != yaml.ScalarNode {
			d.wrong(n, "text")
		} else if err := t.UnmarshalText([]byte(n.yaml.Value)); err != nil {
			d.report(n, problem.Problem{Message: plainError(err)})
		}
	default:
		return false
	}
	return true
}

func composite(k reflect.Kind) bool {
	return k == reflect.Struct || k == reflect.Map || k == reflect.Slice
}

// foreign hands a library's type this decoder in place of its own. What the type tried and gave
// up is forgotten; only the error it returns counts.
func (d *decoder) foreign(n Node, t funcUnmarshaler) {
	err := t.UnmarshalYAML(func(into any) error {
		v := reflect.ValueOf(into)
		if v.Kind() != reflect.Pointer || v.IsNil() {
			return fmt.Errorf("decoding into a %T, which is not a pointer", into)
		}
		var inner decoder
		inner.value(n, v.Elem())
		return inner.problems.Err()
	})
	d.failed(n, err)
}

// failed reports an error of code that is not ours.
func (d *decoder) failed(n Node, err error) {
	if err == nil {
		return
	}
	if list, ok := errors.AsType[problem.List](err); ok {
		d.problems = append(d.problems, list...)
		return
	}
	d.report(n, problem.Problem{Message: plainError(err)})
}

// plainError leaves out what net/url repeats of a URL, which may hold a password.
func plainError(err error) string {
	if _, ok := errors.AsType[*url.Error](err); ok {
		return "not a valid URL"
	}
	return cut(strings.TrimPrefix(err.Error(), "yaml: "))
}

func (d *decoder) structure(n Node, out reflect.Value) {
	if !n.Exists() {
		return
	}
	known := n.in.form(out.Type())
	if !n.IsMapping() {
		d.wrong(n, "a mapping with the fields "+strings.Join(known.names, ", "))
		return
	}
	d.duplicates(n)
	for _, e := range n.Entries() {
		switch i := slices.Index(known.names, e.Key); {
		case i >= 0:
			d.value(e.Value, out.FieldByIndex(known.fields[i]))
		case known.rest != nil:
			d.mapEntry(e.Value, reflect.ValueOf(e.Key), out.FieldByIndex(known.rest))
		default:
			d.problems = append(d.problems, n.UnknownField(e.Key, known.names))
		}
	}
	var judged decoder
	judged.validate(n, out)
	d.problems = d.problems.Merge(judged.problems)
}

// UnknownField says that key of the mapping n, or n itself if key is empty, is none of known.
func (n Node) UnknownField(key string, known []string) problem.Problem {
	p := n.Problem(problem.Problem{Message: "unknown field" + DidYouMean(key, known), Allowed: strings.Join(known, ", ")})
	p.Path = childPath(n.path, key)
	for _, f := range fields(n.yaml) {
		if f.key.Value == key {
			p.Line, p.Column = f.key.Line, f.key.Column
		}
	}
	return p
}

// validate runs Validate of the struct and of its inline structs, whose own UnmarshalYAML was
// never called.
func (d *decoder) validate(n Node, out reflect.Value) {
	for _, i := range n.in.form(out.Type()).inline {
		d.validate(n, out.Field(i))
	}
	v, ok := reflect.TypeAssert[validator](out.Addr())
	if !ok {
		return
	}
	err := v.Validate()
	if list, ok := errors.AsType[problem.List](err); ok {
		for _, p := range list {
			d.report(n, p)
		}
		return
	}
	d.failed(n, err)
}

func (d *decoder) mapping(n Node, out reflect.Value) {
	if !n.Exists() {
		return
	}
	if !n.IsMapping() {
		d.wrong(n, "a mapping")
		return
	}
	d.duplicates(n)
	fresh := reflect.MakeMap(out.Type())
	if !out.IsNil() {
		for it := out.MapRange(); it.Next(); {
			fresh.SetMapIndex(it.Key(), it.Value())
		}
	}
	for _, e := range n.Entries() {
		key := reflect.New(out.Type().Key()).Elem()
		before := d.problems.Errors()
		d.value(Node{yaml: &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: e.Key}, near: e.Value.near, in: n.in, path: e.Value.path}, key)
		if d.problems.Errors() == before {
			d.mapEntry(e.Value, key, fresh)
		}
	}
	out.Set(fresh)
}

func (d *decoder) mapEntry(n Node, key, into reflect.Value) {
	if into.IsNil() {
		into.Set(reflect.MakeMap(into.Type()))
	}
	element := reflect.New(into.Type().Elem()).Elem()
	d.element(n, element)
	into.SetMapIndex(key.Convert(into.Type().Key()), element)
}

func (d *decoder) list(n Node, out reflect.Value) {
	if !n.Exists() {
		return
	}
	if !n.IsList() {
		d.wrong(n, "a list")
		return
	}
	items := n.Items()
	fresh := reflect.MakeSlice(out.Type(), len(items), len(items))
	for i, item := range items {
		d.element(item, fresh.Index(i))
	}
	out.Set(fresh)
}

// element is a value for which there is no default to fall back on.
func (d *decoder) element(n Node, out reflect.Value) {
	if !n.Exists() && out.Kind() != reflect.Interface && out.Type() != reflect.TypeFor[Node]() {
		d.report(n, problem.Problem{Message: problem.NoValue})
		if out.Kind() == reflect.Pointer {
			out.Set(reflect.New(out.Type().Elem()))
		}
		return
	}
	d.value(n, out)
}

// anything fills an interface with maps, lists and scalars.
func (d *decoder) anything(n Node, out reflect.Value) {
	if out.NumMethod() > 0 || !n.Exists() {
		if n.Exists() {
			d.wrong(n, "nothing: this field is not read from files")
		}
		return
	}
	var v reflect.Value
	switch {
	case n.IsMapping():
		v = reflect.ValueOf(&map[string]any{}).Elem()
	case n.IsList():
		v = reflect.ValueOf(&[]any{}).Elem()
	default:
		var scalar any
		if err := n.yaml.Decode(&scalar); err != nil {
			d.report(n, problem.Problem{Message: plainError(err)})
			return
		}
		out.Set(reflect.ValueOf(scalar))
		return
	}
	d.value(n, v)
	out.Set(v)
}

// keys are those met so far, numbered from 0. Few of them are found sooner without a map.
type keys struct {
	few  []string
	many map[string]int
}

const fewKeys = 16

// add returns the number of the key, and whether it was met before.
func (k *keys) add(key string) (number int, again bool) {
	if k.many != nil {
		if number, again = k.many[key]; !again {
			number = len(k.many)
			k.many[key] = number
		}
		return number, again
	}
	if number = slices.Index(k.few, key); number >= 0 {
		return number, true
	}
	if k.few = append(k.few, key); len(k.few) > fewKeys {
		k.many = make(map[string]int, 2*fewKeys)
		for i, f := range k.few {
			k.many[f] = i
		}
	}
	return len(k.few) - 1, false
}

// field is a key and its value as they stand in the file.
type field struct{ key, value *yaml.Node }

// fields lists a mapping's own fields, the first of equal keys only, then those that merge keys
// (<<) bring and it does not have itself.
func fields(n *yaml.Node) []field {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	var merged []field
	out := make([]field, 0, len(n.Content)/2)
	var seen keys
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := resolve(n.Content[i]), n.Content[i+1]
		if isMerge(key) {
			merged = append(merged, mergedFields(value)...)
			continue
		}
		if key.Kind == yaml.ScalarNode {
			if _, again := seen.add(key.Value); !again {
				out = append(out, field{key, value})
			}
		}
	}
	for _, f := range merged {
		if _, again := seen.add(f.key.Value); !again {
			out = append(out, f)
		}
	}
	return out
}

// mergedFields are those of what a merge key names.
func mergedFields(value *yaml.Node) []field {
	var out []field
	from := []*yaml.Node{resolve(value)}
	if from[0].Kind == yaml.SequenceNode {
		from = from[0].Content
	}
	for _, m := range from {
		out = append(out, fields(resolve(m))...)
	}
	return out
}

// lookUp finds the one of [fields] that has the key.
func lookUp(n *yaml.Node, key string) (field, bool) {
	if n == nil || n.Kind != yaml.MappingNode {
		return field{}, false
	}
	merges := false
	for i := 0; i+1 < len(n.Content); i += 2 {
		switch k := resolve(n.Content[i]); {
		case isMerge(k):
			merges = true
		case k.Kind == yaml.ScalarNode && k.Value == key:
			return field{k, n.Content[i+1]}, true
		}
	}
	if merges {
		for _, f := range fields(n) {
			if f.key.Value == key {
				return f, true
			}
		}
	}
	return field{}, false
}

func isMerge(key *yaml.Node) bool { return key.Kind == yaml.ScalarNode && key.ShortTag() == "!!merge" }

// duplicates reports keys written twice and keys that are not plain text.
func (d *decoder) duplicates(n Node) {
	var seen keys
	var lines []int
	for i := 0; i+1 < len(n.yaml.Content); i += 2 {
		key, at := resolve(n.yaml.Content[i]), Node{near: n.yaml.Content[i], in: n.in, path: n.path}
		if key.Kind != yaml.ScalarNode {
			d.report(at, problem.Problem{Message: "a key is a list or a mapping", Allowed: "text"})
			continue
		}
		if isMerge(key) {
			d.merge(n, n.yaml.Content[i+1])
			continue
		}
		if first, again := seen.add(key.Value); again {
			at.path = childPath(n.path, key.Value)
			d.report(at, problem.Problem{Message: "duplicate key, first on line " + strconv.Itoa(lines[first])})
			continue
		}
		lines = append(lines, n.yaml.Content[i].Line)
	}
}

func (d *decoder) merge(n Node, value *yaml.Node) {
	from := []*yaml.Node{resolve(value)}
	if from[0].Kind == yaml.SequenceNode {
		from = from[0].Content
	}
	for _, m := range from {
		if resolve(m).Kind != yaml.MappingNode {
			d.wrong(n.child(childPath(n.path, "<<"), m, m), "a mapping to take fields from")
		}
	}
}
