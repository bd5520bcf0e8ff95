package hooks

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/burnrate"
)

// Policy says what one hook may do, for which objectives and how often. Lay it over [DefaultPolicy].
type Policy struct {
	Name       string   `yaml:"name"` // unique; lower case letters, digits and -
	Kind       string   `yaml:"kind"` // which action: webhook
	Mode       Mode     `yaml:"mode"`
	Objectives []string `yaml:"objectives"` // names or globs; none means none
	Tiers      []string `yaml:"tiers"`      // names or globs; none means every tier that pages

	RequireChange bool          `yaml:"require_change"` // act only after a recorded change, towards a good revision
	ChangeWindow  time.Duration `yaml:"change_window"`  // how long before the burn the change may lie
	Bake          time.Duration `yaml:"bake"`           // how long a revision must have met its objectives to be good

	Cooldown         time.Duration `yaml:"cooldown"` // between two actions of this hook on one service
	MaxActions       int           `yaml:"max_actions"`
	MaxActionsWindow time.Duration `yaml:"max_actions_window"`
	MaxBurningRatio  float64       `yaml:"max_burning_ratio"` // of all objectives; when more burn, the cause is shared
	MinBurning       int           `yaml:"min_burning"`       // fewer burning objectives are no shared cause
	MinCoverage      float64       `yaml:"min_coverage_ratio"`

	VerifyAfter   time.Duration `yaml:"verify_after"`   // from the call to the first judgement; 0: the tier's short window
	VerifyTimeout time.Duration `yaml:"verify_timeout"` // from the first judgement to giving up
	ApprovalTTL   time.Duration `yaml:"approval_ttl"`
	ResumeOnStart bool          `yaml:"resume_on_start"` // mode auto acts right after a restart
}

// DefaultPolicy gives the defaults; a hook that changes nothing but its name observes.
func DefaultPolicy() Policy {
	return Policy{
		Mode:             Observe,
		RequireChange:    true,
		ChangeWindow:     time.Hour,
		Bake:             10 * time.Minute,
		Cooldown:         time.Hour,
		MaxActions:       3,
		MaxActionsWindow: time.Hour,
		MaxBurningRatio:  0.5,
		MinBurning:       3,
		MinCoverage:      0.9,
		VerifyTimeout:    15 * time.Minute,
		ApprovalTTL:      15 * time.Minute,
	}
}

// Validate returns every problem, as a [problem.List] with paths relative to the policy.
func (p Policy) Validate() error {
	var l problem.List
	wrong := func(path, got, allowed string) {
		l = append(l, problem.Problem{Path: path, Got: got, Allowed: allowed})
	}
	if p.Name == "" || len(p.Name) > 63 || strings.Trim(p.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		wrong("name", p.Name, "1 to 63 lower case letters, digits and -")
	}
	if p.Kind == "" {
		wrong("kind", p.Kind, "the kind of action: webhook")
	}
	if !slices.Contains([]Mode{Observe, Recommend, Approve, Auto}, p.Mode) {
		wrong("mode", string(p.Mode), "observe, recommend, approve, auto")
	}
	if len(p.Objectives) == 0 {
		wrong("objectives", "", "at least one name or pattern: an empty list selects nothing")
	}
	for i, s := range p.Objectives {
		if !validSelector(s) {
			wrong(fmt.Sprintf("objectives[%d]", i), s, "a name or a pattern with * and ? that fixes at least one character: card-*")
		}
	}
	for i, s := range p.Tiers {
		if _, err := path.Match(s, ""); err != nil || s == "" {
			wrong(fmt.Sprintf("tiers[%d]", i), s, "a tier's name or a pattern with * and ?: page-1h, page-*")
		}
	}
	duration := func(path string, got, low, high time.Duration) {
		if got < low || got > high {
			wrong(path, got.String(), fmt.Sprintf("a duration from %s to %s", low, high))
		}
	}
	const day = 24 * time.Hour
	duration("change_window", p.ChangeWindow, time.Minute, 7*day)
	duration("bake", p.Bake, time.Second, 7*day)
	duration("cooldown", p.Cooldown, time.Second, 7*day)
	duration("max_actions_window", p.MaxActionsWindow, time.Minute, 7*day)
	duration("verify_after", p.VerifyAfter, 0, day)
	duration("verify_timeout", p.VerifyTimeout, time.Second, day)
	duration("approval_ttl", p.ApprovalTTL, time.Second, day)
	number := func(path string, got, low, high float64) {
		if !(got >= low && got <= high) {
			wrong(path, strconv.FormatFloat(got, 'g', -1, 64), fmt.Sprintf("a number from %v to %v", low, high))
		}
	}
	number("max_actions", float64(p.MaxActions), 1, 100)
	number("max_burning_ratio", p.MaxBurningRatio, 0, 1)
	number("min_burning", float64(p.MinBurning), 1, 1000)
	number("min_coverage_ratio", p.MinCoverage, 0.5, 1)
	return l.Err()
}

// validSelector refuses patterns that no name can match and those that match everything.
func validSelector(s string) bool {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-*?") != "" {
		return false
	}
	return strings.Trim(s, "*?-") != ""
}

// Unmatched lists the entries of Objectives that select none of names. Such an entry is a typing
// mistake, and a hook that silently never acts is one too.
func (p Policy) Unmatched(names []string) problem.List {
	var l problem.List
	for i, s := range p.Objectives {
		if !slices.ContainsFunc(names, func(name string) bool { return matches(s, name) }) {
			l = append(l, problem.Problem{Path: fmt.Sprintf("objectives[%d]", i), Message: "selects no objective", Got: s})
		}
	}
	return l
}

func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

// Selects reports whether the hook is for the objective.
func (p Policy) Selects(objective string) bool {
	return slices.ContainsFunc(p.Objectives, func(s string) bool { return matches(s, objective) })
}

// watches reports whether a firing of the tier is this hook's business.
func (p Policy) watches(t slo.TierStatus) bool {
	if len(p.Tiers) == 0 {
		return t.Severity == burnrate.Page
	}
	return slices.ContainsFunc(p.Tiers, func(s string) bool { return matches(s, t.Name) })
}

// firing gives the first tier of s that fires and is this hook's business.
func (p Policy) firing(s slo.Status) (slo.TierStatus, bool) {
	for _, t := range s.Tiers {
		if t.Firing && t.Since != nil && p.watches(t) {
			return t, true
		}
	}
	return slo.TierStatus{}, false
}

// windows gives the tier by whose windows a burn is judged and verified where no tier fires: the first that
// is this hook's business, else the first of all.
func (p Policy) windows(s slo.Status) (slo.TierStatus, bool) {
	if i := slices.IndexFunc(s.Tiers, p.watches); i >= 0 {
		return s.Tiers[i], true
	}
	if len(s.Tiers) > 0 {
		return s.Tiers[0], true
	}
	return slo.TierStatus{}, false
}
