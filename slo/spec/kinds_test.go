package spec_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/strictyaml"
	"github.com/assayer-io/assayer/slo/calendar"
	"github.com/assayer-io/assayer/slo/spec"
)

// load reads one file that has to be without errors.
func load(t *testing.T, text string) spec.Set {
	t.Helper()
	set, problems := spec.Load([]spec.File{{Name: "f.yaml", Data: []byte(text)}}, spec.Options{})
	if problems.Err() != nil {
		t.Fatalf("%v in\n%s", problems, text)
	}
	return set
}

// calendarDocument is the calendar that others name desk.
var calendarDocument = businessDay[:strings.Index(businessDay, "---\n")]

func TestIndicators(t *testing.T) {
	type made struct {
		indicator spec.Indicator
		target    float64 // of a slice
	}
	gauge := slicesIn("{thresholdMetric: {metricSource: {spec: {query: g}}}}", "{op: gte, value: 1, target: 0.99, timeSliceTarget: 1, timeSliceWindow: 1m}")
	h := *selector(`h{a="b"}`, equal("a", "b"))
	for name, tc := range map[string]struct {
		text string
		want made
	}{
		"histogram in seconds": {indicatorIn(`{ratioMetric: {counter: true, good: {metricSource: {spec: {query: 'h{a="b"}', below: 1h}}}}}`),
			made{indicator: spec.Indicator{Histogram: &spec.Histogram{Query: h, Below: 3600}}}},
		"histogram in its own unit": {indicatorIn(`{ratioMetric: {counter: true, good: {metricSource: {spec: {query: 'h{a="b"}', below: -0.25}}}, total: {metricSource: {spec: {query: '{a="b",__name__="h"}'}}}}}`),
			made{indicator: spec.Indicator{Histogram: &spec.Histogram{Query: h, Below: -0.25}}}},
		"one bucket, as it was": {indicatorIn(`{ratioMetric: {counter: true, good: {metricSource: {spec: {query: 'h_bucket{le="2"}'}}}, total: {metricSource: {spec: {query: h_count}}}}}`),
			made{indicator: spec.Indicator{Ratio: &spec.Ratio{Good: selector(`h_bucket{le="2"}`, equal("le", "2")), Total: selector("h_count"), Latency: true}}}},
		"sums of a summary": {indicatorIn(`{ratioMetric: {counter: true, bad: {metricSource: {spec: {query: 's_sum'}}}, total: {metricSource: {spec: {query: s_count}}}}}`),
			made{indicator: spec.Indicator{Ratio: &spec.Ratio{Bad: selector("s_sum"), Total: selector("s_count")}}}},
		"raw failures": {indicatorIn("{ratioMetric: {rawType: failure, counter: true, raw: {metricSource: {spec: {query: g}}}}}"),
			made{indicator: spec.Indicator{RawRatio: &spec.RawRatio{Query: *selector("g")}}}},
		"raw successes of events": {strings.Replace(indicatorIn("{ratioMetric: {rawType: success, raw: {metricSource: {spec: {query: g}}}}}"), "{name: x}\n    spec", "{name: x, annotations: {assayer.dev/events-query: e_total}}\n    spec", 1),
			made{indicator: spec.Indicator{RawRatio: &spec.RawRatio{Query: *selector("g"), Success: true, Events: selector("e_total")}}}},
		"boolean": {gauge, made{indicator: spec.Indicator{Threshold: &spec.Threshold{Query: *selector("g"), Op: spec.GreaterOrEqual, Value: 1}}, target: 1}},
		"quantile as a gauge": {strings.Replace(gauge, "query: g", `query: 'g{quantile="0.99"}'`, 1),
			made{indicator: spec.Indicator{Threshold: &spec.Threshold{Query: *selector(`g{quantile="0.99"}`, equal("quantile", "0.99")), Op: spec.GreaterOrEqual, Value: 1}}, target: 1}},
		"presence": {slicesIn("{thresholdMetric: {metricSource: {spec: {query: g, present: true}}}}", "{target: 0.99, timeSliceWindow: 1m}"),
			made{indicator: spec.Indicator{Presence: &spec.Presence{Query: *selector("g")}}, target: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			o := load(t, tc.text).Objectives[0]
			tc.want.indicator.Name = "x"
			if got, want := plain(reflect.ValueOf(o.Indicator)), plain(reflect.ValueOf(tc.want.indicator)); got != want || o.SliceTarget != tc.want.target {
				t.Errorf("got  %s %v\nwant %s %v", got, o.SliceTarget, want, tc.want.target)
			}
		})
	}
}

