package spec

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
	"github.com/assayer-io/assayer/slo/burnrate"
)

type policyDocument struct {
	Header header     `yaml:",inline"`
	Spec   policySpec `yaml:"spec"`
}

type policySpec struct {
	Description string       `yaml:"description"`
	Objectives  []string     `yaml:"objectives"`
	Rules       []policyRule `yaml:"rules"`
}

type policyRule struct {
	Name     string        `yaml:"name"`
	When     condition     `yaml:"when"`
	Until    *calm         `yaml:"until"`
	For      time.Duration `yaml:"for"`
	ClearFor time.Duration `yaml:"clearFor"`
	Then     string        `yaml:"then"`
	Hook     string        `yaml:"hook"`
	Message  string        `yaml:"message"`
}

// condition has exactly one figure; burnAbove has over beside it.
type condition struct {
	RemainingBelow strictyaml.Node `yaml:"remainingBelow"`
	BurnAbove      *float64        `yaml:"burnAbove"`
	Over           time.Duration   `yaml:"over"`
	Firing         string          `yaml:"firing"`
	Exhausted      *bool           `yaml:"exhausted"`
}

// calm has the figure that ends a rule, which is that of its condition.
type calm struct {
	RemainingAbove strictyaml.Node `yaml:"remainingAbove"`
	BurnBelow      *float64        `yaml:"burnBelow"`
}

var patternText = regexp.MustCompile(`^[-a-z0-9*]+$`)

func (l *loader) budgetPolicy(n strictyaml.Node) {
	var doc policyDocument
	b := BudgetPolicy{Name: l.name(n.At("metadata.name")), File: n.File(), Line: n.At("metadata.name").Line()}
	fine := l.decode(n, &doc, func() { l.policyValues(n, &doc, &b) })
	if first, again := l.policies[b.Name]; again && b.Name != "" {
		l.add(n.Problem(problem.Problem{Path: "metadata.name", Got: b.Name, Message: fmt.Sprintf("a policy of this name is already at %s:%d", first.file, first.line)}))
		return
	}
	l.policies[b.Name] = named{b.Name, b.File, b.Line}
	if fine && b.Name != "" {
		l.set.Policies = append(l.set.Policies, b)
	}
}

func (l *loader) policyValues(n strictyaml.Node, doc *policyDocument, b *BudgetPolicy) {
	b.Description, b.Labels, b.Objectives = doc.Spec.Description, doc.Header.Metadata.Labels, doc.Spec.Objectives
	at := n.At("spec")
	l.ownAnnotations(n, nil)
	if len(b.Objectives) == 0 {
		l.add(at.Problem(problem.Problem{Path: "objectives", Message: problem.NoValue, Allowed: `at least one name of an objective, or pattern such as "card-*"`}))
	}
	for i, pattern := range b.Objectives {
		place := at.At("objectives[" + strconv.Itoa(i) + "]")
		if !patternText.MatchString(pattern) {
			l.add(place.Wrong("the name of an objective, with * for any letters"))
			continue
		}
		l.references = append(l.references, reference{node: place})
	}
	if len(doc.Spec.Rules) == 0 {
		l.add(at.Problem(problem.Problem{Path: "rules", Message: problem.NoValue, Allowed: "at least one, such as [{name: freeze, when: {exhausted: true}, then: freeze}]"}))
	}
	names := map[string]bool{}
	for i, in := range doc.Spec.Rules {
		r := l.policyRule(at.At("rules["+strconv.Itoa(i)+"]"), in)
		if names[r.Name] && r.Name != "" {
			l.add(at.At("rules[" + strconv.Itoa(i) + "].name").Problem(problem.Problem{Message: "a rule of this name is there already", Got: r.Name}))
		}
		names[r.Name] = true
		b.Rules = append(b.Rules, r)
	}
}

func (l *loader) policyRule(n strictyaml.Node, in policyRule) PolicyRule {
	r := PolicyRule{Name: l.name(n.At("name")), For: in.For, ClearFor: in.ClearFor, Then: Consequence(in.Then), Hook: in.Hook, Message: in.Message, At: n}
	l.when(n.At("when"), in.When, &r)
	if in.Until != nil {
		l.until(n.At("until"), in.Until, &r)
	}
	for _, key := range []string{"for", "clearFor"} {
		if d := map[string]time.Duration{"for": r.For, "clearFor": r.ClearFor}[key]; d > maxWindow {
			l.add(n.At(key).Wrong("at most " + burnrate.Text(maxWindow)))
		}
	}
	consequences := []string{string(Freeze), string(DemandApproval), string(NotifyPage), string(NotifyTicket), string(CallHook)}
	if !slices.Contains(consequences, in.Then) {
		p := n.At("then").Wrong(strings.Join(consequences, ", "))
		if in.Then != "" {
			p.Message = strings.TrimPrefix(strictyaml.DidYouMean(in.Then, consequences), ", ")
		}
		l.add(p)
	}
	switch hook := n.At("hook"); {
	case r.Then == CallHook && r.Hook == "":
		l.add(hook.Wrong("the name of a hook of the agent file"))
	case r.Then != CallHook && hook.Exists():
		l.add(hook.Problem(problem.Problem{Message: "is for then: hook", Got: hook.Shown()}))
	}
	return r
}

