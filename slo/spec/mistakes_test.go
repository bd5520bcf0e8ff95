package spec_test

import (
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/slo/spec"
)

const inlineIndicator = `  indicator:
    metadata: {name: x}
    spec:
      ratioMetric:
        counter: true
        bad:   {metricSource: {type: Prometheus, spec: {query: 'x_total{y="z"}'}}}
        total: {metricSource: {type: Prometheus, spec: {query: 'x_total'}}}
`

// valid is what each row below breaks in one place.
const valid = `apiVersion: openslo/v1
kind: SLO
metadata: {name: x}
spec:
  service: s
  budgetingMethod: Occurrences
` + inlineIndicator + `  timeWindow: [{duration: 30d, isRolling: true}]
  objectives: [{target: 0.99}]
`

func golden(signals string) string {
	return "apiVersion: assayer.dev/v1\nkind: GoldenSignals\nmetadata: {name: x}\nspec:" + signals
}

const onlySelectors = `a plain series selector such as x{y="z"}; other PromQL needs the promql collector, which this version does not have`

// mistake is one replacement in a valid document and the lines it has to bring about.
type mistake struct {
	old, new string
	want     []string
}

func check(t *testing.T, document string, o spec.Options, tests map[string]mistake) {
	t.Helper()
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(document, tc.old) {
				t.Fatalf("%q is not in the document", tc.old)
			}
			text := strings.Replace(document, tc.old, tc.new, 1)
			set, problems := spec.Load([]spec.File{{Name: "f.yaml", Data: []byte(text)}}, o)
			if got, want := lines(problems), strings.Join(tc.want, "\n  "); got != want {
				t.Errorf("got\n  %s\nwant\n  %s", got, want)
			}
			if problems.Err() == nil && len(set.Objectives) == 0 {
				t.Error("no error and no objective")
			}
		})
	}
}

