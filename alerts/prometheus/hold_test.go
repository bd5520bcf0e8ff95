package prometheus

import (
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/spec"
)

const (
	gone     = `{alertname="AssayerAbsent", severity="critical"}`
	overdue  = `{alertname="SettlementOverdue", rail="sct", severity="high"}`
	burning  = `{alertname="ErrorBudgetBurn", factor="14.4", long_window="1h", service="card", severity="critical", short_window="5m", slo="card-auth", team="payments", tier="page-1h"}`
	lastWord = " No agent is there: that is what the last one said."
)

// troubled is an agent with movements overdue, in doubt, not reconciled and at risk, and with a leg that fires.
func troubled(t *testing.T) target {
	t.Helper()
	text := agentText(t, strings.NewReplacer("drain_ratio{rail=\"sct\"} 0.4", "drain_ratio{rail=\"sct\"} 2.5", "in_doubt{rail=\"sct\"} 0", "in_doubt{rail=\"sct\"} 1",
		"overdue{rail=\"sct\"} 0", "overdue{rail=\"sct\"} 3", "breaks{rail=\"sct\"} 0", "breaks{rail=\"sct\"} 4").Replace(calm), fires(0))
	return target{"assayer", "a:9797", text}
}

var inTrouble = []string{
	`{alertname="CutOffAtRisk", rail="sct", severity="critical"}`, burning, `{alertname="MovementsInDoubt", rail="sct", severity="high"}`,
	`{alertname="ReconciliationBreaks", rail="sct", severity="medium"}`, overdue,
}

// TestLastWordIsHeld: the agent dies while the cut-off nears. Nobody is told that all is well, for an hour.
func TestLastWordIsHeld(t *testing.T) {
	w := newWorld(t, agentRules())
	ill, nobody := troubled(t), func() []target { return nil }
	w.run(65*time.Minute, func() []target { return []target{ill} })
	w.wantFiring(inTrouble...)
	dies := w.at
	w.run(dies+30*time.Minute, nobody)
	w.wantFiring(append(inTrouble, gone)...)
	for name, a := range w.firing() {
		if name != gone && !strings.Contains(a.Annotations["description"], lastWord) {
			t.Errorf("%s does not say whose word it is: %s", name, a.Annotations["description"])
		}
	}
	// The last look at the agent was a step before it died.
	w.run(dies-step+time.Hour, nobody)
	w.wantFiring(append(inTrouble, gone)...)
	w.run(dies+time.Hour+30*time.Minute, nobody) // what is kept longest is kept for half an hour
	w.wantFiring(gone)
}

// TestAgentTakesItsWordBack: whatever was held, what an agent says counts the moment there is one.
func TestAgentTakesItsWordBack(t *testing.T) {
	w := newWorld(t, agentRules())
	ill, well := troubled(t), target{"assayer", "b:9797", agentText(t, calm, card())}
	w.run(65*time.Minute, func() []target { return []target{ill} })
	w.run(80*time.Minute, func() []target { return nil })
	w.wantFiring(append(inTrouble, gone)...)
	back := w.at
	w.run(back+2*time.Minute, func() []target { return []target{well} })
	w.wantFiring(append(inTrouble, gone)...) // kept, as when no agent had died
	w.run(back+2*time.Minute+step, func() []target { return []target{well} })
	w.wantFiring(append([]string{gone}, without(inTrouble, burning)...)...)
	w.run(back+30*time.Minute+step, func() []target { return []target{well} })
	w.wantFiring()
}

func without(all []string, one string) (out []string) {
	for _, s := range all {
		if s != one {
			out = append(out, s)
		}
	}
	return out
}

// TestNothingIsHeldThatNobodySaid: neither what was never said, nor what was taken back while an agent spoke.
func TestNothingIsHeldThatNobodySaid(t *testing.T) {
	ill, well := troubled(t), target{"assayer", "b:9797", agentText(t, calm, card())}
	silent := target{"assayer", "a:9797", "assayer_build_info 1\nup 1\n"} // it says nothing of movements
	for name, phases := range map[string][][]target{
		"all was well":                        {{well}, {well}, nil},
		"it was over before the agent died":   {{ill}, {well}, nil},
		"its series went before the agent":    {{ill}, {silent}, nil},
		"another agent goes on":               {{ill, well}, {well}, {well}},
		"another agent goes on for some time": {{ill, well}, {well}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, agentRules())
			for i, phase := range phases {
				w.run([]time.Duration{20 * time.Minute, 21 * time.Minute, 50 * time.Minute}[i], func() []target { return phase })
			}
			var want []string
			if phases[2] == nil {
				want = []string{gone}
			}
			w.wantFiring(want...)
		})
	}
}

