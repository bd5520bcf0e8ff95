package spec_test

import (
	"strings"
	"testing"

	"github.com/assayer-io/assayer/slo/spec"
)

const businessDay = `apiVersion: assayer.dev/v1
kind: BusinessCalendar
metadata: {name: desk}
spec:
  timeZone: Europe/Berlin
  week:
    monday-thursday: ["07:00-18:00", {name: late, hours: "18:30-20:00"}]
    friday: ["07:00-18:00"]
    saturday: []
  holidays:
    - {date: 2026-12-24, name: Christmas Eve, hours: ["09:00-12:00"]}
    - {date: 2026-12-25, name: Christmas Day}
  cutOffs: [{name: payments, at: "17:00"}, {name: night, at: "-01:00"}]
---
` + valid

func TestMistakesInBusinessCalendars(t *testing.T) {
	check(t, businessDay, spec.Options{}, map[string]mistake{
		"none":                 {"", "", nil},
		"no zone":              {"  timeZone: Europe/Berlin\n", "", []string{"f.yaml:5:3: error: spec.timeZone: has no value, allowed: a name of the IANA time zone database such as Europe/Berlin or UTC"}},
		"unknown zone":         {"Europe/Berlin", "Europe/Frankfurt", []string{`f.yaml:5:13: error: spec.timeZone: got "Europe/Frankfurt", allowed: a name of the IANA time zone database such as Europe/Berlin or UTC`}},
		"no week":              {"  week:\n    monday-thursday: [\"07:00-18:00\", {name: late, hours: \"18:30-20:00\"}]\n    friday: [\"07:00-18:00\"]\n    saturday: []\n", "", []string{`f.yaml:5:3: error: spec.week: has no value, allowed: days with their hours, such as {monday-friday: ["09:00-17:30"]}`}},
		"open on one day":      {"    monday-thursday: [\"07:00-18:00\", {name: late, hours: \"18:30-20:00\"}]\n    friday: [\"07:00-18:00\"]\n", "", nil},
		"misspelt day":         {"friday:", "firday:", []string{`f.yaml:8:13: error: spec.week.firday: is no day, did you mean friday?, got "firday", allowed: a day such as monday, or days such as monday-friday`}},
		"range of one":         {"friday:", "friday-friday:", []string{`f.yaml:8:20: error: spec.week.friday-friday: is no day, got "friday-friday", allowed: a day such as monday, or days such as monday-friday`}},
		"day twice":            {"friday:", "thursday-friday:", []string{`f.yaml:8:22: error: spec.week.thursday-friday: thursday is already in monday-thursday, got "thursday-friday"`}},
		"over the weekend":     {"friday:", "friday-sunday:", []string{`f.yaml:9:15: error: spec.week.saturday: saturday is already in friday-sunday, got "saturday"`}},
		"text for a list":      {`["07:00-18:00"]`, `"07:00-18:00"`, []string{`f.yaml:8:13: error: spec.week.friday: got "07:00-18:00", allowed: a list of hours such as ["09:00-17:30"], empty for a closed day`}},
		"no hours":             {`friday: ["07:00-18:00"]`, `friday: ["all day"]`, []string{`f.yaml:8:14: error: spec.week.friday[0]: got "all day", allowed: hours such as "09:00-17:30", which may reach into the day after ("18:00-26:00") or begin on the day before ("-05:00-18:00")`}},
		"minutes beyond 59":    {`friday: ["07:00-18:00"]`, `friday: ["07:60-18:00"]`, []string{`f.yaml:8:14: error: spec.week.friday[0]: got "07:60-18:00", allowed: hours such as "09:00-17:30", which may reach into the day after ("18:00-26:00") or begin on the day before ("-05:00-18:00")`}},
		"ends before it opens": {`friday: ["07:00-18:00"]`, `friday: ["18:00-07:00"]`, []string{`f.yaml:8:14: error: spec.week.friday[0]: ends before it begins; on the next day it ends at 31:00, got "18:00-07:00", allowed: hours such as "09:00-17:30", which may reach into the day after ("18:00-26:00") or begin on the day before ("-05:00-18:00")`}},
		"ends as it opens":     {`friday: ["07:00-18:00"]`, `friday: ["18:00-18:00"]`, []string{`f.yaml:8:14: error: spec.week.friday[0]: is empty, got "18:00-18:00", allowed: hours such as "09:00-17:30", which may reach into the day after ("18:00-26:00") or begin on the day before ("-05:00-18:00")`}},
		"too late":             {`friday: ["07:00-18:00"]`, `friday: ["18:00-49:00"]`, []string{`f.yaml:8:14: error: spec.week.friday[0]: got "18:00-49:00", allowed: hours such as "09:00-17:30", which may reach into the day after ("18:00-26:00") or begin on the day before ("-05:00-18:00")`}},
		"overlap":              {"18:30-20:00", "17:30-20:00", []string{`f.yaml:7:38: error: spec.week.monday-thursday[1]: overlaps 07:00-18:00, got "17:30-20:00"`}},
		"overlap of days":      {`friday: ["07:00-18:00"]`, `friday: ["-05:00-18:00"]`, []string{"f.yaml:7:5: error: spec.week: session 19:00-1d-18:00 of Friday begins before 18:30-20:00 of Thursday ends"}},
		"session without text": {`hours: "18:30-20:00"`, `hour: "18:30-20:00"`, []string{"f.yaml:7:51: error: spec.week.monday-thursday[1].hour: unknown field, did you mean hours?, allowed: name, hours"}},
		"no such date":         {"2026-12-25", "2026-02-30", []string{`f.yaml:12:14: error: spec.holidays[1].date: got "2026-02-30", allowed: a date such as 2026-12-25`}},
		"date twice":           {"2026-12-25", "2026-12-24", []string{`f.yaml:12:14: error: spec.holidays[1].date: is there already, got "2026-12-24"`}},
		"no date":              {"date: 2026-12-25, ", "", []string{"f.yaml:12:7: error: spec.holidays[1].date: has no value, allowed: a date such as 2026-12-25"}},
		"half-day in words":    {`["09:00-12:00"]`, `["morning"]`, []string{`f.yaml:11:55: error: spec.holidays[0].hours[0]: got "morning", allowed: hours such as "09:00-17:30", which may reach into the day after ("18:00-26:00") or begin on the day before ("-05:00-18:00")`}},
		"cut-off in words":     {`at: "17:00"`, "at: noon", []string{`f.yaml:13:34: error: spec.cutOffs[0].at: got "noon", allowed: a time of day such as 17:00, from -24:00 to 48:00`}},
		"cut-off twice":        {"name: night", "name: payments", []string{`f.yaml:13:51: error: spec.cutOffs[1].name: a cut-off of this name is there already, got "payments"`}},
		"cut-off of nothing":   {"name: night, ", "", []string{"f.yaml:13:44: error: spec.cutOffs[1].name: has no value, allowed: what has to be in by then"}},
		"misspelt key":         {"timeZone:", "timezone:", []string{"f.yaml:5:3: error: spec.timezone: unknown field, did you mean timeZone?, allowed: description, extends, timeZone, week, holidays, closures, openings, cutOffs"}},
		"name taken":           {"---\n", "---\napiVersion: assayer.dev/v1\nkind: BusinessCalendar\nmetadata: {name: desk}\nspec: {timeZone: UTC, week: {monday: [\"09:00-10:00\"]}}\n---\n", []string{`f.yaml:17:18: error: metadata.name: a calendar of this name is already there, got "desk"`}},
		"unknown calendar":     {"metadata: {name: x}", "metadata: {name: x, annotations: {assayer.dev/calendar: desc}}", []string{`f.yaml:17:57: error: metadata.annotations["assayer.dev/calendar"]: no document of kind BusinessCalendar has this name, did you mean desk?, got "desc", allowed: the name of a BusinessCalendar, or a built-in one: 24x7, fed, fednow, nyse, target, uk`}},
	})
}

