package exclusions

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/assayer-io/assayer/internal/audit"
	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/slo"
)

// Bounds of one entry.
const (
	maxName      = 100 // bytes of id and who
	maxWhy       = 1000
	maxPatterns  = 50
	maxPattern   = 1000 // bytes; names of groups are long
	maxSpan      = 400 * 24 * time.Hour
	maxAhead     = 400 * 24 * time.Hour // how far in the future planned maintenance may end
	maxCorrected = 1 << 53              // events, as far as whole numbers are exact
)

func checkText(path, got string, atLeast, atMost int) problem.List {
	if len(got) >= atLeast && len(got) <= atMost && utf8.ValidString(got) && !strings.ContainsFunc(got, unicode.IsControl) {
		return nil
	}
	if got == "" {
		return problem.List{{Path: path, Message: problem.NoValue, Allowed: fmt.Sprintf("up to %d bytes", atMost)}}
	}
	return problem.List{{Path: path, Got: strings.ToValidUTF8(got[:min(len(got), 80)], "\uFFFD"), Allowed: fmt.Sprintf("%d to %d bytes without control characters", atLeast, atMost)}}
}

func checkWho(who string) error { return checkText("by", strings.TrimSpace(who), 1, maxName).Err() }

func (e *Entry) validate(objectives []Objective, now time.Time) error {
	l := slices.Concat(checkText("id", e.ID, 0, maxName), checkText("who", e.Who, 1, maxName), checkText("why", e.Why, 1, maxWhy))
	if n := len(e.Objectives); n == 0 || n > maxPatterns {
		l = append(l, problem.Problem{Path: "objectives", Got: fmt.Sprintf("%d names", n), Allowed: fmt.Sprintf("1 to %d names, with * for any letters", maxPatterns)})
	} else {
		for i, pattern := range e.Objectives {
			l = append(l, checkPattern(fmt.Sprintf("objectives[%d]", i), pattern, objectives, e.Correction != nil)...)
		}
	}
	switch {
	case e.From.IsZero() || e.To.IsZero():
		l = append(l, problem.Problem{Path: "from, to", Message: problem.NoValue, Allowed: "two times such as 2026-11-21T10:00:00Z"})
	case !e.From.Before(e.To) || e.To.Sub(e.From) > maxSpan:
		l = append(l, problem.Problem{Path: "from, to", Got: e.span(), Allowed: "from before to, by at most 400d"})
	case e.To.After(now.Add(maxAhead)):
		l = append(l, problem.Problem{Path: "to", Got: stamp(e.To), Allowed: "at most 400d from now"})
	}
	if c := e.Correction; c != nil {
		bound := func(path string, v float64) {
			if !(math.Abs(v) <= maxCorrected) {
				l = append(l, problem.Problem{Path: "correction." + path, Got: fmt.Sprint(v), Allowed: "a number of events up to 2^53, negative to take some away"})
			}
		}
		bound("good", c.Good)
		bound("bad", c.Bad)
		bound("excluded", c.Excluded)
		if *c == (slo.Correction{}) {
			l = append(l, problem.Problem{Path: "correction", Message: "changes nothing", Allowed: "good, bad or excluded with another number than 0"})
		}
	}
	return l.Err()
}

// checkPattern wants a name, or a pattern that means some objective; for a correction one that has counts.
func checkPattern(at, pattern string, objectives []Objective, correction bool) problem.List {
	if wrong := checkText(at, pattern, 1, maxPattern); wrong != nil {
		return wrong
	}
	x := slo.Exclusion{Objectives: []string{pattern}}
	composite := false
	for _, o := range objectives {
		if !x.Concerns(o.Name, o.Parent) {
			continue
		}
		if !correction || !o.Composite {
			return nil
		}
		composite = true
	}
	if composite {
		return problem.List{{Path: at, Got: pattern, Message: "is a composite, which has no counts to correct", Allowed: "its members, or an exclusion without correction"}}
	}
	if _, err := path.Match(pattern, ""); err != nil {
		return problem.List{{Path: at, Got: pattern, Message: "is no pattern", Allowed: "a name, with * for any letters"}}
	}
	return problem.List{{Path: at, Got: pattern, Message: "means no objective", Allowed: "names as /api/v1/slos has them, with * for any letters"}}
}

// same reports whether both say the same, whenever it was said.
func (e *Entry) same(other *Entry) bool {
	return e.content() == other.content()
}

func (e *Entry) content() string {
	c := slo.Correction{}
	if e.Correction != nil {
		c = *e.Correction
	}
	return fmt.Sprintf("%q %d %d %v %v %q %q", e.Objectives, e.From.UnixMilli(), e.To.UnixMilli(), e.Correction != nil, c, e.Who, e.Why)
}

// newID makes the ID of an entry that came without: a hash of what it says, so that sending it twice
// records it once; and if one was removed under that ID, of how often that has happened.
func (s *Store) newID(e *Entry) string {
	for again := 0; ; again++ {
		h := sha256.Sum256(fmt.Appendf(nil, "%d %s", again, e.content()))
		id := hex.EncodeToString(h[:8])
		if old, taken := s.entries[id]; !taken || old.RemovedAt == nil {
			return id
		}
	}
}

func (e *Entry) auditEntry(kind, actor, what string) audit.Entry {
	evidence, err := json.Marshal(e)
	if err != nil {
		evidence = nil // unreachable: texts, finite numbers and times that were checked
	}
	return audit.Entry{
		Category: audit.CategoryHigh, Type: kind, Risk: audit.RiskMedium, Outcome: audit.Success, Actor: actor,
		Description: what, AffectedSystems: e.Objectives, ImpactAssessment: "error budgets of these objectives change; the counts behind them stay as they are, and removing an exclusion restores every number",
		Evidence: evidence,
	}
}

// span is the time the entry is about.
func (e *Entry) span() string { return stamp(e.From) + " to " + stamp(e.To) }

// effect says what the entry does to the counts of its time.
func (e *Entry) effect() string {
	if c := e.Correction; c != nil {
		return fmt.Sprintf("are corrected by %+g good, %+g bad, %+g excluded", c.Good, c.Bad, c.Excluded)
	}
	return "are excluded"
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