func TestMistakesInSLOs(t *testing.T) {
	const query = `query: 'x_total{y="z"}'`
	const at = `f.yaml:12:64: error: spec.indicator.spec.ratioMetric.bad.metricSource.spec.query: `
	ratio := "f.yaml:11:9: error: spec.indicator.spec.ratioMetric"
	check(t, valid, spec.Options{}, map[string]mistake{
		"none":                   {"", "", nil},
		"version of a draft":     {"openslo/v1", "openslo/v1alpha", []string{`f.yaml:1:13: error: apiVersion: got "openslo/v1alpha", allowed: openslo/v1 or assayer.dev/v1`}},
		"no version":             {"apiVersion: openslo/v1\n", "", []string{"f.yaml:1:1: error: apiVersion: has no value, allowed: openslo/v1 or assayer.dev/v1"}},
		"unknown kind":           {"kind: SLO", "kind: slo", []string{`f.yaml:2:7: error: kind: did you mean SLO?, got "slo", allowed: SLO, SLI, Service, AlertPolicy, AlertCondition, AlertNotificationTarget, DataSource`}},
		"kind of the other":      {"openslo/v1", "assayer.dev/v1", []string{`f.yaml:2:7: error: kind: got "SLO", allowed: GoldenSignals, CompositeSLO, BudgetPolicy, BusinessCalendar`}},
		"no name":                {"{name: x}", "{}", []string{"f.yaml:3:11: error: metadata.name: has no value, allowed: lower-case letters, digits and dashes, at most 63"}},
		"name with nothing":      {"{name: x}", "{name: '!'}", []string{`f.yaml:3:18: error: metadata.name: got "!", allowed: lower-case letters, digits and dashes, at most 63`}},
		"name with blanks":       {"{name: x}", "{name: Card Auth}", []string{`f.yaml:3:18: warning: metadata.name: is read as card-auth, got "Card Auth", allowed: lower-case letters, digits and dashes, at most 63`}},
		"misspelled field":       {"service: s", "servise: s", []string{"f.yaml:5:3: error: spec.servise: unknown field, did you mean service?, allowed: description, service, serviceRef, indicator, indicatorRef, budgetingMethod, timeWindow, objectives, alertPolicies"}},
		"no service":             {"  service: s\n", "", []string{"f.yaml:5:3: error: spec.service: has no value, allowed: the name of a service"}},
		"service of a draft":     {"service: s", "serviceRef: s", []string{`f.yaml:5:15: warning: spec.serviceRef: is taken as service, got "s"`}},
		"unknown method":         {"Occurrences", "Occurences", []string{`f.yaml:6:20: error: spec.budgetingMethod: did you mean Occurrences?, got "Occurences", allowed: Occurrences, Timeslices, RatioTimeslices`}},
		"method in lower case":   {"Occurrences", "occurrences", []string{`f.yaml:6:20: warning: spec.budgetingMethod: got "occurrences", allowed: Occurrences`}},
		"no method":              {"  budgetingMethod: Occurrences\n", "", []string{"f.yaml:5:3: warning: spec.budgetingMethod: is missing and taken as Occurrences, allowed: Occurrences, Timeslices, RatioTimeslices"}},
		"label that is a map":    {"{name: x}", "{name: x, labels: {a: {b: c}}}", []string{`f.yaml:3:33: error: metadata.labels.a: got "a mapping", allowed: text or a list of texts`}},
		"no indicator":           {inlineIndicator, "", []string{"f.yaml:5:3: error: spec.indicator: needs exactly one of both, allowed: indicator or indicatorRef"}},
		"both indicators":        {"  timeWindow", "  indicatorRef: y\n  timeWindow", []string{"f.yaml:8:5: error: spec.indicator: needs exactly one of both, allowed: indicator or indicatorRef"}},
		"indicator without name": {"    metadata: {name: x}\n", "", []string{"f.yaml:8:5: warning: spec.indicator.metadata.name: is missing and taken from the SLO"}},
		"alert policies":         {"  timeWindow", "  alertPolicies: [{alertPolicyRef: p}]\n  timeWindow", []string{"f.yaml:14:18: warning: spec.alertPolicies: is read but not used yet"}},

		"no counter":      {"        counter: true\n", "", []string{"f.yaml:11:9: warning: spec.indicator.spec.ratioMetric.counter: is missing and taken as true"}},
		"ratio of gauges": {"counter: true", "counter: false", []string{`f.yaml:11:18: error: spec.indicator.spec.ratioMetric.counter: events are counted with counters only, got "false", allowed: true, or raw for a gauge that is a ratio`}},
		"good, bad and total": {"        bad:", "        good: {metricSource: {spec: {query: g}}}\n        bad:", []string{
			ratio + `: got "3 of good, bad and total", allowed: total with one of good and bad, or good and bad without total`}},
		"good and bad": {"total:", "good:", []string{"f.yaml:11:9: warning: spec.indicator.spec.ratioMetric.total: is missing and taken as good + bad"}},
		"no bad":       {"        bad: ", "        # bad: ", []string{ratio + `: got "1 of good, bad and total", allowed: total with one of good and bad, or good and bad without total`}},
		"raw ratio": {"        counter: true", "        rawType: success", []string{"f.yaml:11:9: error: spec.indicator.spec.ratioMetric.raw: has no value, allowed: {metricSource: {spec: {query: SELECTOR}}}",
			"f.yaml:12:16: error: spec.indicator.spec.ratioMetric.bad: cannot stand beside raw, allowed: raw alone, or total with good or bad",
			"f.yaml:13:16: error: spec.indicator.spec.ratioMetric.total: cannot stand beside raw, allowed: raw alone, or total with good or bad"}},
		"both metrics":   {"      ratioMetric:", "      thresholdMetric: {}\n      ratioMetric:", []string{"f.yaml:10:7: error: spec.indicator.spec: needs exactly one metric, allowed: ratioMetric or thresholdMetric"}},
		"foreign source": {"{type: Prometheus", "{type: Datadog", []string{`f.yaml:12:38: error: spec.indicator.spec.ratioMetric.bad.metricSource.type: is not a type of data source that can be read, got "Datadog", allowed: Prometheus`}},
		"no query":       {query, "", []string{`f.yaml:12:56: error: spec.indicator.spec.ratioMetric.bad.metricSource.spec.query: has no value, allowed: ` + onlySelectors}},
		"no spec":        {", spec: {" + query + "}", "", []string{"f.yaml:12:31: error: spec.indicator.spec.ratioMetric.bad.metricSource.spec: has no value, allowed: {query: SELECTOR}"}},
		"unknown setting": {query, query + ", queryType: promql", []string{
			"f.yaml:12:82: warning: spec.indicator.spec.ratioMetric.bad.metricSource.spec.queryType: unknown field, allowed: query, below, present, rate, of"}},
		"limit of the bad": {query, "query: h, below: 2s", []string{
			`f.yaml:12:74: error: spec.indicator.spec.ratioMetric.bad.metricSource.spec.below: is for how many observations of a histogram kept below a limit, got "2s", allowed: only in the good of a ratioMetric`}},
		"rate in a ratio": {query, query + ", rate: true", []string{
			`f.yaml:12:88: error: spec.indicator.spec.ratioMetric.bad.metricSource.spec.rate: is for the floor under a counter's rate, got "true", allowed: only in a thresholdMetric`}},

		"sum of rates": {query, "query: 'sum by (job) (rate(x_total{y=\"z\"}[5m]))'", []string{
			at + `write x_total{y="z"} instead, its increase over every window is taken for you, got "sum by (job) (rate(x_total{y=\"z\"}[5m]))", allowed: ` + onlySelectors}},
		"template window": {query, "query: 'sum(increase(x_total[{{.window}}]))'", []string{
			at + `write x_total instead, its increase over every window is taken for you, got "sum(increase(x_total[{{.window}}]))", allowed: ` + onlySelectors}},
		"window in brackets": {query, "query: 'sum(rate(x_total[window]))'", []string{
			at + `write x_total instead, its increase over every window is taken for you, got "sum(rate(x_total[window]))", allowed: ` + onlySelectors}},
		"grafana's window": {query, "query: 'rate(x_total[$__rate_interval])'", []string{
			at + `write x_total instead, its increase over every window is taken for you, got "rate(x_total[$__rate_interval])", allowed: ` + onlySelectors}},
		"offset":     {query, "query: 'x_total offset 5m'", []string{at + `got "x_total offset 5m", allowed: ` + onlySelectors}},
		"range":      {query, "query: 'x_total[5m]'", []string{at + `write x_total instead, its increase over every window is taken for you, got "x_total[5m]", allowed: ` + onlySelectors}},
		"difference": {query, "query: 'a_total - b_total'", []string{at + `got "a_total - b_total", allowed: ` + onlySelectors}},
		"average":    {query, "query: 'avg(x_total)'", []string{at + `got "avg(x_total)", allowed: ` + onlySelectors}},
		"not PromQL": {query, "query: 'x_total{y=}'", []string{at + `not valid PromQL: 1:11: parse error: unexpected "}" in label matching, expected string, got "x_total{y=}", allowed: ` + onlySelectors}},
		"any name":   {query, `query: '{job="x"}'`, []string{`f.yaml:12:64: warning: spec.indicator.spec.ratioMetric.bad.metricSource.spec.query: fixes no metric name, so series of every name are looked at, got "{job=\"x\"}"`}},
		"all buckets": {query, "query: h_bucket", []string{
			at + `selects several buckets of a histogram, and most events are in more than one, got "h_bucket", allowed: one bucket such as h_bucket{le="2"}, with a number for le, or every event: h_count`}},
		"some buckets": {query, `query: 'h_bucket{le=~"1|2"}'`, []string{
			at + `selects several buckets of a histogram, and most events are in more than one, got "h_bucket{le=~\"1|2\"}", allowed: one bucket such as h_bucket{le="2"}, with a number for le, or every event: h_count`}},
		"excluded": {"    metadata: {name: x}", "    metadata: {name: x, annotations: {assayer.dev/excluded-query: sum(a)}}", []string{
			`f.yaml:8:67: error: spec.indicator.metadata.annotations["assayer.dev/excluded-query"]: write a instead, its increase over every window is taken for you, got "sum(a)", allowed: ` + onlySelectors}},

		"no objectives":     {"[{target: 0.99}]", "[]", []string{`f.yaml:15:15: error: spec.objectives: has no value, allowed: at least one, such as [{target: 0.999}]`}},
		"no target":         {"{target: 0.99}", "{}", []string{"f.yaml:15:16: error: spec.objectives[0].target: needs exactly one of both, allowed: target from 0 to 1, or targetPercent from 0 to 100"}},
		"two targets":       {"{target: 0.99}", "{target: 0.99, targetPercent: 99}", []string{"f.yaml:15:25: error: spec.objectives[0].target: needs exactly one of both, allowed: target from 0 to 1, or targetPercent from 0 to 100"}},
		"target above one":  {"0.99", "99.9", []string{`f.yaml:15:25: error: spec.objectives[0].target: did you mean 99.9%?, got "99.9", allowed: a ratio from 0 to 1 such as 0.999, or a percentage such as 99.9%`}},
		"target below zero": {"0.99", "-0.1", []string{`f.yaml:15:25: error: spec.objectives[0].target: got "-0.1", allowed: a ratio from 0 to 1 such as 0.999, or a percentage such as 99.9%`}},
		"target in percent": {"0.99", "99%", []string{`f.yaml:15:25: warning: spec.objectives[0].target: a percentage is for targetPercent, got "99%", allowed: a ratio from 0 to 1`}},
		"percent above 100": {"target: 0.99", "targetPercent: 100.1", []string{`f.yaml:15:32: error: spec.objectives[0].targetPercent: got "100.1", allowed: a number from 0 to 100`}},
		"target of 1":       {"0.99", "1", nil},
		"target of 0":       {"0.99", "0", nil},
		"op on a ratio":     {"{target: 0.99}", "{op: gt, value: 1, target: 0.99}", []string{`f.yaml:15:21: warning: spec.objectives[0].op: is ignored: it is for thresholdMetric, got "gt"`, `f.yaml:15:32: warning: spec.objectives[0].value: is ignored: it is for thresholdMetric, got "1"`}},
		"slice of events":   {"{target: 0.99}", "{target: 0.99, timeSliceWindow: 1m}", []string{`f.yaml:15:48: warning: spec.objectives[0].timeSliceWindow: is ignored: it is for the slice methods, got "1m"`}},
		"composite":         {"{target: 0.99}", "{target: 0.99, compositeWeight: 1}", []string{"f.yaml:15:48: error: spec.objectives[0].compositeWeight: is for a composite, whose objectives have an indicator each and which has none of its own, allowed: indicator or indicatorRef in every entry, and none in spec"}},
		"name too long in all": {"[{target: 0.99}]", "[{target: 0.99}, {displayName: " + strings.Repeat("y", 62) + ", target: 0.9}]", []string{
			`f.yaml:15:46: error: spec.objectives[1].displayName: the objective's name is the document's and this one, got "x-` + strings.Repeat("y", 62) + `", allowed: lower-case letters, digits and dashes, at most 63`}},
		"two of one name": {"[{target: 0.99}]", "[{target: 0.99}, {displayName: A, target: 0.9}, {displayName: a!, target: 0.8}]", []string{
			`f.yaml:3: error: metadata.name: an objective of this name is already at f.yaml:3, got "x-a"`}},
		"several mistakes": {"  service: s\n  budgetingMethod: Occurrences", "  budgetingMethod: Some", []string{
			"f.yaml:5:3: error: spec.service: has no value, allowed: the name of a service",
			`f.yaml:5:20: error: spec.budgetingMethod: got "Some", allowed: Occurrences, Timeslices, RatioTimeslices`}},
	})
}