const journey = `apiVersion: assayer.dev/v1
kind: CompositeSLO
metadata: {name: whole}
spec:
  service: s
  method: weighted
  window: 30d
  objective: 99%
  members:
    - {objective: x, weight: 2, whenUnknown: ignore, maxDelay: 5m}
    - {objective: y-errors}
---
` + valid + "---\napiVersion: assayer.dev/v1\nkind: GoldenSignals\nmetadata: {name: y}\nspec: {errors: {bad: b_total, total: t_total, objective: 99%}}\n"

func TestMistakesInComposites(t *testing.T) {
	check(t, journey, spec.Options{}, map[string]mistake{
		"none":             {"", "", nil},
		"calendar window":  {"window: 30d", "timeWindow: [{duration: 1M, isRolling: false, calendar: {startTime: 2026-01-01 00:00:00, timeZone: UTC}}]", nil},
		"no window":        {"  window: 30d\n", "", nil},
		"two windows":      {"window: 30d", "window: 30d\n  timeWindow: [{duration: 30d, isRolling: true}]", []string{"f.yaml:8:15: error: spec.timeWindow: the window is written twice, allowed: window or timeWindow"}},
		"long window":      {"window: 30d", "window: 401d", []string{`f.yaml:7:11: error: spec.window: got "401d", allowed: 1m (4 scrapes) to 400d`}},
		"no method":        {"  method: weighted\n", "", []string{"f.yaml:5:3: error: spec.method: has no value, allowed: weighted, worst, journey"}},
		"unknown method":   {"method: weighted", "method: wurst", []string{`f.yaml:6:11: error: spec.method: did you mean worst?, got "wurst", allowed: weighted, worst, journey`}},
		"no objective":     {"  objective: 99%\n", "", []string{"f.yaml:5:3: error: spec.objective: has no value, allowed: a percentage such as 99.9%"}},
		"one member":       {"    - {objective: y-errors}\n", "", []string{`f.yaml:10:5: error: spec.members: got "1", allowed: 2 to 1000, each {objective: NAME}`}},
		"worst of one":     {"  method: weighted\n  window: 30d\n  objective: 99%\n  members:\n    - {objective: x, weight: 2, whenUnknown: ignore, maxDelay: 5m}\n", "  method: worst\n  window: 30d\n  objective: 99%\n  members:\n", nil},
		"weight of a step": {"method: weighted", "method: journey", []string{`f.yaml:10:30: warning: spec.members[0].weight: is used by method weighted only, got "2"`}},
		"unknown member":   {"objective: y-errors", "objective: y-error", []string{`f.yaml:11:19: error: spec.members[1].objective: no objective has this name, did you mean y-errors?, got "y-error"`}},
		"member twice":     {"objective: y-errors", "objective: x", []string{`f.yaml:11:19: error: spec.members[1].objective: is a member already, got "x"`}},
		"nameless member":  {"{objective: y-errors}", "{weight: 1}", []string{"f.yaml:11:7: error: spec.members[1].objective: has no value, allowed: the name of an objective"}},
		"itself":           {"objective: y-errors", "objective: whole", []string{`f.yaml:11:19: error: spec.members[1].objective: is a composite itself, got "whole", allowed: an objective with an indicator`}},
		"zero weight":      {"weight: 2", "weight: 0", []string{`f.yaml:10:30: error: spec.members[0].weight: got "0", allowed: a number above 0, at most 1000000`}},
		"unknown policy":   {"whenUnknown: ignore", "whenUnknown: hope", []string{`f.yaml:10:46: error: spec.members[0].whenUnknown: got "hope", allowed: unknown, ignore, good, bad`}},
		"delay too long":   {"maxDelay: 5m", "maxDelay: 31d", []string{`f.yaml:10:64: error: spec.members[0].maxDelay: got "31d", allowed: at most the window, 30d`}},
		"negative delay":   {"maxDelay: 5m", "maxDelay: -5m", []string{`f.yaml:10:64: error: spec.members[0].maxDelay: got "-5m", allowed: a duration such as 15s, 5m or 30d`}},
		"misspelt key":     {"whenUnknown:", "whenUnkown:", []string{"f.yaml:10:33: error: spec.members[0].whenUnkown: unknown field, did you mean whenUnknown?, allowed: objective, weight, whenUnknown, maxDelay"}},
		"annotation":       {"{name: whole}", "{name: whole, annotations: {assayer.dev/currency: EUR}}", []string{`f.yaml:3:61: error: metadata.annotations["assayer.dev/currency"]: is not read here, allowed: in an SLO or its indicator, and as currency in the short form`}},
		"name of a member": {"name: whole", "name: x", []string{
			`f.yaml:10:19: error: spec.members[0].objective: is a composite itself, got "x", allowed: an objective with an indicator`,
			`f.yaml:15: error: metadata.name: an objective of this name is already at f.yaml:3, got "x"`}},
		"member with a flaw": {"target: 0.99", "target: 99", []string{`f.yaml:27:25: error: spec.objectives[0].target: did you mean 99%?, got "99", allowed: a ratio from 0 to 1 such as 0.999, or a percentage such as 99.9%`}},
	})
}

