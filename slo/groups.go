package slo

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/slo/spec"
)

// A grouped objective has one budget for all of its series and one for each combination of values of
// some labels. Groups come and go with their series, so they are objectives that the engine makes.

// maxGroupValue bounds one value of a label that names a group.
const maxGroupValue = 128

// groups is what a grouped objective keeps of its groups.
type groups struct {
	byKey   map[string]*objective
	refused int // groups that were not made because there were too many, since the last sweep
}

// groupOf returns the group of obj to which a series belongs, made on first sight; nil when obj has no
// groups or no room for another. Of a group whose first series was born while it was watched for, it is
// known that nothing happened before.
func (e *Engine) groupOf(obj *objective, ls labels.Labels, born bool) *objective {
	if obj.GroupBy == nil {
		return nil
	}
	values := make([]string, len(obj.GroupBy.Labels))
	for i, name := range obj.GroupBy.Labels {
		values[i] = ls.Get(name)
	}
	key := strings.Join(values, "\xff")
	if child := obj.groups.byKey[key]; child != nil {
		return child
	}
	if len(obj.groups.byKey) >= obj.GroupBy.Max || slices.ContainsFunc(values, func(v string) bool { return len(v) > maxGroupValue }) {
		obj.groups.refused++
		return nil
	}
	child := obj.newGroup(values, e.opts, obj.ledger.nowMs)
	if born && obj.ledger.startMs != 0 {
		child.ledger.begin(obj.ledger.startMs, obj.ledger.startMs)
	}
	e.byID[child.id] = child
	e.addObjective(child)
	return child
}

// newGroup makes the objective for one group of o and makes it known to it. What was watched for the
// whole was watched for the group: a series that is born later counts from zero.
func (o *objective) newGroup(values []string, opts Options, now int64) *objective {
	s := o.Objective
	s.GroupBy = nil
	pairs, named := make([]string, len(values)), make(map[string]string, len(values))
	for i, name := range o.GroupBy.Labels {
		pairs[i], named[name] = name+"="+values[i], values[i]
	}
	s.Name = o.Name + "[" + strings.Join(pairs, ",") + "]"
	child := &objective{Objective: s, id: groupID(o.id, values), epoch: o.epoch, watchedMs: o.watchedMs, parent: o, group: named, values: values}
	child.start(opts, now)
	o.groups.byKey[strings.Join(values, "\xff")] = child
	return child
}

// groupsStand reports whether the groups of before are still those that s asks for.
func (o *objective) groupsStand(s *spec.Objective) bool {
	return o.GroupBy != nil && s.GroupBy != nil && slices.Equal(o.GroupBy.Labels, s.GroupBy.Labels)
}

// regroup gives the groups of a kept objective its new target and window, and drops those that it no
// longer asks for; stand is what groupsStand said.
func (o *objective) regroup(stand bool, opts Options, now int64) (dead []string) {
	for key, child := range o.groups.byKey {
		if !stand {
			delete(o.groups.byKey, key)
			dead = append(dead, child.keys()...)
			continue
		}
		s := o.Objective
		s.GroupBy, s.Name = nil, child.Name
		child.reconfigure(s, opts, now)
	}
	return dead
}

func groupID(parent uint64, values []string) uint64 {
	return xxhash.Sum64String(fmt.Sprintf("%016x\xff%s", parent, strings.Join(values, "\xff")))
}

// addObjective puts o among the objectives that are evaluated, which are in order of their names.
func (e *Engine) addObjective(o *objective) {
	i, _ := slices.BinarySearchFunc(e.objectives, o.Name, func(x *objective, name string) int { return strings.Compare(x.Name, name) })
	e.objectives = slices.Insert(e.objectives, i, o)
	e.byName[o.Name] = o
	o.exclude(e.exclusions)
}

// expireGroups forgets groups that have not been seen for long.
func (e *Engine) expireGroups(now int64) {
	for _, parent := range slices.Clone(e.objectives) {
		if parent.GroupBy == nil {
			continue
		}
		parent.groups.refused = 0
		maps.DeleteFunc(parent.groups.byKey, func(_ string, child *objective) bool {
			if now-child.shownMs <= parent.GroupBy.Expires.Milliseconds() {
				return false
			}
			e.forget(child)
			return true
		})
	}
}

// forget drops a group, from the store too.
func (e *Engine) forget(child *objective) {
	delete(e.byID, child.id)
	delete(e.byName, child.Name)
	e.objectives = slices.DeleteFunc(e.objectives, func(o *objective) bool { return o == child })
	for _, t := range e.targets {
		t.members = slices.DeleteFunc(t.members, func(m *member) bool { return m.obj == child })
		for _, sr := range t.series {
			sr.bindings = slices.DeleteFunc(sr.bindings, func(b binding) bool { return b.member.obj == child })
		}
	}
	e.dead = append(e.dead, child.keys()...)
}

// groupProblem says that not every group has a budget of its own, or "".
func (o *objective) groupProblem() string {
	if o.GroupBy == nil || o.groups.refused == 0 {
		return ""
	}
	return fmt.Sprintf("has more groups by %s than the %d that it may have: those seen later are only counted in the whole",
		strings.Join(o.GroupBy.Labels, ", "), o.GroupBy.Max)
}