// tierText is a severity, or a severity and what sets the tier apart from others.
var tierText = regexp.MustCompile(`^(any|(page|ticket)(-[a-z0-9]+)?)$`)

const conditions = "exactly one of remainingBelow, burnAbove (with over), firing, exhausted"

func (l *loader) when(n strictyaml.Node, in condition, r *PolicyRule) {
	given := 0
	for _, key := range []string{"remainingBelow", "burnAbove", "firing", "exhausted"} {
		if n.At(key).Exists() {
			given++
		}
	}
	if given != 1 {
		l.add(n.Problem(problem.Problem{Got: fmt.Sprint(given, " conditions"), Allowed: conditions}))
	}
	if in.RemainingBelow.Exists() {
		r.RemainingBelow = l.share(in.RemainingBelow)
	}
	over := n.At("over")
	switch burn := n.At("burnAbove"); {
	case in.BurnAbove == nil && over.Exists() && !burn.Exists():
		l.add(over.Problem(problem.Problem{Message: "is for burnAbove", Got: over.Shown()}))
	case in.BurnAbove == nil:
	case *in.BurnAbove <= 0:
		l.add(burn.Wrong("a burn rate above 0; 1 spends the budget exactly at the end of the window"))
	default:
		r.BurnAbove, r.Over = *in.BurnAbove, in.Over
		if over.Exists() {
			l.withinBounds(over, in.Over)
		} else {
			l.add(over.Wrong("the time over which the budget burns, such as 6h"))
		}
	}
	if firing := n.At("firing"); firing.Exists() {
		if r.Firing = in.Firing; !tierText.MatchString(in.Firing) {
			l.add(firing.Wrong("a tier such as page-1h, page, ticket or any"))
		}
	}
	if in.Exhausted != nil {
		if r.Exhausted = *in.Exhausted; !r.Exhausted {
			l.add(n.At("exhausted").Wrong("true"))
		}
	}
}

// until reads the figure on the calm side of the condition's.
func (l *loader) until(n strictyaml.Node, in *calm, r *PolicyRule) {
	remaining, burn := n.At("remainingAbove"), n.At("burnBelow")
	wrong := func(got strictyaml.Node, message, allowed string) {
		l.add(got.Problem(problem.Problem{Message: message, Got: got.Shown(), Allowed: allowed}))
	}
	const calmSide = "is not on the calm side of the condition"
	switch {
	case r.RemainingBelow != nil || r.Exhausted:
		if burn.Exists() {
			wrong(burn, "is of a burn rate, and the condition of the budget left", "remainingAbove")
			return
		}
		least := 0.0
		if r.RemainingBelow != nil {
			least = *r.RemainingBelow
		}
		if r.Until = l.share(remaining); r.Until != nil && *r.Until < least {
			wrong(remaining, calmSide, "at least "+strconv.FormatFloat(least, 'g', -1, 64)+", at most 1")
		}
	case r.BurnAbove > 0:
		switch {
		case remaining.Exists():
			wrong(remaining, "is of the budget left, and the condition of a burn rate", "burnBelow")
		case in.BurnBelow == nil || *in.BurnBelow <= 0:
			l.add(burn.Wrong("a burn rate above 0"))
		case *in.BurnBelow > r.BurnAbove:
			wrong(burn, calmSide, "at most "+strconv.FormatFloat(r.BurnAbove, 'g', -1, 64))
		default:
			r.Until = in.BurnBelow
		}
	case r.Firing != "":
		l.add(n.Problem(problem.Problem{Message: "a tier ends by its own rule", Allowed: "clearFor, for how long it has to be over"}))
	}
}

// share reads how much of a budget is left, which is negative when more than all was spent. It is nil when
// what stands there is none.
func (l *loader) share(n strictyaml.Node) *float64 {
	const allowed = "a share of the budget of at most 1 such as 0.25, or a percentage such as 25%"
	v, ok := strictyaml.ParseRatio(n.Text())
	if ok && v <= 1 {
		return &v
	}
	p := n.Wrong(allowed)
	if ok && n.IsNumber() && v <= 100 {
		p.Message = "did you mean " + n.Text() + "%?"
	}
	l.add(p)
	return nil
}
