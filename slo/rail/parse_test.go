package rail_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/slo/calendar"
	"github.com/assayer-io/assayer/slo/rail"
)

// ours is a rail of a user's own, the base of what is broken in tests.
const ours = `apiVersion: assayer.dev/v1
kind: Rail
metadata: {name: card}
spec:
  title: Ours
  calendar: 24x7
  validFrom: 2026-11-21
  states: [{name: routed, rank: 20, kind: open}, {name: declined, kind: failure, class: business}]
  deadline: {within: 10s}
  role: {out: acquirer, in: issuer}
  buckets: [1s, 5s, 10s]
  cappedAmount: 99.5
  limits: [{name: answer, value: 10s, source: a book, asOf: 2026-11-21, until: 2027-01-01}]
  objectives:
    errors: {objective: 99%, window: 30d}
    latency: {objective: 99%, window: 30d, below: 5s}
    traffic: {objective: 99%, window: 30d, atLeast: 50%}
    saturation: {objective: 99%, window: 30d, gauge: open, below: 3}
`

// instant is ours with one replacement.
func instant(old, new string) string { return strings.Replace(ours, old, new, 1) }

func TestParse(t *testing.T) {
	rails, problems := rail.Parse("f.yaml", []byte(ours))
	if len(problems) > 0 || len(rails) != 1 {
		t.Fatal(rails, problems)
	}
	r := rails[0]
	if r.Capped != "99.5" || !slices.Equal(r.Buckets, []float64{1, 5, 10}) || r.RoleOf("in") != "issuer" || r.Deadline.Within != 10*time.Second || len(r.States) != 10 {
		t.Errorf("%+v", r)
	}
	if s, _ := r.State("declined"); s != (rail.State{Name: "declined", Rank: 100, Kind: rail.Failure, Class: "business"}) {
		t.Errorf("%+v", s)
	}
	if l := r.Limits[0]; l.AsOf != (calendar.Date{Year: 2026, Month: 11, Day: 21}) || l.Until != (calendar.Date{Year: 2027, Month: 1, Day: 1}) {
		t.Errorf("%+v", l)
	}
	if p := r.Proposals[3]; p.Name != "saturation" || p.Gauge != "open" || p.Below != 3 || p.Objective != 0.99 || p.Window != "30d" {
		t.Errorf("%+v", p)
	}
}

