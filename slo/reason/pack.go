package reason

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
)

// Bounds of one pack.
const (
	MaxPackBytes = 1 << 20
	maxRules     = 10_000
	maxCodes     = 100_000 // of all rules, ranges counted in full
	maxText      = 1_000   // bytes of a note or source
)

// Pack is a file of rules, in the order in which they are tried.
type Pack struct {
	Name   string // what a verdict names: iso20022, or the file
	Scheme string // of rules that name none
	List   string // of rules, and of keys, that name none; empty: rules without a list are for every list
	Source string // of rules that name none
	AsOf   string // likewise: 2025, 2025-05 or 2025-05-31
	Rules  []Rule
}

// Rule says what codes mean to an observer.
type Rule struct {
	Line      int // in its file
	Scheme    string
	List      string   // empty: every list of the scheme
	Codes     []string // as written: AB05, AB*, R41-R46
	Roles     []string // any of them; empty: whoever we were
	Direction string   // out, in; empty: either
	Class     Class
	Own       Burn
	EndToEnd  Burn
	Note      string
	Source    string
	AsOf      string

	exact, prefixes []string
}

// applies reports whether the observer is one that the rule is about.
func (r *Rule) applies(c Context) bool {
	return (r.Direction == "" || r.Direction == c.Direction) && (len(r.Roles) == 0 || slices.Contains(r.Roles, c.Role))
}

func (r *Rule) hasPrefixOf(code string) bool {
	return slices.ContainsFunc(r.prefixes, func(p string) bool { return strings.HasPrefix(code, p) })
}

// Burns says what a class does to the two budgets where a rule does not say: own is Shadow where the class
// leaves open whether it was us.
func (c Class) Burns() (own, endToEnd Burn) {
	switch c {
	case TechnicalOwn, InDoubt:
		return Yes, Yes
	case TechnicalPeer, TechnicalScheme:
		return No, Yes
	case TechnicalUnknown, Format, Duplicate, Routing, CutOff, Liquidity:
		return Shadow, Yes
	case Ambiguous:
		return No, Shadow
	}
	return No, No
}

// Classes lists all classes, the good one first.
func Classes() []Class {
	return []Class{
		Good, TechnicalOwn, TechnicalPeer, TechnicalScheme, TechnicalUnknown, Format, Duplicate, Routing, CutOff, Liquidity,
		Business, Fraud, Compliance, Ambiguous, InDoubt, Info,
	}
}

// roles are those that built-in packs have; a user's pack may have others.
func roles() []string {
	return []string{
		"debtor_agent", "creditor_agent", "intermediary", "instructed_agent", "csm", "issuer", "acquirer", "network", "merchant",
		"odfi", "rdfi", "operator", "originator", "venue", "broker", "client", "server",
	}
}

// packForm and ruleForm are what is written.
type packForm struct {
	Scheme string            `yaml:"scheme"`
	List   string            `yaml:"list"`
	Source string            `yaml:"source"`
	AsOf   string            `yaml:"as_of"`
	Rules  []strictyaml.Node `yaml:"rules"`
}

type ruleForm struct {
	Scheme    string   `yaml:"scheme"`
	List      string   `yaml:"list"`
	Codes     []string `yaml:"codes"`
	Roles     []string `yaml:"roles"`
	Direction string   `yaml:"direction"`
	Class     Class    `yaml:"class"`
	Own       Burn     `yaml:"own"`
	EndToEnd  Burn     `yaml:"end_to_end"`
	Note      string   `yaml:"note"`
	Source    string   `yaml:"source"`
	AsOf      string   `yaml:"as_of"`
}

// Parse reads a pack. name goes into verdicts and problems. When the problems hold an error the pack is
// incomplete.
func Parse(name string, data []byte) (Pack, problem.List) {
	docs, problems := strictyaml.Parse(name, data, MaxPackBytes)
	if len(docs) != 1 {
		if problems.Errors() == 0 {
			problems = append(problems, problem.Problem{File: name, Message: "not a pack of reason codes", Got: fmt.Sprint(len(docs)) + " documents", Allowed: "exactly one"})
		}
		return Pack{Name: name}, problems
	}
	r := packReader{problems: problems}
	r.read(name, docs[0])
	r.problems.Sort()
	return r.pack, r.problems
}

type packReader struct {
	pack     Pack
	problems problem.List
	codes    int
}

func (r *packReader) read(name string, doc strictyaml.Node) {
	var form packForm
	r.problems = append(r.problems, doc.Decode(&form)...)
	r.pack = Pack{Name: name, Scheme: form.Scheme, List: form.List, Source: form.Source, AsOf: form.AsOf}
	r.names(doc, form.Scheme, form.List)
	r.texts(doc, form.Source, form.AsOf, "")
	if len(form.Rules) > maxRules {
		p := doc.Field("rules").Problem(problem.Problem{Message: "too many rules", Got: strconv.Itoa(len(form.Rules)), Allowed: "at most " + strconv.Itoa(maxRules)})
		r.problems = append(r.problems, p)
		return
	}
	if len(form.Rules) == 0 && !r.problems.HasAt(name, "rules") {
		r.wrong(doc, "rules", problem.NoValue, "", "a list of rules")
	}
	for _, n := range form.Rules {
		r.rule(n)
	}
}

// wrong reports a field below n.
func (r *packReader) wrong(n strictyaml.Node, field, message, got, allowed string) {
	r.problems = r.problems.Merge(problem.List{n.At(field).Problem(problem.Problem{Message: message, Got: got, Allowed: allowed})})
}