const wallet = `apiVersion: openslo/v1
kind: SLO
metadata: {name: wallet}
spec:
  service: s
  budgetingMethod: Occurrences
  timeWindow: [{duration: 30d, isRolling: true}]
  objectives:
    - {displayName: Top-up, target: 0.999, compositeWeight: 3, indicatorRef: ref}
    - target: 0.99
      indicator: {metadata: {name: b}, spec: {ratioMetric: {counter: true, bad: {metricSource: {spec: {query: b_total}}}, total: {metricSource: {spec: {query: t_total}}}}}}
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: ref}
spec: {ratioMetric: {counter: true, bad: {metricSource: {spec: {query: c_total}}}, total: {metricSource: {spec: {query: t_total}}}}}
`

func TestMistakesInOpenSLOComposites(t *testing.T) {
	check(t, wallet, spec.Options{}, map[string]mistake{
		"none":              {"", "", nil},
		"entry without":     {", indicatorRef: ref", "", []string{"f.yaml:9:7: error: spec.objectives[0].indicator: needs exactly one of both, allowed: indicator or indicatorRef"}},
		"unknown reference": {"indicatorRef: ref", "indicatorRef: reff", []string{`f.yaml:9:78: error: spec.objectives[0].indicatorRef: no document of kind SLI has this name, did you mean ref?, got "reff"`}},
		"zero weight":       {"compositeWeight: 3", "compositeWeight: 0", []string{`f.yaml:9:61: error: spec.objectives[0].compositeWeight: got "0", allowed: a number above 0, at most 1000000`}},
		"weight in words":   {"compositeWeight: 3", "compositeWeight: most", []string{`f.yaml:9:61: error: spec.objectives[0].compositeWeight: got "most", allowed: a number`}},
		"indicator of its own": {"  timeWindow", "  indicatorRef: ref\n  timeWindow", []string{
			"f.yaml:10:61: error: spec.objectives[0].compositeWeight: is for a composite, whose objectives have an indicator each and which has none of its own, allowed: indicator or indicatorRef in every entry, and none in spec",
			"f.yaml:10:78: error: spec.objectives[0].indicatorRef: is for a composite, whose objectives have an indicator each and which has none of its own, allowed: indicator or indicatorRef in every entry, and none in spec",
			"f.yaml:12:18: error: spec.objectives[1].indicator: is for a composite, whose objectives have an indicator each and which has none of its own, allowed: indicator or indicatorRef in every entry, and none in spec"}},
		"one entry":             {"    - {displayName: Top-up, target: 0.999, compositeWeight: 3, indicatorRef: ref}\n", "", []string{"f.yaml:9:5: error: spec.objectives: a composite of one is no composite, allowed: at least two, or the indicator in spec"}},
		"two of one name":       {"    - target: 0.99\n", "    - target: 0.99\n      displayName: top up\n", []string{`f.yaml:3: error: metadata.name: an objective of this name is already at f.yaml:3, got "wallet-top-up"`}},
		"query of one is wrong": {"query: b_total", "query: avg(b_total)", []string{`f.yaml:11:111: error: spec.objectives[1].indicator.spec.ratioMetric.bad.metricSource.spec.query: got "avg(b_total)", allowed: ` + onlySelectors}},
	})
}

const release = `apiVersion: assayer.dev/v1
kind: BudgetPolicy
metadata: {name: release, labels: {team: a}}
spec:
  objectives: ["x*"]
  rules:
    - {name: careful, when: {remainingBelow: 25%}, until: {remainingAbove: 35%}, then: approval}
    - {name: fast, when: {burnAbove: 6, over: 6h}, until: {burnBelow: 3}, for: 10m, clearFor: 30m, then: hook, hook: undo}
    - {name: paged, when: {firing: page-1h}, clearFor: 30m, then: page}
    - {name: gone, when: {exhausted: true}, then: freeze, message: Only fixes.}
---
` + valid

