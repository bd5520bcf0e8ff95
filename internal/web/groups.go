package web

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/assayer-io/assayer/slo"
)

// Bounds of the groups shown with their objective.
const (
	foldGroups = 5 // more are folded
	maxGroups  = 100
)

// family is an objective with its groups, worst first.
type family struct {
	whole  slo.Status
	groups []slo.Status
}

// families puts groups with their whole. The worst of a family decides where it stands in statuses,
// which are worst first.
func families(statuses []slo.Status) []family {
	var out []family
	at := map[string]int{}
	for _, st := range statuses {
		root := cmp.Or(st.Parent, st.Name)
		i, known := at[root]
		if !known {
			i, at[root] = len(out), len(out)
			out = append(out, family{})
		}
		if st.Parent == "" {
			out[i].whole = st
		} else {
			out[i].groups = append(out[i].groups, st)
		}
	}
	for i, f := range out {
		if f.whole.Name == "" { // a group without its whole stands for itself
			out[i] = family{f.groups[0], f.groups[1:]}
		}
	}
	return out
}

// of keeps of a family the groups that match, and reports whether anything does.
func (f filter) of(fam family) (family, bool) {
	groups := slices.DeleteFunc(slices.Clone(fam.groups), func(st slo.Status) bool { return !f.matches(st) })
	return family{fam.whole, groups}, len(groups) > 0 || f.matches(fam.whole)
}

// groupsView is the groups of one objective.
type groupsView struct {
	Name string // of the objective
	List []groupRow
	More int    // that are not listed
	Fold bool   // they are too many to stand open
	Text string // 12 groups: 1 exhausted, 11 ok
}

type groupRow struct {
	slo.Status
	URL    string
	Labels string // region=eu, scheme=sepa
	Budget budget
}

// groupsOf shows groups, which are worst first; nil without any.
func groupsOf(name string, groups []slo.Status, now time.Time) *groupsView {
	if len(groups) == 0 {
		return nil
	}
	v := &groupsView{Name: name, Fold: len(groups) > foldGroups, More: max(0, len(groups)-maxGroups)}
	n := map[slo.State]int{}
	for _, st := range groups {
		n[st.State]++
	}
	var counts []string
	for _, state := range slo.States() {
		if n[state] > 0 {
			counts = append(counts, count(float64(n[state]))+" "+string(state))
		}
	}
	v.Text = plural(len(groups), "group", "groups") + ": " + strings.Join(counts, ", ")
	for _, st := range groups[:len(groups)-v.More] {
		v.List = append(v.List, groupRow{st, objectiveURL(st.Name), groupLabels(st.Group), budgetOf(st, now)})
	}
	return v
}

func groupLabels(group map[string]string) string { return slo.GroupText(group, ", ") }