func TestSelectorsListEverythingToCollect(t *testing.T) {
	for text, want := range map[string]string{
		"errors: {bad: b, total: t, excluded: e, objective: 1}":                              "b t e",
		"errors: {good: g, bad: b, objective: 1}":                                            "g b",
		"latency: {histogram: h, below: 1s, objective: 1}":                                   "h",
		"traffic: {total: t, atLeast: 1/s}":                                                  "t",
		"saturation: {gauge: g, below: 1, objective: 1}":                                     "g",
		"presence: {series: p, objective: 1, currency: EUR, value: v}":                       "p v",
		"saturation: {gauge: g, below: 1, objective: 1, currency: EUR, value: 'v{a=\"b\"}'}": `g v{a="b"}`,
	} {
		var got []string
		for _, s := range load(t, golden("\n  "+text+"\n")).Objectives[0].Selectors() {
			got = append(got, s.Text)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v", text, got)
		}
	}
	for _, o := range load(t, wallet).Objectives {
		if len(o.Selectors()) > 0 != (o.Composite == nil) {
			t.Errorf("%s has %d selectors", o.Name, len(o.Selectors()))
		}
	}
}

func TestWeights(t *testing.T) {
	annotated := func(document, text string) string {
		return strings.Replace(document, "metadata: {name: x}\nspec", "metadata: {name: x, annotations: {"+text+"}}\nspec", 1)
	}
	slices := strings.NewReplacer("Occurrences", "RatioTimeslices", "{target: 0.99}", "{target: 0.99, timeSliceWindow: 5m}").Replace(valid)
	for name, tc := range map[string]struct {
		text string
		want *spec.Weight
	}{
		"events":      {valid, nil},
		"cents":       {annotated(valid, "assayer.dev/currency: EUR"), &spec.Weight{Currency: "EUR", MinorUnit: 1}},
		"euros":       {annotated(valid, "assayer.dev/currency: EUR, assayer.dev/unit: major"), &spec.Weight{Currency: "EUR", MinorUnit: 100}},
		"yen":         {annotated(valid, "assayer.dev/currency: JPY, assayer.dev/unit: major"), &spec.Weight{Currency: "JPY", MinorUnit: 1}},
		"dinar":       {annotated(valid, "assayer.dev/currency: KWD, assayer.dev/unit: major"), &spec.Weight{Currency: "KWD", MinorUnit: 1000}},
		"slices":      {annotated(slices, "assayer.dev/currency: EUR"), &spec.Weight{Currency: "EUR", MinorUnit: 1}},
		"slices by":   {annotated(slices, "assayer.dev/currency: EUR, assayer.dev/value-query: v"), &spec.Weight{Currency: "EUR", MinorUnit: 1, By: selector("v")}},
		"indicator's": {strings.Replace(valid, "    metadata: {name: x}", "    metadata: {name: x, annotations: {assayer.dev/currency: USD}}", 1), &spec.Weight{Currency: "USD", MinorUnit: 1}},
		"the SLO's before the indicator's": {strings.Replace(annotated(valid, "assayer.dev/currency: EUR"), "    metadata: {name: x}", "    metadata: {name: x, annotations: {assayer.dev/currency: USD, assayer.dev/unit: major}}", 1),
			&spec.Weight{Currency: "EUR", MinorUnit: 100}},
	} {
		got := load(t, tc.text).Objectives[0].Weight
		if (got == nil) != (tc.want == nil) || got != nil && plain(reflect.ValueOf(*got)) != plain(reflect.ValueOf(*tc.want)) {
			t.Errorf("%s: got %+v, want %+v", name, got, tc.want)
		}
	}
}

func TestGroups(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]spec.GroupBy{
		"groupBy: [region]":                                         {Labels: []string{"region"}, Max: 100, Expires: 30 * day},
		"groupBy: 'scheme, region'":                                 {Labels: []string{"region", "scheme"}, Max: 100, Expires: 30 * day},
		"groupBy: [b, a]\n  maxGroups: 1000\n  groupExpires: 1d":    {Labels: []string{"a", "b"}, Max: 1000, Expires: day},
		"window: 30m\n  groupBy: [a]":                               {Labels: []string{"a"}, Max: 100, Expires: time.Hour},
		"groupBy: [a]\n  maxGroups: '7'\n  groupExpires: 400d\n  #": {Labels: []string{"a"}, Max: 7, Expires: 400 * day},
	} {
		set := load(t, golden("\n  "+text+"\n  errors: {bad: b, total: t, objective: 1}\n  latency: {histogram: h, below: 1s, objective: 1, groupBy: [own]}\n"))
		if got := set.Objectives[0].GroupBy; got == nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%s: got %+v", text, got)
		}
		if got := set.Objectives[1].GroupBy; !reflect.DeepEqual(got.Labels, []string{"own"}) || got.Max != want.Max {
			t.Errorf("%s: a signal's own groups are %+v", text, got)
		}
	}
}