func TestMistakesInBudgetPolicies(t *testing.T) {
	check(t, release, spec.Options{}, map[string]mistake{
		"none":                 {"", "", nil},
		"nothing selected":     {`"x*"`, `"y*"`, []string{`f.yaml:5:16: warning: spec.objectives[0]: selects no objective, got "y*"`}},
		"no objectives":        {`["x*"]`, "[]", []string{`f.yaml:5:15: error: spec.objectives: has no value, allowed: at least one name of an objective, or pattern such as "card-*"`}},
		"not a pattern":        {`"x*"`, `"x[1]"`, []string{`f.yaml:5:16: error: spec.objectives[0]: got "x[1]", allowed: the name of an objective, with * for any letters`}},
		"two of one name":      {"name: fast", "name: careful", []string{`f.yaml:8:14: error: spec.rules[1].name: a rule of this name is there already, got "careful"`}},
		"no name":              {"name: fast, ", "", []string{"f.yaml:8:7: error: spec.rules[1].name: has no value, allowed: lower-case letters, digits and dashes, at most 63"}},
		"no condition":         {"when: {exhausted: true}, ", "", []string{`f.yaml:10:7: error: spec.rules[3].when: got "0 conditions", allowed: exactly one of remainingBelow, burnAbove (with over), firing, exhausted`}},
		"two conditions":       {"{exhausted: true}", "{exhausted: true, firing: any}", []string{`f.yaml:10:26: error: spec.rules[3].when: got "2 conditions", allowed: exactly one of remainingBelow, burnAbove (with over), firing, exhausted`}},
		"above all":            {"remainingBelow: 25%", "remainingBelow: 125%", []string{`f.yaml:7:46: error: spec.rules[0].when.remainingBelow: got "125%", allowed: a share of the budget of at most 1 such as 0.25, or a percentage such as 25%`}},
		"percent without sign": {"remainingBelow: 25%", "remainingBelow: 25", []string{`f.yaml:7:46: error: spec.rules[0].when.remainingBelow: did you mean 25%?, got "25", allowed: a share of the budget of at most 1 such as 0.25, or a percentage such as 25%`}},
		"overspent":            {"remainingBelow: 25%", "remainingBelow: -50%", nil},
		"no over":              {", over: 6h", "", []string{"f.yaml:8:26: error: spec.rules[1].when.over: has no value, allowed: the time over which the budget burns, such as 6h"}},
		"over nothing":         {"{exhausted: true}", "{exhausted: true, over: 6h}", []string{`f.yaml:10:50: error: spec.rules[3].when.over: is for burnAbove, got "6h"`}},
		"over too little":      {"over: 6h", "over: 1s", []string{`f.yaml:8:47: error: spec.rules[1].when.over: got "1s", allowed: 1m (4 scrapes) to 400d`}},
		"zero burn":            {"burnAbove: 6", "burnAbove: 0", []string{`f.yaml:8:38: error: spec.rules[1].when.burnAbove: got "0", allowed: a burn rate above 0; 1 spends the budget exactly at the end of the window`}},
		"unknown tier":         {"firing: page-1h", "firing: email", []string{`f.yaml:9:36: error: spec.rules[2].when.firing: got "email", allowed: a tier such as page-1h, page, ticket or any`}},
		"not exhausted":        {"exhausted: true", "exhausted: false", []string{`f.yaml:10:38: error: spec.rules[3].when.exhausted: got "false", allowed: true`}},
		"until below":          {"remainingAbove: 35%", "remainingAbove: 15%", []string{`f.yaml:7:76: error: spec.rules[0].until.remainingAbove: is not on the calm side of the condition, got "15%", allowed: at least 0.25, at most 1`}},
		"until faster":         {"burnBelow: 3", "burnBelow: 7", []string{`f.yaml:8:71: error: spec.rules[1].until.burnBelow: is not on the calm side of the condition, got "7", allowed: at most 6`}},
		"until of another":     {"burnBelow: 3", "remainingAbove: 50%", []string{`f.yaml:8:76: error: spec.rules[1].until.remainingAbove: is of the budget left, and the condition of a burn rate, got "50%", allowed: burnBelow`}},
		"until of the other":   {"remainingAbove: 35%", "burnBelow: 1", []string{`f.yaml:7:71: error: spec.rules[0].until.burnBelow: is of a burn rate, and the condition of the budget left, got "1", allowed: remainingAbove`}},
		"until of a tier":      {"when: {firing: page-1h}", "when: {firing: page-1h}, until: {burnBelow: 1}", []string{"f.yaml:9:53: error: spec.rules[2].until: a tier ends by its own rule, allowed: clearFor, for how long it has to be over"}},
		"until the budget":     {"when: {exhausted: true}", "when: {exhausted: true}, until: {remainingAbove: 10%}", nil},
		"until overspent":      {"when: {exhausted: true}", "when: {exhausted: true}, until: {remainingAbove: -10%}", []string{`f.yaml:10:69: error: spec.rules[3].until.remainingAbove: is not on the calm side of the condition, got "-10%", allowed: at least 0, at most 1`}},
		"empty until":          {"until: {burnBelow: 3}", "until: {}", []string{"f.yaml:8:59: error: spec.rules[1].until.burnBelow: has no value, allowed: a burn rate above 0"}},
		"for ever":             {"for: 10m", "for: 500d", []string{`f.yaml:8:80: error: spec.rules[1].for: got "500d", allowed: at most 400d`}},
		"no consequence":       {"then: freeze, ", "", []string{"f.yaml:10:7: error: spec.rules[3].then: has no value, allowed: freeze, approval, page, ticket, hook"}},
		"unknown consequence":  {"then: freeze", "then: freze", []string{`f.yaml:10:51: error: spec.rules[3].then: did you mean freeze?, got "freze", allowed: freeze, approval, page, ticket, hook`}},
		"no hook":              {", hook: undo", "", []string{"f.yaml:8:7: error: spec.rules[1].hook: has no value, allowed: the name of a hook of the agent file"}},
		"hook without then":    {"then: page", "then: page, hook: undo", []string{`f.yaml:9:79: error: spec.rules[2].hook: is for then: hook, got "undo"`}},
		"misspelt key":         {"clearFor: 30m, then: page", "clearfor: 30m, then: page", []string{"f.yaml:9:46: error: spec.rules[2].clearfor: unknown field, did you mean clearFor?, allowed: name, when, until, for, clearFor, then, hook, message"}},
		"several": {"burnAbove: 6, over: 6h", "burnAbove: x, over: y", []string{
			`f.yaml:8:38: error: spec.rules[1].when.burnAbove: got "x", allowed: a number`,
			`f.yaml:8:47: error: spec.rules[1].when.over: got "y", allowed: a duration such as 15s, 5m or 30d`}},
		"policy of a name twice": {"---\n", "---\napiVersion: assayer.dev/v1\nkind: BudgetPolicy\nmetadata: {name: release}\nspec: {objectives: [x], rules: [{name: a, when: {exhausted: true}, then: page}]}\n---\n", []string{`f.yaml:14:18: error: metadata.name: a policy of this name is already at f.yaml:3, got "release"`}},
	})
}

func TestMistakesInEmptyDocuments(t *testing.T) {
	for kind, want := range map[string]string{
		"BudgetPolicy": `f.yaml:1:77: error: spec.objectives: has no value, allowed: at least one name of an objective, or pattern such as "card-*"
  f.yaml:1:77: error: spec.rules: has no value, allowed: at least one, such as [{name: freeze, when: {exhausted: true}, then: freeze}]`,
		"CompositeSLO": `f.yaml:1:77: error: spec.members: got "0", allowed: 2 to 1000, each {objective: NAME}
  f.yaml:1:77: error: spec.method: has no value, allowed: weighted, worst, journey
  f.yaml:1:77: error: spec.objective: has no value, allowed: a percentage such as 99.9%`,
		"BusinessCalendar": `f.yaml:1:81: error: spec.timeZone: has no value, allowed: a name of the IANA time zone database such as Europe/Berlin or UTC
  f.yaml:1:81: error: spec.week: has no value, allowed: days with their hours, such as {monday-friday: ["09:00-17:30"]}`,
	} {
		text := "{apiVersion: assayer.dev/v1, kind: " + kind + ", metadata: {name: a}, spec: {}}"
		set, problems := spec.Load([]spec.File{{Name: "f.yaml", Data: []byte(text)}}, spec.Options{})
		if got := lines(problems); got != want {
			t.Errorf("%s: got\n  %s\nwant\n  %s", kind, got, want)
		}
		if len(set.Objectives)+len(set.Policies)+len(set.Calendars) > 0 {
			t.Errorf("%s: %+v", kind, set)
		}
	}
}

