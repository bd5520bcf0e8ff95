package main

import (
	"cmp"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/spec"
)

// engine returns the budget that the engine says is left after it was given every look.
func (s *scenario) engine(file string) (float64, error) {
	set, problems := spec.LoadGlobs([]string{file}, ".", spec.Options{ScrapeInterval: time.Minute, Strict: true})
	if err := problems.Err(); err != nil {
		return 0, err
	}
	e := slo.New(slo.Options{})
	if err := e.Apply(set.Objectives, s.begin, nil); err != nil {
		return 0, err
	}
	for look := range s.minutes + 1 {
		for i := range s.processes {
			if c, ok := s.cycle(&s.processes[i], look); ok {
				e.Observe(c)
			}
		}
	}
	name := cmp.Or(s.ask.objective, "payments-availability")
	for _, status := range e.Evaluate(s.at(s.minutes)) {
		if status.Name == name {
			return status.ErrorBudget.RemainingRatio, nil
		}
	}
	return 0, fmt.Errorf("%s holds no objective %s", file, name)
}

func (s *scenario) at(look int) time.Time { return s.begin.Add(time.Duration(look) * time.Minute) }

// cycle is one look at a process; false when there is neither a process nor one just gone.
func (s *scenario) cycle(p *process, look int) (collector.Cycle, bool) {
	c := collector.Cycle{Target: collector.Target(p.name), Process: p.name, Group: "payments", At: s.at(look), Interval: time.Minute}
	ok, failed, there := p.shows(look)
	if !there {
		c.Gone = look == p.begins+len(p.minutes)+1
		return c, c.Gone
	}
	var from int64
	if p.fresh {
		from = s.at(p.begins).UnixMilli()
	}
	for _, one := range []struct {
		outcome string
		value   int
	}{{"ok", ok}, {"failed", failed}} {
		if one.outcome == "failed" && p.late && failed == 0 {
			continue
		}
		ls := labels.FromStrings("__name__", "payments_total", "outcome", one.outcome, "instance", p.name)
		c.Samples = append(c.Samples, collector.Sample{Series: collector.NewSeries(ls), Value: float64(one.value), FromMs: from})
	}
	return c, true
}
