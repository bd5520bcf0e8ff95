package alertmanager

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/assayer-io/assayer/internal/deploy"
)

// file is what of Alertmanager's configuration has to fit together.
type file struct {
	Global        yaml.Node        `yaml:"global"`
	Templates     []string         `yaml:"templates"`
	Route         *route           `yaml:"route"`
	InhibitRules  []inhibitRule    `yaml:"inhibit_rules"`
	Receivers     []map[string]any `yaml:"receivers"`
	MuteIntervals []named          `yaml:"mute_time_intervals"`
	Intervals     []named          `yaml:"time_intervals"`
	Tracing       yaml.Node        `yaml:"tracing"`
}

type named struct {
	Name  string         `yaml:"name"`
	Times yaml.Node      `yaml:"time_intervals"`
	Rest  map[string]any `yaml:",inline"`
}

type inhibitRule struct {
	Source []string       `yaml:"source_matchers"`
	Target []string       `yaml:"target_matchers"`
	Equal  []string       `yaml:"equal"`
	Rest   map[string]any `yaml:",inline"`
}

type route struct {
	Receiver string            `yaml:"receiver"`
	GroupBy  []string          `yaml:"group_by"`
	Continue bool              `yaml:"continue"`
	Match    map[string]string `yaml:"match"`
	MatchRE  map[string]string `yaml:"match_re"`
	Matchers []string          `yaml:"matchers"`
	Mute     []string          `yaml:"mute_time_intervals"`
	Active   []string          `yaml:"active_time_intervals"`
	Wait     string            `yaml:"group_wait"`
	Interval string            `yaml:"group_interval"`
	Repeat   string            `yaml:"repeat_interval"`
	Routes   []*route          `yaml:"routes"`
	Rest     map[string]any    `yaml:",inline"`
}

// decode reads a configuration. One that a newer server tells may have what this has not heard of: that is not known.
func decode(data []byte, known bool) (*file, error) {
	var f file
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(known)
	if err := dec.Decode(&f); err != nil {
		return nil, err
	}
	return &f, nil
}

// read decodes a configuration and checks that its parts fit together, as the server will: every name exists, once.
func read(data []byte) (*file, error) {
	f, err := decode(data, true)
	if err != nil {
		return nil, err
	}
	if f.Route == nil || f.Route.Receiver == "" {
		return nil, errors.New("route: no receiver")
	}
	if len(f.Route.matchers()) > 0 {
		return nil, errors.New("route: the first route has matchers, and must take every alert")
	}
	if len(f.Route.Mute)+len(f.Route.Active) > 0 {
		return nil, errors.New("route: the first route must not be muted")
	}
	var receivers, intervals []string
	for _, r := range f.Receivers {
		name, _ := r["name"].(string)
		receivers = append(receivers, name)
	}
	for _, i := range slices.Concat(f.MuteIntervals, f.Intervals) {
		intervals = append(intervals, i.Name)
	}
	for what, names := range map[string][]string{"receivers": receivers, "time_intervals": intervals} {
		if slices.Contains(names, "") || len(slices.Compact(slices.Sorted(slices.Values(names)))) != len(names) {
			return nil, fmt.Errorf("%s: a name is missing or there twice", what)
		}
	}
	return f, f.Route.check(receivers, intervals)
}

func (r *route) check(receivers, intervals []string) error {
	if r.Receiver != "" && !slices.Contains(receivers, r.Receiver) {
		return fmt.Errorf("route: there is no receiver %q", r.Receiver)
	}
	for _, name := range slices.Concat(r.Mute, r.Active) {
		if !slices.Contains(intervals, name) {
			return fmt.Errorf("route: there is no time interval %q", name)
		}
	}
	for _, sub := range r.Routes {
		if sub == nil {
			return errors.New("route: an empty route")
		}
		if err := sub.check(receivers, intervals); err != nil {
			return err
		}
	}
	return nil
}

// matchers gives all of them, sorted, in one spelling.
func (r *route) matchers() []string {
	all := spell(r.Matchers)
	for name, value := range r.Match {
		all = append(all, spell([]string{name + "=" + value})...)
	}
	for name, value := range r.MatchRE {
		all = append(all, spell([]string{name + "=~" + value})...)
	}
	slices.Sort(all)
	return all
}

// spell gives a list of matchers, joined by "and", in one spelling: without quotes, braces and spaces, sorted.
func spell(matchers []string) []string {
	drop := func(r rune) rune {
		if strings.ContainsRune(" {}\"'", r) {
			return -1
		}
		return r
	}
	var out []string
	for _, m := range matchers {
		out = append(out, strings.Split(strings.Map(drop, m), ",")...)
	}
	slices.Sort(out)
	return slices.DeleteFunc(out, func(m string) bool { return m == "" })
}

// outline is the structure of a configuration as lines: what the server tells again without defaults and secrets.
func (f *file) outline() []string {
	var out []string
	for _, r := range f.Receivers {
		line := []any{"receiver", r["name"]}
		for _, kind := range slices.Sorted(maps.Keys(r)) {
			if list, ok := r[kind].([]any); ok && len(list) > 0 {
				line = append(line, kind, len(list))
			}
		}
		out = append(out, fmt.Sprintln(line...))
	}
	for _, i := range slices.Concat(f.MuteIntervals, f.Intervals) {
		out = append(out, "interval "+i.Name)
	}
	for _, i := range f.InhibitRules {
		out = append(out, fmt.Sprint("inhibit ", spell(i.Source), spell(i.Target), slices.Sorted(slices.Values(i.Equal))))
	}
	return f.Route.outline(out, "route")
}

func (r *route) outline(out []string, at string) []string {
	if r == nil {
		return out
	}
	out = append(out, fmt.Sprint(at, " ", r.Receiver, r.GroupBy, r.Continue, r.matchers(), r.Mute, r.Active, " ", deploy.Span(r.Wait), deploy.Span(r.Interval), deploy.Span(r.Repeat)))
	for _, sub := range r.Routes {
		out = sub.outline(out, at+" >")
	}
	return out
}