// indicatorIn is valid with another indicator.
func indicatorIn(text string) string {
	return strings.Replace(valid, inlineIndicator, "  indicator:\n    metadata: {name: x}\n    spec: "+text+"\n", 1)
}

func slicesIn(text, entry string) string {
	return strings.NewReplacer("Occurrences", "Timeslices", "{target: 0.99}", entry).Replace(indicatorIn(text))
}

func TestMistakesInHistograms(t *testing.T) {
	check(t, indicatorIn(`{ratioMetric: {counter: true, good: {metricSource: {spec: {query: 'h{a="b"}', below: 2s}}}, total: {metricSource: {spec: {query: 'h{a="b"}'}}}}}`), spec.Options{}, map[string]mistake{
		"none":               {"", "", nil},
		"number":             {"below: 2s", "below: 0.25", nil},
		"no total":           {`, total: {metricSource: {spec: {query: 'h{a="b"}'}}}`, "", nil},
		"its count":          {`query: 'h{a="b"}'}}}}}`, `query: 'h_count{a="b"}'}}}}}`, []string{`f.yaml:9:140: error: spec.indicator.spec.ratioMetric.total.metricSource.spec.query: is not the histogram of good, whose own count is the total, got "h_count{a=\"b\"}", allowed: h{a="b"}, or no total`}},
		"limit of the total": {`query: 'h{a="b"}'}}}}}`, `query: 'h{a="b"}', below: 5s}}}}}`, []string{`f.yaml:9:159: error: spec.indicator.spec.ratioMetric.total.metricSource.spec.below: is for how many observations of a histogram kept below a limit, got "5s", allowed: only in the good of a ratioMetric`}},
		"bad too":            {"total:", "bad:", []string{"f.yaml:9:108: error: spec.indicator.spec.ratioMetric.bad: what is not at or below the limit is bad without being told, allowed: good alone, or total with it"}},
		"bucket":             {`'h{a="b"}', below`, `'h_bucket{a="b"}', below`, []string{`f.yaml:9:77: error: spec.indicator.spec.ratioMetric.good.metricSource.spec.query: did you mean h?, got "h_bucket{a=\"b\"}", allowed: the histogram's own name, without _bucket and le`}},
		"le":                 {`'h{a="b"}', below`, `'h{le="2"}', below`, []string{`f.yaml:9:77: error: spec.indicator.spec.ratioMetric.good.metricSource.spec.query: got "h{le=\"2\"}", allowed: the histogram's own name, without _bucket and le`}},
		"no name": {`'h{a="b"}', below`, `'{a="b"}', below`, []string{
			`f.yaml:9:77: warning: spec.indicator.spec.ratioMetric.good.metricSource.spec.query: fixes no metric name, so series of every name are looked at, got "{a=\"b\"}"`,
			`f.yaml:9:77: error: spec.indicator.spec.ratioMetric.good.metricSource.spec.query: got "{a=\"b\"}", allowed: the histogram's own name, without _bucket and le`}},
		"zero":            {"below: 2s", "below: 0s", []string{`f.yaml:9:96: error: spec.indicator.spec.ratioMetric.good.metricSource.spec.below: got "0s", allowed: a duration such as 500ms or 2s, or a number in the histogram's own unit`}},
		"in words":        {"below: 2s", "below: fast", []string{`f.yaml:9:96: error: spec.indicator.spec.ratioMetric.good.metricSource.spec.below: got "fast", allowed: a duration such as 500ms or 2s, or a number in the histogram's own unit`}},
		"infinite":        {"below: 2s", "below: .inf", []string{`f.yaml:9:96: error: spec.indicator.spec.ratioMetric.good.metricSource.spec.below: got ".inf", allowed: a number`}},
		"milliseconds":    {`{query: 'h{a="b"}', below: 2s}}}, total: {metricSource: {spec: {query: 'h{a="b"}'}}}`, "{query: h_milliseconds, below: 2s}}}", []string{`f.yaml:9:100: error: spec.indicator.spec.ratioMetric.good.metricSource.spec.below: a duration is taken in seconds, and the histogram's name says milliseconds, got "2s", allowed: 2000, a number in the histogram's own unit`}},
		"microseconds":    {`{query: 'h{a="b"}', below: 2s}}}, total: {metricSource: {spec: {query: 'h{a="b"}'}}}`, "{query: h_us, below: 1s500ms}}}", []string{`f.yaml:9:90: error: spec.indicator.spec.ratioMetric.good.metricSource.spec.below: a duration is taken in seconds, and the histogram's name says us, got "1s500ms", allowed: 1500000, a number in the histogram's own unit`}},
		"excluded":        {"{name: x}\n    spec", "{name: x, annotations: {assayer.dev/excluded-query: e}}\n    spec", []string{`f.yaml:8:67: error: spec.indicator.metadata.annotations["assayer.dev/excluded-query"]: is only for a ratioMetric of counters, got "e"`}},
		"both":            {"{name: x}\n    spec", "{name: x, annotations: {assayer.dev/total: good + bad}}\n    spec", []string{`f.yaml:8:58: error: spec.indicator.metadata.annotations["assayer.dev/total"]: is only for a ratioMetric of counters, got "good + bad"`}},
		"no counter":      {"counter: true, ", "", []string{"f.yaml:9:25: warning: spec.indicator.spec.ratioMetric.counter: is missing and taken as true"}},
		"money of events": {"metadata: {name: x}\nspec", "metadata: {name: x, annotations: {assayer.dev/currency: EUR}}\nspec", []string{`f.yaml:3:57: error: metadata.annotations["assayer.dev/currency"]: observations and samples are counted here, and not amounts, got "EUR", allowed: a ratioMetric of counters of amounts, or assayer.dev/value-query with budgetingMethod Timeslices or RatioTimeslices`}},
	})
	check(t, indicatorIn(`{ratioMetric: {counter: true, bad: {metricSource: {spec: {query: 's{quantile="0.99"}'}}}, total: {metricSource: {spec: {query: s_count}}}}}`), spec.Options{}, map[string]mistake{
		"quantile":    {"", "", []string{`f.yaml:9:76: error: spec.indicator.spec.ratioMetric.bad.metricSource.spec.query: selects quantiles of a summary, which are no counters and cannot be added up, got "s{quantile=\"0.99\"}", allowed: every event of the summary: s_count; or a thresholdMetric on the quantile, judged with budgetingMethod Timeslices`}},
		"some":        {`quantile="0.99"`, `quantile=~"0.9.*"`, []string{`f.yaml:9:76: error: spec.indicator.spec.ratioMetric.bad.metricSource.spec.query: selects quantiles of a summary, which are no counters and cannot be added up, got "s{quantile=~\"0.9.*\"}", allowed: every event of the summary: s_count; or a thresholdMetric on the quantile, judged with budgetingMethod Timeslices`}},
		"no quantile": {`s{quantile="0.99"}`, `s_sum{quantile=""}`, nil},
	})
}