// TestBurnIsHeldWhereRawSeriesDoNotTell: rules on raw series take over what they see; of the rest the last word counts.
func TestBurnIsHeldWhereRawSeriesDoNotTell(t *testing.T) {
	for seen, want := range map[string][]string{
		"": {burning, gone},
		`slo:total_events:sum30s{slo="card-auth",service="card"} 100`: {gone},
	} {
		w := newWorld(t, Agent([]alerts.Objective{{Objective: spec.Objective{Name: "sum", Composite: &spec.Composite{}}}}, alerts.Options{AgentSelector: `job="assayer"`, Joined: true}))
		ill, rules := target{"assayer", "a:9797", agentText(t, calm, fires(0))}, target{text: seen + "\n"}
		w.run(10*time.Minute, func() []target { return []target{ill, rules} })
		w.wantFiring(burning)
		w.run(30*time.Minute, func() []target { return []target{rules} })
		w.wantFiring(want...)
	}
}

// TestAbsenceIsAsUrgentAsWhatItLeaves: nobody watches what only the agent can.
func TestAbsenceIsAsUrgentAsWhatItLeaves(t *testing.T) {
	nth := func(i int) alerts.Objective {
		set, problems := spec.Load([]spec.File{{Name: "slo.yaml", Data: []byte(`
apiVersion: assayer.dev/v1
kind: GoldenSignals
metadata: {name: card}
spec: {errors: {bad: 'card_total{outcome="bad"}', total: 'card_total', objective: 99.9%}}
---
apiVersion: assayer.dev/v1
kind: GoldenSignals
metadata: {name: sct}
spec: {errors: {bad: 'assayer_transactions_total{outcome="bad"}', total: 'assayer_transactions_total', objective: 99.9%}}
`)}}, spec.Options{})
		if err := problems.Err(); err != nil {
			t.Fatal(err)
		}
		o := set.Objectives[i]
		return alerts.Objective{Objective: o, Tiers: burnrate.Tiers(o.Window.Length)}
	}
	plain := func() alerts.Objective { return nth(0) }
	composite := plain()
	composite.Composite = &spec.Composite{}
	left := plain()
	left.Tiers = []burnrate.Tier{{Name: slo.FastTier}}
	for name, tt := range map[string]struct {
		objs []alerts.Objective
		o    alerts.Options
		want burnrate.Urgency
	}{
		"rules on raw series watch all":      {[]alerts.Objective{plain()}, alerts.Options{Joined: true}, burnrate.High},
		"there are none":                     {[]alerts.Objective{plain()}, alerts.Options{}, burnrate.Critical},
		"one objective has none":             {[]alerts.Objective{plain(), composite}, alerts.Options{Joined: true}, burnrate.Critical},
		"no leg of one objective has a rule": {[]alerts.Objective{plain(), left}, alerts.Options{Joined: true}, burnrate.Critical},
		"one is about movements":             {[]alerts.Objective{plain(), nth(1)}, alerts.Options{Joined: true}, burnrate.Critical},
		"movements are followed":             {[]alerts.Objective{plain()}, alerts.Options{Joined: true, Movements: true}, burnrate.Critical},
	} {
		for _, r := range Agent(tt.objs, tt.o)[0].Groups[0].Rules {
			if r.Alert == alerts.AgentAbsent && r.Labels[alerts.LabelSeverity] != string(tt.want) {
				t.Errorf("%s: %s, want %s", name, r.Labels[alerts.LabelSeverity], tt.want)
			}
		}
	}
}

// TestLastWordAtTheSlowestPace: evaluations as far apart as Prometheus takes a sample for present.
func TestLastWordAtTheSlowestPace(t *testing.T) {
	const pace = 5 * time.Minute
	w := newWorld(t, Agent(nil, alerts.Options{AgentSelector: `job="assayer"`, Interval: pace}))
	ill := troubled(t).samples(t)
	for i := range 8 {
		if i == 4 {
			ill = nil
		}
		if err := w.Step(time.Duration(epoch.UnixNano())+time.Duration(i)*pace, ill); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{overdue, burning} {
		if _, ok := w.firing()[want]; !ok {
			t.Errorf("not held is %s", want)
		}
	}
}