func TestBusinessCalendars(t *testing.T) {
	set := load(t, golden("\n  calendar: desk\n  errors: {bad: b, total: t, objective: 1}\n")+"---\n"+businessDay)
	if len(set.Calendars) != 1 || set.Objectives[0].Calendar != set.Calendars[0] || set.Objectives[1].Calendar != nil {
		t.Fatalf("calendars %+v", set.Calendars)
	}
	long := []calendar.Session{{From: 7 * 60, To: 18 * 60}, {Name: "late", From: 18*60 + 30, To: 20 * 60}}
	got := *set.Calendars[0]
	zone := got.Location.String()
	got.Location = nil
	want := calendar.Business{Name: "desk",
		Week:     [7][]calendar.Session{time.Monday: long, time.Tuesday: long, time.Wednesday: long, time.Thursday: long, time.Friday: {{From: 420, To: 1080}}},
		Holidays: []calendar.Holiday{{Date: calendar.Date{Year: 2026, Month: 12, Day: 24}, Name: "Christmas Eve", Sessions: []calendar.Session{{From: 540, To: 720}}}, {Date: calendar.Date{Year: 2026, Month: 12, Day: 25}, Name: "Christmas Day"}},
		CutOffs:  []calendar.CutOff{{Name: "night", Minute: -60}, {Name: "payments", Minute: 17 * 60}},
	}
	if !reflect.DeepEqual(got, want) || zone != "Europe/Berlin" {
		t.Errorf("got  %+v in %s\nwant %+v", got, zone, want)
	}
	for hours, want := range map[string]calendar.Session{"-05:00-18:00": {From: -300, To: 1080}, "18:00 - 26:00": {From: 1080, To: 1560}, "-1:30--0:30": {From: -90, To: -30}, "00:00-24:00": {To: 1440}} {
		text := "{apiVersion: assayer.dev/v1, kind: BusinessCalendar, metadata: {name: a}, spec: {timeZone: UTC, week: {friday-monday: ['" + hours + "']}}}"
		week := load(t, text).Calendars[0].Week
		for day, sessions := range week {
			open := day == int(time.Friday) || day == int(time.Saturday) || day == int(time.Sunday) || day == int(time.Monday)
			if open != (len(sessions) == 1) || open && sessions[0] != want {
				t.Errorf("%s: %v has %+v", hours, time.Weekday(day), sessions)
			}
		}
	}
}

func TestCompositeDocuments(t *testing.T) {
	set := load(t, journey)
	o := set.Objectives[0]
	want := spec.Composite{Method: spec.Weighted, Members: []spec.Member{
		{Objective: "x", Weight: 2, WhenUnknown: spec.Ignore, MaxDelay: 5 * time.Minute}, {Objective: "y-errors", Weight: 1, WhenUnknown: spec.MakeUnknown}}}
	if len(set.Objectives) != 3 || o.Name != "whole" || o.Target != 0.99 || o.Method != spec.Occurrences || o.Window.Length != 30*24*time.Hour || o.Line != 3 || !reflect.DeepEqual(*o.Composite, want) {
		t.Errorf("got %+v with %+v", o, o.Composite)
	}
	bare := strings.NewReplacer("  service: s\n  method: weighted\n  window: 30d\n", "  method: journey\n", "weight: 2, ", "").Replace(journey)
	if o := load(t, bare).Objectives[0]; o.Service != "whole" || o.Window.Text != "30d" || o.Composite.Method != spec.Journey || o.Composite.Members[0].Weight != 1 {
		t.Errorf("defaults give %+v with %+v", o, o.Composite)
	}
}

func TestOpenSLOComposites(t *testing.T) {
	set := load(t, wallet)
	var names []string
	for _, o := range set.Objectives {
		names = append(names, o.Name)
		if o.Service != "s" || o.Window.Text != "30d" {
			t.Errorf("%s: %+v", o.Name, o)
		}
	}
	if got := strings.Join(names, " "); got != "wallet-top-up wallet-2 wallet" {
		t.Fatalf("objectives are %s", got)
	}
	if got := set.Objectives[0]; got.Target != 0.999 || got.Indicator.Ratio.Bad.Text != "c_total" || got.DisplayName != "Top-up" {
		t.Errorf("the first is %+v", got)
	}
	whole := set.Objectives[2]
	want := spec.Composite{Method: spec.Weighted, Members: []spec.Member{
		{Objective: "wallet-top-up", Weight: 3, WhenUnknown: spec.MakeUnknown}, {Objective: "wallet-2", Weight: 1, WhenUnknown: spec.MakeUnknown}}}
	// (3 × 0.999 + 0.99) ÷ 4
	if !reflect.DeepEqual(*whole.Composite, want) || whole.Target < 0.99674999 || whole.Target > 0.99675001 || whole.Method != spec.Occurrences {
		t.Errorf("the whole is %+v with %+v", whole, whole.Composite)
	}
	certain := strings.NewReplacer("0.999", "1", "0.99", "1", "compositeWeight: 3", "compositeWeight: 0.1").Replace(wallet)
	if got := load(t, certain).Objectives[2].Target; got != 1 {
		t.Errorf("the mean of ones is %v", got)
	}
}