func TestMistakesInRawRatios(t *testing.T) {
	raw := strings.Replace(indicatorIn("{ratioMetric: {rawType: success, raw: {metricSource: {spec: {query: g}}}}}"), "{name: x}\n    spec", "{name: x, annotations: {assayer.dev/events-query: e_total}}\n    spec", 1)
	check(t, raw, spec.Options{}, map[string]mistake{
		"none":              {"", "", nil},
		"with its counter":  {"rawType", "counter: true, rawType", nil},
		"every look counts": {", annotations: {assayer.dev/events-query: e_total}", "", []string{"f.yaml:9:49: warning: spec.indicator.spec.ratioMetric.raw: every look counts alike, whatever the traffic was, allowed: a slice method, or the annotation assayer.dev/events-query with the counter of what the ratio is of"}},
		"no type":           {"rawType: success, ", "", []string{"f.yaml:9:25: error: spec.indicator.spec.ratioMetric.rawType: has no value, allowed: success (the ratio is of good events) or failure (of bad ones)"}},
		"unknown type":      {"success", "good", []string{`f.yaml:9:35: error: spec.indicator.spec.ratioMetric.rawType: got "good", allowed: success (the ratio is of good events) or failure (of bad ones)`}},
		"not a selector":    {"query: g", "query: avg(g)", []string{`f.yaml:9:79: error: spec.indicator.spec.ratioMetric.raw.metricSource.spec.query: got "avg(g)", allowed: ` + onlySelectors}},
		"limit":             {"query: g", "query: g, below: 2s", []string{`f.yaml:9:89: error: spec.indicator.spec.ratioMetric.raw.metricSource.spec.below: is for how many observations of a histogram kept below a limit, got "2s", allowed: only in the good of a ratioMetric`}},
		"events of rates":   {"e_total", "'rate(e_total[5m])'", []string{`f.yaml:8:65: error: spec.indicator.metadata.annotations["assayer.dev/events-query"]: write e_total instead, its increase over every window is taken for you, got "rate(e_total[5m])", allowed: ` + onlySelectors}},
		"excluded": {"events-query", "excluded-query", []string{
			`f.yaml:8:67: error: spec.indicator.metadata.annotations["assayer.dev/excluded-query"]: is only for a ratioMetric of counters, got "e_total"`,
			"f.yaml:9:49: warning: spec.indicator.spec.ratioMetric.raw: every look counts alike, whatever the traffic was, allowed: a slice method, or the annotation assayer.dev/events-query with the counter of what the ratio is of"}},
		"misspelt": {"events-query", "event-query", []string{
			`f.yaml:8:64: error: spec.indicator.metadata.annotations["assayer.dev/event-query"]: is not read here, did you mean assayer.dev/events-query?, allowed: assayer.dev/excluded-query, assayer.dev/events-query, assayer.dev/total, assayer.dev/currency, assayer.dev/unit, assayer.dev/value-query, assayer.dev/group-by, assayer.dev/max-groups, assayer.dev/group-expires, assayer.dev/calendar`,
			"f.yaml:9:49: warning: spec.indicator.spec.ratioMetric.raw: every look counts alike, whatever the traffic was, allowed: a slice method, or the annotation assayer.dev/events-query with the counter of what the ratio is of"}},
		"of money": {"metadata: {name: x}\nspec", "metadata: {name: x, annotations: {assayer.dev/currency: EUR}}\nspec", []string{`f.yaml:3:57: error: metadata.annotations["assayer.dev/currency"]: observations and samples are counted here, and not amounts, got "EUR", allowed: a ratioMetric of counters of amounts, or assayer.dev/value-query with budgetingMethod Timeslices or RatioTimeslices`}},
	})
	check(t, valid, spec.Options{}, map[string]mistake{
		"events of counters": {"    metadata: {name: x}", "    metadata: {name: x, annotations: {assayer.dev/events-query: e}}", []string{`f.yaml:8:65: error: spec.indicator.metadata.annotations["assayer.dev/events-query"]: is only for a raw ratio, got "e"`}},
	})
}

