package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
	"github.com/assayer-io/assayer/slo/reason"
	"github.com/assayer-io/assayer/slo/spec"
)

// maxClose bounds the codes shown for one that is not known.
const maxClose = 8

// usualSchemes are looked into first, in this order, when none is named.
func usualSchemes() []string { return []string{"iso20022", "iso8583", "nacha"} }

type classifyFlags struct {
	reason.Key
	reason.Context
	packs  []string
	config string
	asJSON bool
}

func newClassify(s Streams) *cobra.Command {
	var f classifyFlags
	cmd := &cobra.Command{
		Use: "classify CODE", Short: "Explain a reason code: whose fault it is, what it burns, and which rule says so", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			f.Code = args[0]
			return classify(s, f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.Scheme, "scheme", "", "whose code it is, such as iso8583; without it iso20022, else one that has the code")
	flags.StringVar(&f.List, "list", "", "which of the scheme's lists, such as return; without it the one that is meant when none is named")
	flags.StringVar(&f.Role, "role", "", "who we were, such as creditor_agent; without it: not known")
	flags.StringVar(&f.Direction, "direction", "", "out: we sent the payment, in: we received it; without it: not known")
	flags.StringArrayVar(&f.packs, "pack", nil, "file of rules that come before all others; may be repeated, the last one comes first")
	flags.StringVar(&f.config, "config", "", "agent file whose reason_files come before the built-in packs")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	return cmd
}

func classify(s Streams, f classifyFlags) error {
	if !slices.Contains([]string{"", "in", "out"}, f.Direction) {
		return fmt.Errorf("--direction: got %q, allowed: in, out", f.Direction)
	}
	table, problems := classifyTable(f)
	if err := say(s, problems); err != nil {
		return err
	}
	if err := choose(table, &f.Key); err != nil {
		return err
	}
	e := explainCode(table, f.Key, f.Context)
	var err error
	if f.asJSON {
		err = json.NewEncoder(s.Out).Encode(e)
	} else {
		err = e.print(s)
	}
	if err == nil && !e.Known {
		return errNo
	}
	return err
}

// classifyTable puts the packs of the agent file before the built-in ones, and those of the flags before them. Of
// several the last comes first, as in the agent.
func classifyTable(f classifyFlags) (*reason.Table, problem.List) {
	table, err := reason.Builtin()
	if err != nil {
		return nil, problem.List{{Message: err.Error()}}
	}
	files, problems := configuredPacks(f.config)
	more, found := readInOrder(f.packs, "")
	problems = append(problems, found...)
	for _, file := range append(files, more...) {
		pack, found := reason.Parse(file.Name, file.Data)
		table, problems = table.With(pack), append(problems, found...)
	}
	return table, problems
}

// configuredPacks reads what an agent file names in reason_files, and looks at nothing else of it.
func configuredPacks(config string) ([]spec.File, problem.List) {
	if config == "" {
		return nil, nil
	}
	files, problems := spec.ReadGlobs([]string{config}, "")
	var patterns []string
	for _, file := range files {
		docs, found := strictyaml.Parse(file.Name, file.Data, spec.MaxFileBytes)
		problems = append(problems, found...)
		for _, doc := range docs {
			problems = append(problems, doc.At("collectors.transactions.reason_files").Decode(&patterns)...)
		}
	}
	packs, found := readInOrder(patterns, filepath.Dir(config))
	return packs, append(problems, found...)
}

// readInOrder reads what patterns name, one pattern after the other.
func readInOrder(patterns []string, dir string) (files []spec.File, problems problem.List) {
	for _, pattern := range patterns {
		more, found := spec.ReadGlobs([]string{pattern}, dir)
		files, problems = append(files, more...), append(problems, found...)
	}
	return files, problems
}

// choose fills in scheme and list where the user named none, and refuses ones that nobody knows.
func choose(t *reason.Table, k *reason.Key) error {
	if k.Scheme == "" {
		k.Scheme = usualSchemes()[0]
		if all := places(t, k.Code); len(all) > 0 {
			k.Scheme = all[0].Scheme
		}
	}
	if !slices.Contains(t.Schemes(), k.Scheme) {
		return fmt.Errorf("--scheme: got %q%s, allowed: %s", k.Scheme, strictyaml.DidYouMean(k.Scheme, t.Schemes()), strings.Join(t.Schemes(), ", "))
	}
	lists := t.Lists(k.Scheme)
	switch {
	case k.List != "" && len(lists) > 0 && !slices.Contains(lists, k.List):
		return fmt.Errorf("--list: got %q%s, allowed for %s: %s", k.List, strictyaml.DidYouMean(k.List, lists), k.Scheme, strings.Join(lists, ", "))
	case k.List == "":
		k.List = t.DefaultList(k.Scheme)
		here := slices.DeleteFunc(places(t, k.Code), func(p reason.Key) bool { return p.Scheme != k.Scheme })
		if len(here) > 0 && !slices.Contains(here, *k) {
			*k = here[0]
		}
	}
	return nil
}

// places lists where a code means something, usual schemes first, by scheme and list.
func places(t *reason.Table, code string) []reason.Key {
	schemes := t.Schemes()
	slices.SortStableFunc(schemes, func(a, b string) int { return cmp.Compare(unusual(a), unusual(b)) })
	var out []reason.Key
	for _, scheme := range schemes {
		lists := t.Lists(scheme)
		if len(lists) == 0 {
			lists = []string{""}
		}
		for _, list := range lists {
			if k := (reason.Key{Scheme: scheme, List: list, Code: code}); len(t.Explain(k, reason.Context{})) > 0 {
				out = append(out, k)
			}
		}
	}
	return out
}

// unusual ranks a scheme behind the usual ones.
func unusual(scheme string) int {
	if i := slices.Index(usualSchemes(), scheme); i >= 0 {
		return i
	}
	return len(usualSchemes())
}

// explanation is what the command tells, as JSON and in words.
type explanation struct {
	Scheme    string `json:"scheme"`
	List      string `json:"list,omitempty"`
	Code      string `json:"code"`
	Role      string `json:"role,omitempty"`
	Direction string `json:"direction,omitempty"`
	Known     bool   `json:"known"`
	Meaning   string `json:"meaning"` // of the class
	outcome
	Rules     []ruleShown `json:"rules"`     // that have the code, in the order they are tried
	Elsewhere []elsewhere `json:"elsewhere"` // what it means in other lists, to the same observer
	Close     []string    `json:"close,omitempty"`
}

type outcome struct {
	Class    reason.Class `json:"class"`
	Own      reason.Burn  `json:"own"`
	EndToEnd reason.Burn  `json:"end_to_end"`
	Note     string       `json:"note,omitempty"`
	Pack     string       `json:"pack,omitempty"`
	Line     int          `json:"line,omitempty"`
}

type ruleShown struct {
	Roles     []string `json:"roles,omitempty"`
	Direction string   `json:"direction,omitempty"`
	outcome
	Source  string `json:"source,omitempty"`
	AsOf    string `json:"as_of,omitempty"`
	Decides bool   `json:"decides"`
}

type elsewhere struct {
	Scheme string `json:"scheme"`
	List   string `json:"list,omitempty"`
	outcome
}

func explainCode(t *reason.Table, k reason.Key, c reason.Context) explanation {
	v := t.Classify(k, c)
	e := explanation{
		Scheme: k.Scheme, List: k.List, Code: k.Code, Role: c.Role, Direction: c.Direction, Known: v.Known, Meaning: v.Class.Words(),
		outcome: outcomeOf(v), Rules: []ruleShown{}, Elsewhere: []elsewhere{},
	}
	decided := false
	for _, m := range t.Explain(k, c) {
		e.Rules = append(e.Rules, ruleShown{m.Roles, m.Direction, outcome{m.Class, m.Own, m.EndToEnd, m.Note, m.Pack, m.Line}, m.Source, m.AsOf, m.Applies && !decided})
		decided = decided || m.Applies
	}
	for _, p := range places(t, k.Code) {
		if p != k {
			e.Elsewhere = append(e.Elsewhere, elsewhere{p.Scheme, p.List, outcomeOf(t.Classify(p, c))})
		}
	}
	if !e.Known && len(e.Rules) == 0 {
		e.Close = closeCodes(k.Code, t.Codes(k.Scheme, k.List))
	}
	return e
}

func outcomeOf(v reason.Verdict) outcome {
	return outcome{v.Class, v.Own, v.EndToEnd, v.Note, v.Pack, v.Line}
}

// closeCodes are the likeliest misspelling and codes that begin in the same way, the most alike first.
func closeCodes(code string, known []string) []string {
	var out []string
	if hint, ok := strings.CutPrefix(strictyaml.DidYouMean(code, known), ", did you mean "); ok {
		out = append(out, strings.TrimSuffix(hint, "?"))
	}
	for n := len(code) - 1; n > 0 && len(out) < maxClose; n-- {
		for _, k := range known {
			if strings.HasPrefix(k, code[:n]) && !slices.Contains(out, k) && len(out) < maxClose {
				out = append(out, k)
			}
		}
	}
	return out
}

func (e explanation) print(s Streams) error {
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	err := row(w, fmt.Sprintf("%s in %s%s: %s (%s)", e.Code, place(e.Scheme, e.List), observer(e.Role, e.Direction), e.Class, e.Meaning))
	err = errors.Join(err,
		row(w, "  own budget", string(e.Own), onBudget(e.Class, e.Own)),
		row(w, "  end to end", string(e.EndToEnd), onBudget(e.Class, e.EndToEnd)), w.Flush(),
		row(s.Out, "  because: "+cmp.Or(e.Note, "the rule gives no reason")))
	for _, r := range e.Rules {
		if r.Decides {
			err = errors.Join(err, row(s.Out, fmt.Sprintf("  rule: %s:%d%s", r.Pack, r.Line, origin(r))))
		}
	}
	if len(e.Rules) > 1 {
		err = errors.Join(err, e.printRules(s))
	}
	if len(e.Elsewhere) > 0 {
		err = errors.Join(err, e.printElsewhere(s))
	}
	if len(e.Close) > 0 {
		err = errors.Join(err, row(s.Out, "  close: "+strings.Join(e.Close, ", ")))
	}
	return err
}

// onBudget says what a burn does to a budget.
func onBudget(c reason.Class, b reason.Burn) string {
	switch {
	case b == reason.Yes:
		return "counts as bad"
	case b == reason.Shadow:
		return "left out, and counted apart so that somebody can look into it"
	case c == reason.Good:
		return "counts as good"
	}
	return "left out"
}

func (e explanation) printRules(s Streams) error {
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	err := errors.Join(row(w), row(w, "FOR", "CLASS", "OWN", "END TO END", "RULE"))
	for _, r := range e.Rules {
		var who []string
		if len(r.Roles) > 0 {
			who = append(who, strings.Join(r.Roles, ", "))
		}
		if r.Direction != "" {
			who = append(who, "direction "+r.Direction)
		}
		rule := fmt.Sprintf("%s:%d", r.Pack, r.Line)
		if r.Decides {
			rule += ", decides"
		}
		err = errors.Join(err, row(w, cmp.Or(strings.Join(who, ", "), "all others"), string(r.Class), string(r.Own), string(r.EndToEnd), rule))
	}
	return errors.Join(err, w.Flush())
}

func (e explanation) printElsewhere(s Streams) error {
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	err := errors.Join(row(w), row(w, "ELSEWHERE", "CLASS", "OWN", "END TO END", "BECAUSE"))
	for _, o := range e.Elsewhere {
		err = errors.Join(err, row(w, place(o.Scheme, o.List), string(o.Class), string(o.Own), string(o.EndToEnd), o.Note))
	}
	return errors.Join(err, w.Flush())
}

func place(scheme, list string) string { return strings.TrimSpace(scheme + " " + list) }

func observer(role, direction string) string {
	switch {
	case role == "" && direction == "":
		return ", whoever we were"
	case direction == "":
		return ", as " + role
	}
	return fmt.Sprintf(", as %s of a payment %s", cmp.Or(role, "a party"), map[string]string{"in": "received", "out": "sent"}[direction])
}

func origin(r ruleShown) string {
	text := ""
	if r.Source != "" {
		text = ", from " + r.Source
	}
	if r.AsOf != "" {
		text += ", as of " + r.AsOf
	}
	return text
}