func TestMistakesInWindows(t *testing.T) {
	const window = "{duration: 30d, isRolling: true}"
	const at = "f.yaml:14:27: error: spec.timeWindow[0].duration: "
	const rolling = ", allowed: a duration such as 30d, 4w or 12h"
	const calendarUnits = ", allowed: a number of days d, weeks w, months M, quarters Q or years Y, such as 1M"
	calendar := func(duration, start, zone string) string {
		return "{duration: " + duration + ", isRolling: false, calendar: {startTime: " + start + ", timeZone: " + zone + "}}"
	}
	check(t, valid, spec.Options{ScrapeInterval: time.Millisecond}, map[string]mistake{
		"no interval known": {"30d", "401d", []string{at + `got "401d", allowed: 4 scrapes to 400d`}},
	})
	check(t, valid, spec.Options{}, map[string]mistake{
		"none":                {"[" + window + "]", "[]", []string{`f.yaml:14:15: error: spec.timeWindow: got "0 windows", allowed: exactly one, such as [{duration: 30d, isRolling: true}]`}},
		"two":                 {window, window + ", " + window, []string{`f.yaml:14:15: error: spec.timeWindow: got "2 windows", allowed: exactly one, such as [{duration: 30d, isRolling: true}]`}},
		"one minute":          {"30d", "1m", []string{at + `1m is one minute, 1M is a month, got "1m"` + rolling}},
		"three minutes":       {"30d", "3m", []string{`f.yaml:14:27: warning: spec.timeWindow[0].duration: 3m is minutes, 3M is months, got "3m"` + rolling}},
		"half an hour":        {"30d", "30m", nil},
		"too short":           {"30d", "59s", []string{at + `got "59s", allowed: 1m (4 scrapes) to 400d`}},
		"too long":            {"30d", "401d", []string{at + `got "401d", allowed: 1m (4 scrapes) to 400d`}},
		"far too long":        {"30d", "99999999999d", []string{at + `got "99999999999d"` + rolling}},
		"no unit":             {"30d", "30", []string{at + `got "30"` + rolling}},
		"not a duration":      {"30d", "a month", []string{at + `got "a month"` + rolling}},
		"rolling month":       {"30d", "1M", []string{`f.yaml:14:27: warning: spec.timeWindow[0].duration: a rolling window of months, quarters or years is taken as 30d, got "1M"` + rolling}},
		"no isRolling":        {", isRolling: true", "", []string{"f.yaml:14:16: warning: spec.timeWindow[0].isRolling: is missing and taken as true, allowed: true or false"}},
		"rolling calendar":    {"isRolling: true", "isRolling: true, calendar: {timeZone: UTC}", []string{"f.yaml:14:59: warning: spec.timeWindow[0].calendar: is ignored, since the window rolls"}},
		"no calendar":         {window, "{duration: 1M, isRolling: false}", []string{"f.yaml:14:16: warning: spec.timeWindow[0].calendar: is missing, so periods begin at midnight UTC, allowed: startTime and timeZone"}},
		"calendar of m":       {window, calendar("1m", "2026-01-01 00:00:00", "UTC"), []string{at + `m is minutes, M is months, got "1m"` + calendarUnits}},
		"calendar of h":       {window, calendar("12h", "2026-01-01 00:00:00", "UTC"), []string{at + `got "12h"` + calendarUnits}},
		"calendar too long":   {window, calendar("2Y", "2026-01-01 00:00:00", "UTC"), []string{at + `got "2Y", allowed: 1m (4 scrapes) to 400d`}},
		"zero months":         {window, calendar("0M", "2026-01-01 00:00:00", "UTC"), []string{at + `got "0M", allowed: 1m (4 scrapes) to 400d`}},
		"unknown zone":        {window, calendar("1w", "2026-01-01 00:00:00", "Mars/Base"), []string{`f.yaml:14:102: error: spec.timeWindow[0].calendar.timeZone: got "Mars/Base", allowed: a name of the IANA time zone database such as Europe/Berlin or UTC`}},
		"local zone":          {window, calendar("1w", "2026-01-01 00:00:00", "Local"), []string{`f.yaml:14:102: error: spec.timeWindow[0].calendar.timeZone: got "Local", allowed: a name of the IANA time zone database such as Europe/Berlin or UTC`}},
		"no zone":             {window, calendar("1w", "2026-01-01 00:00:00", ""), []string{"f.yaml:14:92: error: spec.timeWindow[0].calendar.timeZone: has no value, allowed: text"}},
		"zone left out":       {window, "{duration: 1w, isRolling: false, calendar: {startTime: 2026-01-01 00:00:00}}", []string{"f.yaml:14:59: warning: spec.timeWindow[0].calendar.timeZone: is missing and taken as UTC, allowed: a name of the IANA time zone database such as Europe/Berlin or UTC"}},
		"start in words":      {window, calendar("1w", "yesterday", "UTC"), []string{`f.yaml:14:71: error: spec.timeWindow[0].calendar.startTime: got "yesterday", allowed: YYYY-MM-DD HH:MM:SS`}},
		"start without time":  {window, calendar("1w", "2026-01-01", "UTC"), []string{`f.yaml:14:71: warning: spec.timeWindow[0].calendar.startTime: is taken as midnight, got "2026-01-01", allowed: YYYY-MM-DD HH:MM:SS`}},
		"month from the 31st": {window, calendar("1M", "2026-01-31 00:00:00", "UTC"), []string{`f.yaml:14:71: error: spec.timeWindow[0].calendar.startTime: not every month has this day, got "2026-01-31 00:00:00", allowed: a day of the month from 1 to 28`}},
		"week from the 31st":  {window, calendar("1w", "2026-01-31 00:00:00", "UTC"), nil},
	})
}