func TestMistakesInPresence(t *testing.T) {
	there := slicesIn("{thresholdMetric: {metricSource: {spec: {query: g, present: true}}}}", "{target: 0.99, timeSliceWindow: 1m}")
	check(t, there, spec.Options{}, map[string]mistake{
		"none":       {"", "", nil},
		"half of it": {"timeSliceWindow", "timeSliceTarget: 0.5, timeSliceWindow", nil},
		"by occurrences": {"Timeslices", "Occurrences", []string{
			`f.yaml:11:16: error: spec.objectives[0]: whether a series is there is judged slice by slice, got "Occurrences", allowed: budgetingMethod Timeslices`,
			`f.yaml:11:48: warning: spec.objectives[0].timeSliceWindow: is ignored: it is for the slice methods, got "1m"`}},
		"ratio of slices": {"Timeslices", "RatioTimeslices", []string{"f.yaml:11:16: error: spec.objectives[0]: budgetingMethod RatioTimeslices needs a ratio in each slice, allowed: ratioMetric, or Timeslices"}},
		"compared": {"target: 0.99", "op: gt, value: 0, target: 0.99", []string{
			`f.yaml:11:21: error: spec.objectives[0].op: a series that has to be there is not compared with anything, got "gt", allowed: no op and no value beside present: true`,
			`f.yaml:11:32: error: spec.objectives[0].value: a series that has to be there is not compared with anything, got "0", allowed: no op and no value beside present: true`}},
		"rate":      {"present: true", "present: true, rate: true", []string{"f.yaml:9:71: error: spec.indicator.spec.thresholdMetric.metricSource.spec.present: a series is there or it is not, allowed: present or rate"}},
		"not there": {"present: true", "present: maybe", []string{`f.yaml:9:71: error: spec.indicator.spec.thresholdMetric.metricSource.spec.present: got "maybe", allowed: true or false`}},
		"no slice":  {", timeSliceWindow: 1m", "", []string{"f.yaml:11:16: error: spec.objectives[0].timeSliceWindow: has no value, allowed: a duration such as 15s, 5m or 30d"}},
		"excluded":  {"    metadata: {name: x}", "    metadata: {name: x, annotations: {assayer.dev/excluded-query: e}}", []string{`f.yaml:8:67: error: spec.indicator.metadata.annotations["assayer.dev/excluded-query"]: is only for a ratioMetric of counters, got "e"`}},
	})
}

func TestMistakesInAnnotations(t *testing.T) {
	annotated := func(text string) string { return "metadata: {name: x, annotations: {" + text + "}}\nspec" }
	const plain = "metadata: {name: x}\nspec"
	check(t, valid, spec.Options{}, map[string]mistake{
		"euros":             {plain, annotated("assayer.dev/currency: EUR, assayer.dev/unit: major"), nil},
		"small letters":     {plain, annotated("assayer.dev/currency: eur"), []string{`f.yaml:3:57: error: metadata.annotations["assayer.dev/currency"]: did you mean EUR?, got "eur", allowed: an active code of ISO 4217 such as EUR`}},
		"no currency":       {plain, annotated("assayer.dev/unit: major"), []string{`f.yaml:3:34: error: metadata.annotations["assayer.dev/currency"]: has no value, allowed: an active code of ISO 4217 such as EUR`}},
		"of the past":       {plain, annotated("assayer.dev/currency: DEM"), []string{`f.yaml:3:57: error: metadata.annotations["assayer.dev/currency"]: got "DEM", allowed: an active code of ISO 4217 such as EUR`}},
		"gold":              {plain, annotated("assayer.dev/currency: XAU"), []string{`f.yaml:3:57: error: metadata.annotations["assayer.dev/currency"]: got "XAU", allowed: an active code of ISO 4217 such as EUR`}},
		"unknown unit":      {plain, annotated("assayer.dev/currency: EUR, assayer.dev/unit: cents"), []string{`f.yaml:3:80: error: metadata.annotations["assayer.dev/unit"]: got "cents", allowed: minor (cents; the default), or major (euros)`}},
		"value of events":   {plain, annotated("assayer.dev/currency: EUR, assayer.dev/value-query: v_total"), []string{`f.yaml:3:87: error: metadata.annotations["assayer.dev/value-query"]: is for slices; of events, the indicator's own counters are the amounts, got "v_total", allowed: assayer.dev/value-query with budgetingMethod Timeslices or RatioTimeslices`}},
		"groups":            {plain, annotated("assayer.dev/group-by: 'b, a', assayer.dev/max-groups: 5, assayer.dev/group-expires: 2h"), nil},
		"no label":          {plain, annotated("assayer.dev/group-by: ''"), []string{`f.yaml:3:57: error: metadata.annotations["assayer.dev/group-by"]: has no value, allowed: names of labels, such as region`}},
		"not a label":       {plain, annotated("assayer.dev/group-by: 'a,b-c'"), []string{`f.yaml:3:57: error: metadata.annotations["assayer.dev/group-by"]: got "a,b-c", allowed: names of labels, such as region`}},
		"label twice":       {plain, annotated("assayer.dev/group-by: 'a,b,a'"), []string{`f.yaml:3:57: error: metadata.annotations["assayer.dev/group-by"]: a is there twice, got "a,b,a", allowed: names of labels, such as region`}},
		"buckets":           {plain, annotated("assayer.dev/group-by: le"), []string{`f.yaml:3:57: error: metadata.annotations["assayer.dev/group-by"]: le tells apart what belongs together, got "le", allowed: names of labels, such as region`}},
		"names":             {plain, annotated("assayer.dev/group-by: 'a,__name__'"), []string{`f.yaml:3:57: error: metadata.annotations["assayer.dev/group-by"]: __name__ tells apart what belongs together, got "a,__name__", allowed: names of labels, such as region`}},
		"many labels":       {plain, annotated("assayer.dev/group-by: 'a,b,c,d,e,f,g,h,i'"), []string{`f.yaml:3:57: error: metadata.annotations["assayer.dev/group-by"]: got "a,b,c,d,e,f,g,h,i", allowed: 1 to 8 names of labels, such as region`}},
		"too many groups":   {plain, annotated("assayer.dev/group-by: a, assayer.dev/max-groups: 1001"), []string{`f.yaml:3:84: error: metadata.annotations["assayer.dev/max-groups"]: got "1001", allowed: a whole number from 1 to 1000`}},
		"no groups":         {plain, annotated("assayer.dev/max-groups: 10"), []string{`f.yaml:3:59: error: metadata.annotations["assayer.dev/max-groups"]: needs labels to group by beside it, got "10"`}},
		"expires too early": {plain, annotated("assayer.dev/group-by: a, assayer.dev/group-expires: 59m"), []string{`f.yaml:3:87: error: metadata.annotations["assayer.dev/group-expires"]: got "59m", allowed: a duration from 1h to 400d`}},
		"no calendar":       {plain, annotated("assayer.dev/calendar: desk"), []string{`f.yaml:3:57: error: metadata.annotations["assayer.dev/calendar"]: no document of kind BusinessCalendar has this name, got "desk", allowed: the name of a BusinessCalendar, or a built-in one: 24x7, fed, fednow, nyse, target, uk`}},
		"misspelt":          {plain, annotated("assayer.dev/curency: EUR"), []string{`f.yaml:3:56: error: metadata.annotations["assayer.dev/curency"]: is not read here, did you mean assayer.dev/currency?, allowed: assayer.dev/currency, assayer.dev/unit, assayer.dev/value-query, assayer.dev/group-by, assayer.dev/max-groups, assayer.dev/group-expires, assayer.dev/calendar`}},
		"indicator's":       {plain, annotated("assayer.dev/excluded-query: e"), []string{`f.yaml:3:63: error: metadata.annotations["assayer.dev/excluded-query"]: is not read here, allowed: in an indicator, and as excluded in the short form`}},
		"of others":         {plain, annotated("example.com/currency: EUR"), nil},
		"of the indicator":  {"    metadata: {name: x}", "    metadata: {name: x, annotations: {assayer.dev/currency: EUR, assayer.dev/group-by: le}}", []string{`f.yaml:8:88: error: spec.indicator.metadata.annotations["assayer.dev/group-by"]: le tells apart what belongs together, got "le", allowed: names of labels, such as region`}},
	})
	gauge := slicesIn("{thresholdMetric: {metricSource: {spec: {query: g}}}}", "{op: gte, value: 1, target: 0.99, timeSliceTarget: 1, timeSliceWindow: 1m}")
	check(t, gauge, spec.Options{}, map[string]mistake{
		"slices of money": {plain, annotated("assayer.dev/currency: JPY, assayer.dev/value-query: v_total"), nil},
		"slices of what":  {plain, annotated("assayer.dev/currency: JPY"), []string{`f.yaml:3:34: error: metadata.annotations["assayer.dev/value-query"]: has no value, allowed: a selector of counters of amounts: each slice weighs what they grew by in it`}},
		"slices of rates": {plain, annotated("assayer.dev/currency: JPY, assayer.dev/value-query: 'rate(v_total[5m])'"), []string{`f.yaml:3:87: error: metadata.annotations["assayer.dev/value-query"]: write v_total instead, its increase over every window is taken for you, got "rate(v_total[5m])", allowed: ` + onlySelectors}},
	})
	samples := strings.NewReplacer("Timeslices", "Occurrences", ", timeSliceTarget: 1, timeSliceWindow: 1m", "").Replace(gauge)
	check(t, samples, spec.Options{}, map[string]mistake{
		"samples of money": {plain, annotated("assayer.dev/currency: JPY"), []string{`f.yaml:3:57: error: metadata.annotations["assayer.dev/currency"]: observations and samples are counted here, and not amounts, got "JPY", allowed: a ratioMetric of counters of amounts, or assayer.dev/value-query with budgetingMethod Timeslices or RatioTimeslices`}},
	})
}