// TestMistakes: one replacement each, and all that has to be told of it.
func TestMistakes(t *testing.T) {
	const within = "within: 10s"
	word := ", allowed: lower-case letters, digits, dashes and underscores, at most 63"
	classes := ", allowed: technical_own, technical_peer, technical_scheme, technical_unknown, format, duplicate, routing, cutoff, liquidity, business, fraud, compliance, ambiguous"
	tests := map[string]struct {
		old, new string
		want     []string
	}{
		"version":           {"assayer.dev/v1", "v2", []string{`f.yaml:1:13: error: apiVersion: got "v2", allowed: assayer.dev/v1`}},
		"kind":              {"kind: Rail", "kind: SLO", []string{`f.yaml:2:7: error: kind: got "SLO", allowed: Rail`}},
		"name":              {"name: card", "name: Card!", []string{`f.yaml:3:18: error: metadata.name: got "Card!"` + word}},
		"no title":          {"  title: Ours\n", "", []string{"f.yaml:5:3: error: spec.title: has no value, allowed: what people call the rail"}},
		"misspelt":          {"calendar:", "calender:", []string{"f.yaml:6:3: error: spec.calender: unknown field, did you mean calendar?, allowed: title, calendar, validFrom, states, deadline, inDoubt, role, reasons, buckets, cappedAmount, limits, objectives, signals, dashboard"}},
		"no such day":       {"2026-11-21\n", "2026-02-30\n", []string{`f.yaml:7:14: error: spec.validFrom: got "2026-02-30", allowed: a date such as 2026-12-25`}},
		"kind of a state":   {"kind: open", "kind: opne", []string{`f.yaml:8:43: error: spec.states[0].kind: did you mean open?, got "opne", allowed: open, in_doubt, success, failure, cancelled, return`}},
		"rank of an end":    {"kind: failure", "kind: failure, rank: 50", []string{`f.yaml:8:88: error: spec.states[1].rank: got "50", allowed: 100, or nothing: this state ends a movement`}},
		"no rank":           {"rank: 20, ", "", []string{"f.yaml:8:12: error: spec.states[0].rank: has no value, allowed: a whole number from 1 to 99: a movement only goes up"}},
		"class of no end":   {"rank: 20,", "rank: 20, class: fraud,", []string{`f.yaml:8:44: error: spec.states[0].class: is for kind failure, got "fraud"`}},
		"unknown class":     {"class: business", "class: busines", []string{`f.yaml:8:89: error: spec.states[1].class: did you mean business?, got "busines"` + classes}},
		"state twice":       {"name: declined", "name: routed", []string{`f.yaml:8:57: error: spec.states[1].name: a state of this name is there already, got "routed"`}},
		"no deadline":       {within, "", []string{"f.yaml:9:13: error: spec.deadline: has 0 of them, allowed: exactly one of within, endOfDay, windows and confirmations"}},
		"two deadlines":     {within, within + ", confirmations: {blocks: 1, blockTime: 1s}", []string{"f.yaml:9:13: error: spec.deadline: has 2 of them, allowed: exactly one of within, endOfDay, windows and confirmations"}},
		"negative wait":     {within, "within: 0s", []string{`f.yaml:9:22: error: spec.deadline.within: got "0s", allowed: a duration above 0, up to 400d`}},
		"second calendar":   {within, within + ", settles: fed", []string{`f.yaml:9:36: error: spec.deadline.settles: is for endOfDay and windows, got "fed"`}},
		"time of day":       {within, `endOfDay: {at: "25:99"}`, []string{`f.yaml:9:29: error: spec.deadline.endOfDay.at: got "25:99", allowed: a time of day such as 17:00, from 00:01 to 48:00`}},
		"days":              {within, `endOfDay: {at: "18:00", days: 300}`, []string{`f.yaml:9:44: error: spec.deadline.endOfDay.days: got "300", allowed: business days from 0 to 250`}},
		"cut-off too late":  {within, `endOfDay: {at: "18:00", cutOff: {name: a, at: "19:00"}}`, []string{`f.yaml:9:60: error: spec.deadline.endOfDay.cutOff.at: got "19:00", allowed: a time before the deadline of that day`}},
		"no windows":        {within, "windows: []", []string{`f.yaml:9:23: error: spec.deadline.windows: got "a list", allowed: a list of 1 to 100 windows`}},
		"windows unordered": {within, `windows: [{name: a, cutOff: "10:00", at: "11:00"}, {name: a, cutOff: "09:00", at: "11:00"}]`, []string{`f.yaml:9:83: error: spec.deadline.windows[1].cutOff: got "09:00", allowed: a time after the cut-off of the window before it`}},
		"windows of two days": {within, `windows: [{name: a, cutOff: "10:00", at: "11:00"}, {name: b, cutOff: "34:00", at: "35:00"}]`,
			[]string{`f.yaml:9:83: error: spec.deadline.windows[1].cutOff: got "34:00", allowed: a time before the next day's first window`}},
		"window twice":       {within, `windows: [{name: a, cutOff: "10:00", at: "11:00"}, {name: a, cutOff: "11:00", at: "12:00"}]`, []string{`f.yaml:9:72: error: spec.deadline.windows[1].name: a window of this name is there already, got "a"`}},
		"window backwards":   {within, `windows: [{name: a, cutOff: "10:00", at: "09:00"}]`, []string{`f.yaml:9:55: error: spec.deadline.windows[0].at: got "09:00", allowed: a time after the window's cut-off, or days: 1`}},
		"no blocks":          {within, "confirmations: {blockTime: 12s}", []string{"f.yaml:9:29: error: spec.deadline.confirmations.blocks: has no value, allowed: a whole number from 1 to 1000000"}},
		"blocks without end": {within, "confirmations: {blocks: 1000000, blockTime: 1d}", []string{`f.yaml:9:58: error: spec.deadline.confirmations.blockTime: got "1d", allowed: at most 400d for all blocks together`}},
		"buckets out":        {"[1s, 5s, 10s]", "[1s, 10s, 5s]", []string{`f.yaml:11:22: error: spec.buckets[2]: got "5s", allowed: a duration above the one before it`}},
		"no limit in them":   {"[1s, 5s, 10s]", "[1s, 5s]", []string{"f.yaml:11:12: error: spec.buckets: the deadline and half of it have to be among the bounds, allowed: 10s too"}},
		"amount":             {"99.5", "-1", []string{`f.yaml:12:17: error: spec.cappedAmount: got "-1", allowed: an amount above 0 in major units such as 10000, without a currency`}},
		"no source":          {"source: a book, ", "", []string{"f.yaml:13:12: error: spec.limits[0].source: has no value, allowed: where it is written"}},
		"until before as of": {"until: 2027", "until: 2025", []string{`f.yaml:13:80: error: spec.limits[0].until: got "2025-01-01", allowed: a date after asOf`}},
		"unknown objective":  {"    errors:", "    error:", []string{"f.yaml:15:5: error: spec.objectives.error: unknown field, did you mean errors?, allowed: errors, value, capped-value, latency, traffic, saturation"}},
		"no objective":       {"errors: {objective: 99%, ", "errors: {", []string{"f.yaml:15:13: error: spec.objectives.errors.objective: has no value, allowed: a percentage such as 99.9%"}},
		"short window":       {"window: 30d}", "window: 5m}", []string{`f.yaml:15:38: error: spec.objectives.errors.window: got "5m", allowed: a duration such as 30d, from 1h to 400d`}},
		"no bound":           {"below: 5s", "below: 4s", []string{`f.yaml:16:51: error: spec.objectives.latency.below: got "4s", allowed: a duration that is one of the buckets`}},
		"of another":         {"atLeast: 50%", "atLeast: 50%, gauge: open", []string{`f.yaml:17:65: error: spec.objectives.traffic.gauge: is not for traffic, got "open"`}},
		"no share":           {", atLeast: 50%", "", []string{"f.yaml:17:14: error: spec.objectives.traffic.atLeast: has no value, allowed: a share of what is expected, above 0%, such as 50%"}},
		"unknown gauge":      {"gauge: open", "gauge: queue", []string{`f.yaml:18:54: error: spec.objectives.saturation.gauge: got "queue", allowed: drain_ratio, in_doubt, open, overdue`}},
		"capped of nothing":  {"  cappedAmount: 99.5\n", "  signals: {delay: x}\n  dashboard: {timeUnit: w}\n", []string{"f.yaml:12:13: error: spec.signals.delay: unknown field, allowed: latency, traffic, errors, saturation", `f.yaml:13:25: error: spec.dashboard.timeUnit: got "w", allowed: ms, s, m, h, d`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			text := instant(tt.old, tt.new)
			if text == ours {
				t.Fatalf("%q is not in the document", tt.old)
			}
			rails, problems := rail.Parse("f.yaml", []byte(text))
			if len(rails) != 0 || len(problems) == 0 {
				t.Fatalf("%d rails, %v", len(rails), problems)
			}
			if got, want := problems.Error(), strings.Join(tt.want, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// TestSeveralMistakes: they are told at once, the sound rails of the file are kept, and a name is there once.
func TestSeveralMistakes(t *testing.T) {
	text := ours + "---\n" + ours + "---\n[1]\n---\n" + instant("name: card", "name: wallet")
	rails, problems := rail.Parse("f.yaml", []byte(text))
	if got := problems.Errors(); got != 2 || len(rails) != 2 || rails[1].Name != "wallet" {
		t.Errorf("%d rails, %v", len(rails), problems)
	}
	if !strings.Contains(problems.Error(), "f.yaml:22:18: error: metadata.name: a rail of this name is already on line 3") {
		t.Error(problems)
	}
	if _, problems := rail.Parse("f.yaml", make([]byte, rail.MaxFileBytes+1)); problems.Err() == nil {
		t.Error("a file without end is read")
	}
}

func FuzzParse(f *testing.F) {
	names, err := filepath.Glob("presets/*.yaml")
	if err != nil || len(names) == 0 {
		f.Fatal(names, err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, int64(1_795_000_000))
	}
	f.Add([]byte(ours), int64(0))
	f.Fuzz(func(t *testing.T, data []byte, at int64) {
		rails, problems := rail.Parse("f.yaml", data)
		for _, p := range problems {
			if p.File != "f.yaml" {
				t.Errorf("%v stands nowhere", p)
			}
		}
		received := time.Unix(at%(1<<34), 0)
		for i := range rails {
			r := &rails[i]
			sound(t, r)
			cal := &calendar.Business{Name: "week", Location: time.UTC}
			for day := 1; day < 6; day++ {
				cal.Week[day] = []calendar.Session{{From: 0, To: 24 * 60}}
			}
			due, err := r.Due(received, cal, cal)
			if err == nil && due.At.Before(received) {
				t.Errorf("%s: due %v, received %v", r.Name, due.At, received)
			}
			if next, _, ok := r.NextCutOff(received, cal); ok && next.Before(received) {
				t.Errorf("%s: next cut-off %v before %v", r.Name, next, received)
			}
		}
	})
}

// sound is what the tracker relies on.
func sound(t *testing.T, r *rail.Rail) {
	t.Helper()
	seen := map[string]bool{}
	for _, s := range r.States {
		ends := s.Kind != rail.Open && s.Kind != rail.InDoubt
		if seen[s.Name] || s.Rank < 1 || ends != (s.Rank == 100) {
			t.Errorf("state %+v", s)
		}
		seen[s.Name] = true
	}
	if len(r.States) > 32 || !seen["settled"] || len(r.Buckets) == 0 || !slices.IsSorted(r.Buckets) {
		t.Errorf("%+v", r)
	}
}