func TestMistakesInSlicesAndThresholds(t *testing.T) {
	slices := strings.Replace(valid, "Occurrences", "Timeslices", 1)
	slices = strings.Replace(slices, "{target: 0.99}", "{target: 0.99, timeSliceTarget: 0.95, timeSliceWindow: 5m}", 1)
	const at = "f.yaml:15:71: error: spec.objectives[0].timeSliceWindow: "
	check(t, slices, spec.Options{}, map[string]mistake{
		"none":             {"", "", nil},
		"bare number":      {"5m", "5", []string{`f.yaml:15:71: warning: spec.objectives[0].timeSliceWindow: has no unit and is taken as minutes, got "5", allowed: 5m`}},
		"not a duration":   {"5m", "often", []string{at + `got "often", allowed: a duration such as 15s, 5m or 30d`}},
		"missing":          {", timeSliceWindow: 5m", "", []string{`f.yaml:15:16: error: spec.objectives[0].timeSliceWindow: has no value, allowed: a duration such as 15s, 5m or 30d`}},
		"above the window": {"5m", "31d", []string{at + `a slice is longer than the window, got "31d", allowed: at most 30d`}},
		"below a scrape":   {"5m", "10s", []string{at + `a slice would hold no scrape, got "10s", allowed: at least 15s`}},
		"no slice target":  {"timeSliceTarget: 0.95, ", "", []string{`f.yaml:15:16: error: spec.objectives[0].timeSliceTarget: has no value, allowed: a ratio above 0, at most 1`}},
		"zero target":      {"timeSliceTarget: 0.95", "timeSliceTarget: 0", []string{`f.yaml:15:48: error: spec.objectives[0].timeSliceTarget: got "0", allowed: a ratio above 0, at most 1`}},
		"ratio slices":     {"Timeslices", "RatioTimeslices", nil},
	})
	gauge := strings.Replace(slices, inlineIndicator, `  indicator:
    metadata: {name: x}
    spec: {thresholdMetric: {metricSource: {spec: {query: g}}}}
`, 1)
	gauge = strings.Replace(gauge, "{target", "{op: lt, value: 3, target", 1)
	check(t, gauge, spec.Options{}, map[string]mistake{
		"none":            {"", "", nil},
		"no op":           {"op: lt, ", "", []string{"f.yaml:11:16: error: spec.objectives[0].op: has no value, allowed: lt, lte, gt or gte"}},
		"unknown op":      {"op: lt", "op: '<'", []string{`f.yaml:11:21: error: spec.objectives[0].op: got "<", allowed: lt, lte, gt or gte`}},
		"no value":        {"value: 3, ", "", []string{"f.yaml:11:16: error: spec.objectives[0].value: has no value, allowed: a number to compare with"}},
		"infinite value":  {"value: 3", "value: .inf", []string{`f.yaml:11:32: error: spec.objectives[0].value: got ".inf", allowed: a number`}},
		"ratio of slices": {"Timeslices", "RatioTimeslices", []string{"f.yaml:11:16: error: spec.objectives[0]: budgetingMethod RatioTimeslices needs a ratio in each slice, allowed: ratioMetric, or Timeslices"}},
		"sum of gauges":   {"query: g", "query: sum(g)", []string{`f.yaml:9:59: error: spec.indicator.spec.thresholdMetric.metricSource.spec.query: got "sum(g)", allowed: ` + onlySelectors}},
		"of without rate": {"query: g", "query: g, of: expected", []string{"f.yaml:9:66: error: spec.indicator.spec.thresholdMetric.metricSource.spec.of: needs rate: true beside it"}},
	})
	traffic := strings.Replace(gauge, "query: g", "query: t_total, rate: true", 1)
	traffic = strings.Replace(traffic, "op: lt", "op: gte", 1)
	expected := strings.Replace(traffic, "rate: true", "rate: true, of: expected", 1)
	check(t, traffic, spec.Options{}, map[string]mistake{
		"none":     {"", "", nil},
		"ceiling":  {"op: gte", "op: lt", []string{`f.yaml:11:21: error: spec.objectives[0].op: got "lt", allowed: gte, since the rate has a floor`}},
		"zero":     {"value: 3", "value: 0", []string{`f.yaml:11:33: error: spec.objectives[0].value: got "0", allowed: events per second above 0`}},
		"no value": {"value: 3, ", "", []string{`f.yaml:11:16: error: spec.objectives[0].value: has no value, allowed: events per second above 0`}},
		"events": {"Timeslices", "Occurrences", []string{
			`f.yaml:11:16: error: spec.objectives[0]: the floor under a rate is judged slice by slice, got "Occurrences", allowed: budgetingMethod Timeslices`,
			`f.yaml:11:67: warning: spec.objectives[0].timeSliceTarget: is ignored: it is for the slice methods, got "0.95"`,
			`f.yaml:11:90: warning: spec.objectives[0].timeSliceWindow: is ignored: it is for the slice methods, got "5m"`}},
	})
	check(t, expected, spec.Options{}, map[string]mistake{
		"above all":     {"", "", []string{`f.yaml:11:33: error: spec.objectives[0].value: got "3", allowed: a ratio of the expected rate above 0, at most 1`}},
		"a half":        {"value: 3", "value: 0.5", nil},
		"something new": {"of: expected", "of: yesterday", []string{`f.yaml:9:84: error: spec.indicator.spec.thresholdMetric.metricSource.spec.of: got "yesterday", allowed: expected`}},
	})
}