func TestBudgetPolicies(t *testing.T) {
	share := func(v float64) *float64 { return &v }
	got := load(t, release).Policies
	want := []spec.BudgetPolicy{{Name: "release", Labels: map[string]string{"team": "a"}, Objectives: []string{"x*"}, File: "f.yaml", Line: 3, Rules: []spec.PolicyRule{
		{Name: "careful", RemainingBelow: share(0.25), Until: share(0.35), Then: spec.DemandApproval},
		{Name: "fast", BurnAbove: 6, Over: 6 * time.Hour, Until: share(3), For: 10 * time.Minute, ClearFor: 30 * time.Minute, Then: spec.CallHook, Hook: "undo"},
		{Name: "paged", Firing: "page-1h", ClearFor: 30 * time.Minute, Then: spec.NotifyPage},
		{Name: "gone", Exhausted: true, Then: spec.Freeze, Message: "Only fixes."},
	}}}
	for i := range got[0].Rules { // the first is on line 7
		at := &got[0].Rules[i].At
		if at.File() != "f.yaml" || at.Line() != 7+i {
			t.Errorf("rule %d is at %s:%d", i, at.File(), at.Line())
		}
		*at = strictyaml.Node{}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestWindowsUpToFourHundredDays(t *testing.T) {
	const window = "{duration: 30d, isRolling: true}"
	const day = 24 * time.Hour
	for text, want := range map[string]spec.Window{
		"{duration: 400d, isRolling: true}": {Text: "400d", Length: 400 * day, Rolling: true},
		"{duration: 1Y, isRolling: false, calendar: {startTime: 2026-04-06 00:00:00, timeZone: Europe/London}}": {Text: "1Y", Length: 365 * day, Unit: spec.Year, Count: 1},
		"{duration: 4Q, isRolling: false, calendar: {startTime: 2026-01-01 00:00:00, timeZone: Asia/Tokyo}}":    {Text: "4Q", Length: 360 * day, Unit: spec.Quarter, Count: 4},
	} {
		got := load(t, strings.Replace(valid, window, text, 1)).Objectives[0].Window
		if got.Text != want.Text || got.Length != want.Length || got.Rolling != want.Rolling || got.Unit != want.Unit || got.Count != want.Count {
			t.Errorf("%s: got %+v", text, got)
		}
		if !want.Rolling && (got.Anchor.Hour() != 0 || got.Anchor.Location() != got.Location) {
			t.Errorf("%s begins at %s", text, got.Anchor)
		}
	}
	if got := load(t, strings.Replace(valid, window, "{duration: 1Y, isRolling: false, calendar: {startTime: 2026-04-06 00:00:00, timeZone: Europe/London}}", 1)).Objectives[0].Window.Anchor; got.UTC() != time.Date(2026, 4, 5, 23, 0, 0, 0, time.UTC) {
		t.Errorf("the tax year begins at %s", got.UTC())
	}
}

// TestOrderOfDocumentsDoesNotMatter: what others refer to may come last, and in another file.
func TestOrderOfDocumentsDoesNotMatter(t *testing.T) {
	documents := strings.Split(journey+"---\n"+release[:strings.Index(release, "---\n")]+"---\n"+calendarDocument, "---\n")
	var files, reversed []spec.File
	for i := range documents {
		files = append(files, spec.File{Name: "f.yaml", Data: []byte(documents[i])})
		reversed = append(reversed, spec.File{Name: "f.yaml", Data: []byte(documents[len(documents)-1-i])})
	}
	for _, in := range [][]spec.File{files, reversed} {
		set, problems := spec.Load(in, spec.Options{})
		if len(problems) > 0 || len(set.Objectives) != 3 || len(set.Policies) != 1 || len(set.Calendars) != 1 {
			t.Errorf("%d objectives, %d policies, %d calendars, %v", len(set.Objectives), len(set.Policies), len(set.Calendars), problems)
		}
	}
}