func TestMistakesInTheShortFormsExtras(t *testing.T) {
	document := golden(`
  calendar: desk
  groupBy: [region]
  errors: {bad: b_total, total: t_total, objective: 99.9%, currency: EUR, unit: major}
  latency: {histogram: h, below: 0.25, objective: 99%, groupBy: [scheme], maxGroups: 7}
  presence: {series: p, objective: 99%, currency: EUR, value: v_total}
`) + "---\n" + businessDay
	check(t, document, spec.Options{}, map[string]mistake{
		"none":               {"", "", nil},
		"unknown calendar":   {"calendar: desk", "calendar: deks", []string{`f.yaml:5:13: error: spec.calendar: no document of kind BusinessCalendar has this name, did you mean desk?, got "deks", allowed: the name of a BusinessCalendar, or a built-in one: 24x7, fed, fednow, nyse, target, uk`}},
		"label of buckets":   {"groupBy: [region]", "groupBy: [region, le]", []string{`f.yaml:6:21: error: spec.groupBy[1]: le tells apart what belongs together, got "le", allowed: names of labels, such as region`}},
		"not a label":        {"groupBy: [scheme]", "groupBy: [a-b]", []string{`f.yaml:8:66: error: spec.latency.groupBy[0]: got "a-b", allowed: names of labels, such as region`}},
		"no labels":          {"groupBy: [scheme]", "groupBy: []", []string{"f.yaml:8:65: error: spec.latency.groupBy: has no value, allowed: names of labels, such as region"}},
		"groups in words":    {"maxGroups: 7", "maxGroups: many", []string{`f.yaml:8:86: error: spec.latency.maxGroups: got "many", allowed: a whole number from 1 to 1000`}},
		"unknown currency":   {"currency: EUR, unit: major", "currency: EURO, unit: major", []string{`f.yaml:7:70: error: spec.errors.currency: got "EURO", allowed: an active code of ISO 4217 such as EUR`}},
		"unknown unit":       {"unit: major", "unit: euros", []string{`f.yaml:7:81: error: spec.errors.unit: got "euros", allowed: minor (cents; the default), or major (euros)`}},
		"value of events":    {"unit: major", "unit: major, value: v", []string{"f.yaml:7:88: error: spec.errors.value: unknown field, allowed: good, bad, total, excluded, objective, currency, unit, groupBy, maxGroups, groupExpires, calendar"}},
		"no value":           {", value: v_total", "", []string{"f.yaml:9:13: error: spec.presence.value: has no value, allowed: a selector of counters of amounts: each slice weighs what they grew by in it"}},
		"money of latency":   {"below: 0.25", "below: 0.25, currency: EUR", []string{"f.yaml:8:40: error: spec.latency.currency: unknown field, allowed: histogram, below, objective, groupBy, maxGroups, groupExpires, calendar"}},
		"by annotation":      {"metadata: {name: x}\nspec:\n  calendar", "metadata: {name: x, annotations: {assayer.dev/calendar: desk}}\nspec:\n  calendar", []string{`f.yaml:3:57: error: metadata.annotations["assayer.dev/calendar"]: is not read here, allowed: in an SLO or its indicator, and as calendar in the short form`}},
		"unknown annotation": {"metadata: {name: x}\nspec:\n  calendar", "metadata: {name: x, annotations: {assayer.dev/rota: desk}}\nspec:\n  calendar", []string{`f.yaml:3:53: error: metadata.annotations["assayer.dev/rota"]: is not read here`}},
		"missing series":     {"series: p, ", "", []string{`f.yaml:9:13: error: spec.presence.series: has no value, allowed: ` + onlySelectors}},
		"buckets of time":    {"below: 0.25", "below: -1s", []string{`f.yaml:8:34: error: spec.latency.below: got "-1s", allowed: a duration such as 500ms or 2s, or a number in the histogram's own unit`}},
	})
}