func TestStrictRefusesWhatIsElseAWarning(t *testing.T) {
	for name, tc := range map[string][2]string{
		"op on a ratio":        {"{target: 0.99}", "{op: gt, target: 0.99}"},
		"no counter":           {"        counter: true\n", ""},
		"good and bad":         {"total:", "good:"},
		"name with blanks":     {"{name: x}", "{name: Card Auth}"},
		"no calendar":          {"30d, isRolling: true", "1M, isRolling: false"},
		"unknown source field": {"query: 'x_total'", "query: 'x_total', step: 5"},
	} {
		t.Run(name, func(t *testing.T) {
			files := []spec.File{{Name: "f.yaml", Data: []byte(strings.Replace(valid, tc[0], tc[1], 1))}}
			set, problems := spec.Load(files, spec.Options{})
			if len(set.Objectives) != 1 || problems.Err() != nil || len(problems) != 1 {
				t.Errorf("lenient: %d objectives, %v", len(set.Objectives), problems)
			}
			if _, strict := spec.Load(files, spec.Options{Strict: true}); strict.Errors() != 1 {
				t.Errorf("strict: %v", strict)
			}
		})
	}
}

func TestMistakesInGoldenSignals(t *testing.T) {
	document := golden(`
  description: d
  window: 30d
  errors: {bad: b_total, total: t_total, objective: 99.9%}
  latency: {histogram: h, below: 2s, objective: 99%}
  traffic: {total: t_total, atLeast: 50%, of: expected}
  saturation: {gauge: g, below: 0.8, objective: 99%}
`)
	const shares = ", allowed: a share such as 50% together with of: expected, or a rate such as 5/s, 300/m or 1000/h"
	check(t, document, spec.Options{}, map[string]mistake{
		"none":                     {"", "", nil},
		"unknown field":            {"description: d", "rails: card", []string{"f.yaml:5:3: error: spec.rails: unknown field, did you mean rail?, allowed: description, service, rail, budget, currency, window, groupBy, maxGroups, groupExpires, calendar, errors, latency, traffic, saturation, presence"}},
		"unknown rail":             {"description: d", "rail: cards", []string{`f.yaml:5:9: error: spec.rail: did you mean card?, got "cards", allowed: card, sct, sct-inst, fednow, rtp, ach, fedwire, chaps, t2, swift, fps, upi, pix, crypto-deposit, crypto-withdrawal, fix, t1`}},
		"rail":                     {"description: d", "rail: card", nil},
		"budget without rail":      {"description: d", "budget: own", []string{`f.yaml:5:11: error: spec.budget: needs a rail beside it, whose objectives it is for, got "own"`}},
		"currency without rail":    {"description: d", "currency: EUR", []string{`f.yaml:5:13: error: spec.currency: needs a rail beside it, whose objectives it is for, got "EUR"`}},
		"unknown budget":           {"description: d", "rail: card\n  budget: ours", []string{`f.yaml:6:11: error: spec.budget: got "ours", allowed: own (what we answer for; the default), or end_to_end (the customer's whole journey)`}},
		"unknown currency":         {"description: d", "rail: card\n  currency: euro", []string{`f.yaml:6:13: error: spec.currency: got "euro", allowed: an active code of ISO 4217 such as EUR`}},
		"one minute":               {"window: 30d", "window: 1m", []string{`f.yaml:6:11: error: spec.window: 1m is one minute, 1M is a month, got "1m", allowed: a duration such as 30d, 4w or 12h`}},
		"a month":                  {"window: 30d", "window: 1M", []string{`f.yaml:6:11: error: spec.window: the short form has rolling windows only, an SLO document has calendar windows, got "1M", allowed: a duration such as 30d, 4w or 12h`}},
		"minutes, once":            {"window: 30d", "window: 5m", []string{`f.yaml:6:11: warning: spec.window: 5m is minutes, 5M is months, got "5m", allowed: a duration such as 30d, 4w or 12h`}},
		"no objective":             {", objective: 99.9%", "", []string{"f.yaml:7:11: error: spec.errors.objective: has no value, allowed: a percentage such as 99.9%"}},
		"percent without its sign": {"99.9%", "99.9", []string{`f.yaml:7:53: error: spec.errors.objective: did you mean 99.9%?, got "99.9", allowed: a ratio from 0 to 1 such as 0.999, or a percentage such as 99.9%`}},
		"one query":                {"bad: b_total, ", "", []string{`f.yaml:7:11: error: spec.errors: got "1 of good, bad and total", allowed: total with one of good and bad, or good and bad without total`}},
		"query":                    {"b_total", "sum(b_total)", []string{`f.yaml:7:17: error: spec.errors.bad: write b_total instead, its increase over every window is taken for you, got "sum(b_total)", allowed: ` + onlySelectors}},
		"all buckets":              {"b_total", "h_bucket", []string{`f.yaml:7:17: error: spec.errors.bad: selects several buckets of a histogram, and most events are in more than one, got "h_bucket", allowed: one bucket such as h_bucket{le="2"}, with a number for le, or every event: h_count`}},
		"bucket":                   {"histogram: h,", "histogram: h_bucket,", []string{`f.yaml:8:24: error: spec.latency.histogram: did you mean h?, got "h_bucket", allowed: the histogram's own name, without _bucket and le`}},
		"le":                       {"histogram: h,", `histogram: 'h{le="2"}',`, []string{`f.yaml:8:24: error: spec.latency.histogram: got "h{le=\"2\"}", allowed: the histogram's own name, without _bucket and le`}},
		"no bound":                 {"below: 2s, ", "", []string{"f.yaml:8:12: error: spec.latency.below: has no value, allowed: a duration such as 500ms or 2s, or a number in the histogram's own unit"}},
		"of nothing":               {", of: expected", "", []string{`f.yaml:9:38: error: spec.traffic.atLeast: got "50%"` + shares}},
		"of a rate":                {"50%", "5/s", []string{`f.yaml:9:38: error: spec.traffic.atLeast: got "5/s"` + shares}},
		"zero rate":                {"50%, of: expected", "0/s", []string{`f.yaml:9:38: error: spec.traffic.atLeast: got "0/s"` + shares}},
		"more than all":            {"50%", "150%", []string{`f.yaml:9:38: error: spec.traffic.atLeast: got "150%"` + shares}},
		"below and above":          {"below: 0.8", "below: 0.8, above: 0.1", []string{"f.yaml:10:15: error: spec.saturation: needs exactly one of both, allowed: below or above"}},
		"limit in words":           {"below: 0.8", "below: most", []string{`f.yaml:10:33: error: spec.saturation.below: got "most", allowed: a number, or a percentage`}},
		"long slice":               {"below: 0.8", "below: 0.8, slice: 31d", []string{`f.yaml:10:45: error: spec.saturation.slice: a slice is longer than the window, got "31d", allowed: at most 30d`}},
		"long name":                {"name: x", "name: " + strings.Repeat("x", 53), []string{`f.yaml:3:18: error: metadata.name: got "` + strings.Repeat("x", 53) + `", allowed: at most 52 letters, since the names of the signals are added`}},
	})
	check(t, golden("\n  service: s\n"), spec.Options{}, map[string]mistake{
		"no signal":  {"", "", []string{"f.yaml:5:3: error: spec: has no signal, allowed: at least one of errors, latency, traffic, saturation, presence, or a rail that proposes some"}},
		"rail alone": {"service: s", "rail: sct", []string{`f.yaml:5:9: warning: spec.rail: x-value and x-capped-value are left out, since no currency is known, got "sct", allowed: currency: EUR in this document, or global.reporting_currency in the agent file`}},
	})
	long := strings.Repeat("x", 51)
	check(t, golden("\n  rail: sct\n"), spec.Options{Currency: "EUR"}, map[string]mistake{
		"long name with a rail": {"name: x", "name: " + long, []string{`f.yaml:3:18: error: metadata.name: got "` + long + `", allowed: at most 50 letters, since the names of the signals are added`}},
	})
}