func (r *packReader) rule(n strictyaml.Node) {
	var f ruleForm
	r.problems = append(r.problems, n.Decode(&f)...)
	rule := Rule{
		Line: n.Line(), Scheme: cmp.Or(f.Scheme, r.pack.Scheme), List: f.List, Codes: f.Codes, Roles: f.Roles, Direction: f.Direction,
		Class: f.Class, Own: f.Own, EndToEnd: f.EndToEnd, Note: f.Note, Source: cmp.Or(f.Source, r.pack.Source), AsOf: cmp.Or(f.AsOf, r.pack.AsOf),
	}
	if f.List == "" && (f.Scheme == "" || f.Scheme == r.pack.Scheme) {
		rule.List = r.pack.List
	}
	if rule.Scheme == "" {
		r.wrong(n, "scheme", problem.NoValue, "", "the scheme whose codes these are, such as iso20022, here or for the whole pack")
	}
	r.names(n, f.Scheme, f.List)
	r.texts(n, f.Source, f.AsOf, f.Note)
	r.observer(n, f)
	r.outcome(n, &rule)
	r.spell(n, &rule)
	r.pack.Rules = append(r.pack.Rules, rule)
}

func (r *packReader) observer(n strictyaml.Node, f ruleForm) {
	switch f.Direction {
	case "", "in", "out":
	default:
		r.wrong(n, "direction", "", f.Direction, "in, out; leave it out for either")
	}
	for i, role := range f.Roles {
		field := fmt.Sprintf("roles[%d]", i)
		if !nameForm.MatchString(role) {
			r.wrong(n, field, "", role, nameAllowed)
			continue
		}
		if hint := strictyaml.DidYouMean(role, roles()); hint != "" && !slices.Contains(roles(), role) {
			p := n.At(field).Problem(problem.Problem{Message: "no built-in pack has this role" + hint, Got: role, Warning: true})
			r.problems = append(r.problems, p)
		}
	}
}

func (r *packReader) outcome(n strictyaml.Node, rule *Rule) {
	if !slices.Contains(Classes(), rule.Class) {
		var names []string
		for _, c := range Classes() {
			names = append(names, string(c))
		}
		message := problem.NoValue
		if rule.Class != "" {
			message = strings.TrimPrefix(strictyaml.DidYouMean(string(rule.Class), names), ", ")
		}
		r.wrong(n, "class", message, string(rule.Class), strings.Join(names, ", "))
		return
	}
	for field, burn := range map[string]Burn{"own": rule.Own, "end_to_end": rule.EndToEnd} {
		switch burn {
		case No, Yes, Shadow, "":
		default:
			r.wrong(n, field, "", string(burn), "yes, no, shadow")
		}
	}
	own, endToEnd := rule.Class.Burns()
	rule.Own, rule.EndToEnd = cmp.Or(rule.Own, own), cmp.Or(rule.EndToEnd, endToEnd)
}

var (
	nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,63}$`)
	dateForm = regexp.MustCompile(`^\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?$`)
	codeForm = regexp.MustCompile(`^([!-)+-~]([ -)+-~]{0,62}[!-)+-~])?)?\*?$`)
	// rangeForm is the same letters twice, each with digits: R41-R46, 500-599.
	rangeForm = regexp.MustCompile(`^([A-Za-z]*)(\d{1,4})-([A-Za-z]*)(\d{1,4})$`)
)

const nameAllowed = "small letters, digits, _ . and -, at most 64"

func (r *packReader) names(n strictyaml.Node, scheme, list string) {
	for field, text := range map[string]string{"scheme": scheme, "list": list} {
		if text != "" && !nameForm.MatchString(text) {
			r.wrong(n, field, "", text, nameAllowed)
		}
	}
}

func (r *packReader) texts(n strictyaml.Node, source, asOf, note string) {
	for field, text := range map[string]string{"source": source, "note": note} {
		if len(text) > maxText {
			r.wrong(n, field, "too long", strconv.Itoa(len(text))+" bytes", "at most "+strconv.Itoa(maxText))
		}
	}
	if asOf != "" && !dateForm.MatchString(asOf) {
		r.wrong(n, "as_of", "", asOf, "a date such as 2025-05-31, 2025-05 or 2025")
	}
}

// spell works out the codes that a rule names.
func (r *packReader) spell(n strictyaml.Node, rule *Rule) {
	if len(rule.Codes) == 0 {
		r.wrong(n, "codes", problem.NoValue, "", codesAllowed)
	}
	exact := map[string]bool{}
	for i, code := range rule.Codes {
		field := fmt.Sprintf("codes[%d]", i)
		m := rangeForm.FindStringSubmatch(code)
		switch {
		case m != nil && m[1] == m[3] && len(m[2]) == len(m[4]):
			from, to := number(m[2]), number(m[4])
			if from > to {
				r.wrong(n, field, "the range ends before it begins", code, codesAllowed)
			}
			for v := from; v <= to; v++ {
				exact[fmt.Sprintf("%s%0*d", m[1], len(m[2]), v)] = true
			}
		case code == "" || !codeForm.MatchString(code):
			r.wrong(n, field, "", code, codesAllowed)
		case strings.HasSuffix(code, "*"):
			rule.prefixes = append(rule.prefixes, strings.TrimSuffix(code, "*"))
		default:
			exact[code] = true
		}
		if len(exact)+r.codes > maxCodes {
			r.wrong(n, field, "too many codes in this pack", "", "at most "+strconv.Itoa(maxCodes))
			break
		}
	}
	r.codes += len(exact)
	rule.exact = slices.Sorted(maps.Keys(exact))
}

const codesAllowed = "codes such as AB05, a beginning such as AB*, or a range such as R41-R46"

// number reads at most four digits.
func number(digits string) int {
	n, _ := strconv.Atoi(digits) // the pattern has checked it
	return n
}
