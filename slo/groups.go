package slo

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

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
	refused [refusals]int // series without a group of their own, by why
}

// refusal says why a series of a grouped objective is counted in the whole only.
type refusal uint8

const (
	admitted refusal = iota
	noRoom           // there are as many groups as there may be
	badValue         // too long to name a group, or no valid UTF-8, which the store cannot keep
	refusals
)

// groupOf returns the group of obj to which a series belongs, made on first sight; nil when obj has no
// groups, or why it makes none. Of a group whose first series was born while it was watched for, it is
// known that nothing happened before.
func (e *Engine) groupOf(obj *objective, ls labels.Labels, born bool) (*objective, refusal) {
	if obj.GroupBy == nil {
		return nil, admitted
	}
	values := make([]string, len(obj.GroupBy.Labels))
	for i, name := range obj.GroupBy.Labels {
		values[i] = ls.Get(name)
	}
	if child := obj.groups.byKey[groupKey(values)]; child != nil {
		return child, admitted
	}
	if slices.ContainsFunc(values, func(v string) bool { return len(v) > maxGroupValue || !utf8.ValidString(v) }) {
		return nil, badValue
	}
	if !obj.hasRoom() {
		return nil, noRoom
	}
	child := obj.newGroup(values, e.opts, max(obj.watchedMs, obj.ledger.nowMs))
	if born && obj.ledger.startMs != 0 {
		child.ledger.begin(obj.ledger.startMs, obj.ledger.startMs)
	}
	e.byID[child.id] = child
	e.addObjective(child)
	return child, admitted
}

// hasRoom reports whether a grouped objective may have one more group.
func (o *objective) hasRoom() bool { return len(o.groups.byKey) < o.GroupBy.Max }

// groupKey joins values of labels, in valid UTF-8, unambiguously.
func groupKey(values []string) string { return strings.Join(values, "\xff") }

// newGroup makes the objective for one group of o and makes it known to it. What was watched for the
// whole was watched for the group: a series that is born later counts from zero.
func (o *objective) newGroup(values []string, opts Options, now int64) *objective {
	s := o.Objective
	s.GroupBy = nil
	named := make(map[string]string, len(values))
	for i, name := range o.GroupBy.Labels {
		named[name] = values[i]
	}
	s.Name = o.Name + "[" + GroupText(named, ",") + "]"
	child := &objective{Objective: s, id: groupID(o.id, o.GroupBy.Labels, values), epoch: o.epoch, watchedMs: o.watchedMs, parent: o, group: named, values: values}
	child.start(opts, now)
	o.groups.byKey[groupKey(values)] = child
	return child
}

// GroupText writes the labels of a group in order of their names, such as region=eu,scheme="a b" with
// the separator ",". Values in which something could be taken for the text around them are quoted as in
// Go, so that two groups never read the same.
func GroupText(group map[string]string, separator string) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(group)) {
		v := group[name]
		if q := strconv.Quote(v); len(q) != len(v)+2 || strings.ContainsAny(v, ",=] ") {
			v = q
		}
		pairs = append(pairs, name+"="+v)
	}
	return strings.Join(pairs, separator)
}

// groupsStand reports whether the groups of before are still those that s asks for.
func (o *objective) groupsStand(s *spec.Objective) bool {
	return o.GroupBy != nil && s.GroupBy != nil && slices.Equal(o.GroupBy.Labels, s.GroupBy.Labels)
}

// regroup gives the groups of a kept objective its new target and window, and drops those that it no
// longer asks for; stand is what groupsStand said.
func (o *objective) regroup(stand bool, opts Options, now int64) (dead []string) {
	o.groups.refused = [refusals]int{} // every series is bound anew
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

func groupID(parent uint64, names, values []string) uint64 {
	return xxhash.Sum64String(fmt.Sprintf("%016x\xff%s\xff%s", parent, groupKey(names), groupKey(values)))
}

// addObjective puts o among the objectives that are evaluated, which are in order of their names.
func (e *Engine) addObjective(o *objective) {
	i, _ := slices.BinarySearchFunc(e.objectives, o.Name, func(x *objective, name string) int { return strings.Compare(x.Name, name) })
	e.objectives = slices.Insert(e.objectives, i, o)
	e.byName[o.Name] = o
	o.exclude(e.exclusions)
}

// expireGroups drops groups that have not been seen for long, from the store too, and returns them: what
// targets still know of them is for the caller to drop. Measured by the targets' own looks: while one that
// fed a group is down, the group is not forgotten.
func (e *Engine) expireGroups(now int64) (dead map[*objective]bool) {
	held := map[*objective]bool{}
	for _, t := range e.targets {
		for _, m := range t.members {
			if o := m.obj; o.parent != nil && t.expected && t.seenMs-o.shownMs <= o.expiresMs() {
				held[o] = true
			}
		}
	}
	dead = map[*objective]bool{}
	for _, o := range e.objectives {
		if o.parent == nil {
			continue
		}
		o.shownMs = min(o.shownMs, now) // the clock may have been set back
		if !held[o] && now-o.shownMs > o.expiresMs() {
			dead[o] = true
			delete(o.parent.groups.byKey, groupKey(o.values))
			delete(e.byID, o.id)
			delete(e.byName, o.Name)
			e.dead = append(e.dead, o.keys()...)
		}
	}
	e.objectives = slices.DeleteFunc(e.objectives, func(o *objective) bool { return dead[o] })
	return dead
}

// expiresMs is for how long a group may go unseen.
func (o *objective) expiresMs() int64 { return o.parent.GroupBy.Expires.Milliseconds() }

// sweepGroups drops the dead groups from what is known of a series whose target was last looked at at
// seenMs. A series that lost one, or for which there is room by now, is bound anew when it is seen next;
// one that is still refused is counted.
func (sr *series) sweepGroups(dead map[*objective]bool, seenMs int64) {
	sr.bindings = slices.DeleteFunc(sr.bindings, func(b binding) bool {
		o := b.member.obj
		switch {
		case dead[o]:
			sr.generation = 0
			return true
		case b.refused == admitted || o.GroupBy == nil:
		case b.refused == noRoom && o.hasRoom():
			sr.generation = 0
		case seenMs-sr.seenMs <= o.GroupBy.Expires.Milliseconds():
			o.groups.refused[b.refused]++
		}
		return false
	})
}

// groupProblem says that not every group has a budget of its own, or "".
func (o *objective) groupProblem() string {
	if o.GroupBy == nil {
		return ""
	}
	var problems []string
	by := strings.Join(o.GroupBy.Labels, ", ")
	if o.groups.refused[noRoom] > 0 {
		problems = append(problems, fmt.Sprintf("has more groups by %s than the %d that it may have: those seen later are only counted in the whole", by, o.GroupBy.Max))
	}
	if o.groups.refused[badValue] > 0 {
		problems = append(problems, fmt.Sprintf("has series whose value of %s is longer than %d bytes or not valid UTF-8: they are only counted in the whole", by, maxGroupValue))
	}
	return strings.Join(problems, "; ")
}
