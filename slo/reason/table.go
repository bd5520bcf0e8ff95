package reason

import (
	"embed"
	"fmt"
	"maps"
	"slices"
	"strings"
)

//go:embed packs/*.yaml
var builtin embed.FS

// Table classifies codes by the rules of its packs, of which the first that matches counts. It is made once and
// never changes, so many goroutines may use it.
type Table struct {
	packs   []Pack
	rules   []indexed
	schemes map[string]*scheme
}

// indexed is a rule with what became of its pack's fields.
type indexed struct {
	Rule
	pack string
}

// scheme is the index of one scheme: positions in Table.rules, ascending.
type scheme struct {
	list   string                // of keys that name none, from the pack
	exact  map[listCode][]uint32 // rules of one list
	any    map[string][]uint32   // by code: rules of whatever list
	prefix []uint32              // rules with prefixes, few
}

type listCode struct{ list, code string }

// Builtin reads the packs that come with the agent. An error means that the build is broken.
func Builtin() (*Table, error) {
	entries, err := builtin.ReadDir("packs")
	if err != nil {
		return nil, fmt.Errorf("reading the built-in packs: %w", err)
	}
	var packs []Pack
	for _, e := range entries {
		data, err := builtin.ReadFile("packs/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("reading the built-in packs: %w", err)
		}
		pack, problems := Parse(strings.TrimSuffix(e.Name(), ".yaml"), data)
		if err := problems.Err(); err != nil {
			return nil, fmt.Errorf("reading the built-in packs: %w", err)
		}
		packs = append(packs, pack)
	}
	return new(Table).With(packs...), nil
}

// With returns a table in which packs come before those of t, in the order given. t stays as it is.
func (t *Table) With(packs ...Pack) *Table {
	out := &Table{packs: slices.Concat(packs, t.packs), schemes: map[string]*scheme{}}
	for _, p := range out.packs {
		for _, r := range p.Rules {
			out.rules = append(out.rules, indexed{r, p.Name})
			out.index(uint32(len(out.rules) - 1))
		}
		// The last pack says what a key without a list means, so that a user's does not change it for ours.
		if s := out.schemes[p.Scheme]; s != nil && p.List != "" {
			s.list = p.List
		}
	}
	return out
}

func (t *Table) index(at uint32) {
	r := &t.rules[at]
	s := t.schemes[r.Scheme]
	if s == nil {
		s = &scheme{exact: map[listCode][]uint32{}, any: map[string][]uint32{}}
		t.schemes[r.Scheme] = s
	}
	for _, c := range r.exact {
		if r.List == "" {
			s.any[c] = append(s.any[c], at)
		} else {
			s.exact[listCode{r.List, c}] = append(s.exact[listCode{r.List, c}], at)
		}
	}
	if len(r.prefixes) > 0 {
		s.prefix = append(s.prefix, at)
	}
}

// Classify says what a code stands for to an observer. A code that no rule has is technical_unknown, counts end
// to end and is not Known. A key without a list is taken to be of the list that the scheme's pack names for all
// of it: status for iso20022. It allocates nothing.
func (t *Table) Classify(k Key, c Context) Verdict {
	s := t.schemes[k.Scheme]
	if s == nil || k.Code == "" {
		return unknown()
	}
	if k.List == "" {
		k.List = s.list
	}
	best := t.first(s.exact[listCode{k.List, k.Code}], c, len(t.rules))
	best = t.first(s.any[k.Code], c, best)
	for _, at := range s.prefix {
		if int(at) >= best {
			break
		}
		if r := &t.rules[at]; r.applies(c) && (r.List == "" || r.List == k.List) && r.hasPrefixOf(k.Code) {
			best = int(at)
		}
	}
	if best == len(t.rules) {
		return unknown()
	}
	return t.rules[best].verdict()
}

// first returns the position of the first rule that applies and comes before another, else that one's.
func (t *Table) first(rules []uint32, c Context, before int) int {
	for _, at := range rules {
		if int(at) >= before {
			break
		}
		if t.rules[at].applies(c) {
			return int(at)
		}
	}
	return before
}

func unknown() Verdict {
	return Verdict{Class: TechnicalUnknown, Own: Shadow, EndToEnd: Yes, Note: "no rule has this code"}
}

func (r *indexed) verdict() Verdict {
	return Verdict{Class: r.Class, Own: r.Own, EndToEnd: r.EndToEnd, Known: true, Note: r.Note, Pack: r.pack, Line: r.Line}
}

// Match is one rule that has a code.
type Match struct {
	Rule
	Pack    string
	Applies bool // to the observer asked about; the first that does counts
}

// Explain lists all rules that have a code, for whatever observer, in their order. A key without a list means
// what it means to Classify.
func (t *Table) Explain(k Key, c Context) []Match {
	s := t.schemes[k.Scheme]
	if s == nil || k.Code == "" {
		return nil
	}
	if k.List == "" {
		k.List = s.list
	}
	found := slices.Concat(s.exact[listCode{k.List, k.Code}], s.any[k.Code])
	for _, at := range s.prefix {
		if r := &t.rules[at]; (r.List == "" || r.List == k.List) && r.hasPrefixOf(k.Code) {
			found = append(found, at)
		}
	}
	slices.Sort(found)
	found = slices.Compact(found)
	out := make([]Match, len(found))
	for i, at := range found {
		out[i] = Match{t.rules[at].Rule, t.rules[at].pack, t.rules[at].applies(c)}
	}
	return out
}

// Schemes lists the schemes that any rule has, sorted.
func (t *Table) Schemes() []string { return slices.Sorted(maps.Keys(t.schemes)) }

// Lists lists the lists of a scheme, sorted. One that has a single list without a name has none.
func (t *Table) Lists(of string) []string {
	seen := map[string]bool{}
	for _, r := range t.rules {
		if r.Scheme == of && r.List != "" {
			seen[r.List] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// DefaultList is what a key of the scheme without a list is taken to be of; empty: of none.
func (t *Table) DefaultList(of string) string {
	if s := t.schemes[of]; s != nil {
		return s.list
	}
	return ""
}

// Codes lists the codes of a scheme's list that rules name in full, sorted.
func (t *Table) Codes(scheme, list string) []string {
	s := t.schemes[scheme]
	if s == nil {
		return nil
	}
	seen := map[string]bool{}
	for k := range s.exact {
		if k.list == list {
			seen[k.code] = true
		}
	}
	for c := range s.any {
		seen[c] = true
	}
	return slices.Sorted(maps.Keys(seen))
}
