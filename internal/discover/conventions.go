package discover

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/common/model"

	"github.com/assayer-io/assayer/slo/spec"
)

// Usual objectives where nothing but names is known.
const (
	usualErrors     = 0.999
	usualLatency    = 0.99
	usualSaturation = 0.99
	fullBelow       = 0.8 // of a gauge that is a share
	maxDrafts       = 500 // of one service; more say that names are made up as it runs
	maxReasons      = 300 // values of a label that may be reason codes
)

// boilerplate are beginnings of names that say how a process or a library is, not how a service does.
func boilerplate() []string {
	return []string{"go_", "process_", "promhttp_", "python_", "jvm_", "nodejs_", "dotnet_", "ruby_", "php_", "erlang_", "beam_", "scrape_", "net_conntrack_", "otel_", "target_info",
		"node_", "container_", "kube_", "machine_", "logback_", "log_messages_", "log_events_", "prometheus_"}
}

var (
	// Counters whose unit is no event.
	amounts = regexp.MustCompile(`_(?:amount|value|volume|minor|cents|euros|dollars|eur|usd|gbp|units|tokens|bytes|seconds|milliseconds|joules|ratio)(?:_minor|_major)?_total$`)
	money   = regexp.MustCompile(`_(?:amount|value|volume|minor|cents|euros|dollars|eur|usd|gbp)(?:_minor|_major)?_total$`)
	// A counter of failures beside one of everything.
	failureCounter = regexp.MustCompile(`_(?:errors?|failures?|failed|exceptions?|errored|timeouts?)_total$`)
	// What is asked for, done or passed on.
	demand   = regexp.MustCompile(`_(?:requests?|transactions?|payments?|transfers?|orders?|messages?|jobs?|calls?|operations?|events?|queries|tasks?|authori[sz]ations?|commands?)_total$`)
	duration = regexp.MustCompile(`_(?:seconds|milliseconds|ms|duration|latency)$`)
	full     = regexp.MustCompile(`_(?:in_?flight|pool|queue|buffer|capacity|usage|utili[sz]ation|saturation|fill|load)[a-z_]*_(?:ratio|utili[sz]ation|usage)$|_(?:in_?flight|queue|utili[sz]ation|saturation|usage)_ratio$|_(?:utili[sz]ation|saturation)$`)
	queued   = regexp.MustCompile(`_(?:in_?flight|in_progress|pending|backlog|queued|lag)(?:_requests|_messages|_jobs)?$|_queue_(?:length|size|depth|messages)$`)
	// What names of one thing end in.
	endings = regexp.MustCompile(`(?:_total|_count|_seconds|_milliseconds|_ms|_duration|_latency|_time|_ratio|_in_?flight|_in_progress|_pending|_backlog|_queued?|_lag|_length|_size|_depth|_utili[sz]ation|_saturation|_usage|_requests?|_errors?|_failures?|_failed|_exceptions?|_timeouts?|_amount|_minor|_handling|_processing|_messages|_jobs)$`)
)

// draft is a document in the making: what names that begin alike have.
type draft struct {
	stem    string
	signals map[string]Signal
	notes   []string
}

// stemOf is what a name is about: card_auth of card_auth_requests_total.
func stemOf(name string) string {
	for {
		short := endings.ReplaceAllString(name, "")
		if short == name || short == "" {
			return name
		}
		name = short
	}
}

// byNames makes drafts of what looks like a golden signal and belongs to no known system.
func (s *Service) byNames(known []*System, codes map[string]map[string]bool) []*draft {
	g := guesser{s: s, codes: codes, drafts: map[string]*draft{}}
	for _, name := range s.names() {
		skip := slices.ContainsFunc(boilerplate(), func(prefix string) bool { return strings.HasPrefix(name, prefix) }) || sensitive(name) != "" ||
			strings.HasSuffix(name, "_created") || slices.ContainsFunc(known, func(sys *System) bool { return sys.owns(name) })
		if !skip {
			g.names = append(g.names, name)
		}
	}
	for _, guess := range []func(string){g.byOutcome, g.byFailures, g.byDemand, g.byHistogram, g.byShare, g.byQueue, g.byMoney} {
		for _, name := range g.names {
			guess(name)
		}
	}
	g.join()
	var out []*draft
	for _, d := range g.order {
		if g.drafts[d.stem] == d && (len(d.signals) > 0 || len(d.notes) > 0) {
			out = append(out, d)
		}
	}
	return out
}

type guesser struct {
	s      *Service
	codes  map[string]map[string]bool // reason codes by scheme
	names  []string
	drafts map[string]*draft
	order  []*draft
}

// at gives the draft of what name is about; nil: there are too many.
func (g *guesser) at(name string) *draft {
	stem := stemOf(name)
	d := g.drafts[stem]
	if d == nil {
		if len(g.order) >= maxDrafts {
			return nil
		}
		d = &draft{stem: stem, signals: map[string]Signal{}}
		g.drafts[stem] = d
		g.order = append(g.order, d)
	}
	return d
}

// put sets a signal, or notes it where there is one already.
func (d *draft) put(sig Signal, ok bool) {
	switch have, taken := d.signals[sig.Kind]; {
	case !ok && sig.refused != "":
		d.notes = append(d.notes, fmt.Sprintf("No objective on %s: %s.", sig.Kind, strings.TrimSuffix(sig.refused, ".")))
	case !ok:
	case taken:
		have.other = append(have.other, sig.yaml()...)
		d.signals[sig.Kind] = have
	default:
		d.signals[sig.Kind] = sig
	}
}

// events reports whether name is a counter of events, by its name and its companions.
func (g *guesser) events(name string) bool {
	if base, ok := strings.CutSuffix(name, countSuffix); ok {
		return g.s.has(base+sumSuffix) || g.s.has(base+bucketSuffix)
	}
	return strings.HasSuffix(name, totalSuffix) && !amounts.MatchString(name)
}

// byOutcome takes counters with a label that says how events ended.
func (g *guesser) byOutcome(name string) {
	if !g.events(name) {
		return
	}
	o := outcomeOf(g.s.families[name])
	if o == nil {
		return
	}
	d := g.at(name)
	if d == nil {
		return
	}
	total, everything := g.s.selector(name), g.s.selector(name)
	var excluded *spec.Selector
	if len(o.business) > 0 {
		total, excluded = g.s.selector(name, oneOf(o.label, o.business, true)), g.s.selector(name, oneOf(o.label, o.business, false))
	}
	if _, taken := d.signals[errorsSignal]; taken && strings.HasSuffix(name, countSuffix) {
		return // the histogram counts what the counter counts
	}
	d.put(g.s.errors(o.why(), legs{bad: g.s.selector(name, o.failed()), total: total, excluded: excluded}, usualErrors))
	if _, taken := d.signals[trafficSignal]; !taken {
		d.put(g.s.traffic("All of them, whatever came of them.", everything))
	}
	if note := g.s.railOf(name, g.codes); note != "" {
		d.notes = append(d.notes, note)
	}
}

// byFailures takes counters of failures beside a counter of everything.
func (g *guesser) byFailures(name string) {
	if !failureCounter.MatchString(name) {
		return
	}
	stem := failureCounter.ReplaceAllString(name, "")
	for _, whole := range []string{stem + totalSuffix, stem + "_requests_total", stem + "s_total", stem + "_attempts_total", stem + "_calls_total", stem + "_operations_total",
		stem + countSuffix, stem + "_seconds_count", stem + "_duration_seconds_count"} {
		if whole == name || !g.s.has(whole) {
			continue
		}
		why := fmt.Sprintf("By its name %s counts what failed of %s; make sure that each failure is in both.", shown(name), shown(whole))
		d := g.at(whole)
		if d == nil {
			return
		}
		if _, taken := d.signals[errorsSignal]; taken {
			return
		}
		d.put(g.s.errors(why, legs{bad: g.s.selector(name), total: g.s.selector(whole)}, usualErrors))
		if _, taken := d.signals[trafficSignal]; !taken {
			d.put(g.s.traffic("All of them, whatever came of them.", g.s.selector(whole)))
		}
		return
	}
}

// byDemand takes counters of what is asked for of which nothing says how it ended.
func (g *guesser) byDemand(name string) {
	if !demand.MatchString(name) || amounts.MatchString(name) || failureCounter.MatchString(name) {
		return
	}
	d := g.at(name)
	if d == nil {
		return
	}
	if _, taken := d.signals[trafficSignal]; taken {
		return
	}
	d.put(g.s.traffic("By its name it counts what is asked for.", g.s.selector(name)))
	if _, taken := d.signals[errorsSignal]; taken {
		return
	}
	for _, label := range outcomeLabels() {
		if values := g.s.families[name].values(label); len(values) > 0 {
			d.notes = append(d.notes, fmt.Sprintf("No objective on errors: %s of %s has %s, and none of these says that something failed. Once you know the word for it, write:", shown(label), shown(name), listed(values)),
				"|errors: {bad: '"+shown(name)+"{"+shown(label)+"=\"...\"}', total: '"+shown(name)+"', objective: 99.9%}")
			return
		}
	}
}

// byHistogram takes histograms of durations.
func (g *guesser) byHistogram(name string) {
	base, classic := strings.CutSuffix(name, bucketSuffix)
	if !classic {
		if f := g.s.families[name]; f.series[0].histogram == nil || g.s.has(name+bucketSuffix) {
			return
		}
	}
	if !duration.MatchString(base) || !model.LegacyValidation.IsValidMetricName(base) {
		return
	}
	if d := g.at(base); d != nil {
		d.put(g.s.latency("By its name it is a time that somebody waits.", g.s.selector(base), 0, usualLatency))
	}
}

// byShare takes gauges that are a share of what there is.
func (g *guesser) byShare(name string) {
	if !full.MatchString(name) {
		return
	}
	sel, below, why := g.s.selector(name), fullBelow, "By its name it is a share of what there is."
	if c := g.s.count(sel); c.highest > 1 || c.lowest < 0 {
		return // percent, or something else
	} else if c.highest >= fullBelow {
		below, why = 1, why+" It is nearly all in use at present, so only the last of it is held against the service."
	}
	if d := g.at(name); d != nil {
		d.put(g.s.saturation(why, sel, limits{below: &below}, usualSaturation))
	}
}

// byQueue takes gauges of what waits.
func (g *guesser) byQueue(name string) {
	if !queued.MatchString(name) || g.events(name) {
		return
	}
	sel := g.s.selector(name)
	c := g.s.count(sel)
	below := max(10, roundUp(10*c.highest))
	d := g.at(name)
	if d == nil {
		return
	}
	d.put(g.s.saturation("By its name it is what waits or is under way. The limit is ten times what is seen now, a guess: put in what the service can hold.", sel, limits{below: &below}, usualSaturation))
}

// roundUp gives the next number with one digit that counts.
func roundUp(v float64) float64 {
	if !(v > 0) || math.IsInf(v, 0) {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	return math.Ceil(v/unit-1e-9) * unit
}

// byMoney notes counters of amounts, which need a currency that only people know.
func (g *guesser) byMoney(name string) {
	if !money.MatchString(name) {
		return
	}
	d := g.at(name)
	if d == nil {
		return
	}
	d.notes = append(d.notes, fmt.Sprintf("%s looks like amounts of money. An objective that weighs each event by its amount needs a document of its own, with errors on %s and currency: EUR (or another), one a currency.", shown(name), shown(name)))
}

// join puts what is about a part of something with the whole: card_auth_broadcast with card_auth, where that lacks it.
func (g *guesser) join() {
	for _, d := range g.order {
		var whole *draft
		for _, other := range g.order {
			if other != d && g.drafts[other.stem] == other && strings.HasPrefix(d.stem, other.stem+"_") && (whole == nil || len(other.stem) > len(whole.stem)) {
				whole = other
			}
		}
		if whole == nil || len(d.signals) == 0 && len(d.notes) == 0 {
			continue
		}
		clash := false
		for kind := range d.signals {
			_, taken := whole.signals[kind]
			clash = clash || taken
		}
		if clash || len(whole.signals) == 0 {
			continue
		}
		maps.Copy(whole.signals, d.signals)
		whole.notes = append(whole.notes, d.notes...)
		delete(g.drafts, d.stem)
	}
}

// reasonLabels may hold codes of a scheme.
func reasonLabels() []string {
	return []string{"reason", "reason_code", "decline_code", "response_code", "return_code", "status_reason", "code"}
}

// minReasons is how many codes of a scheme have to be seen for it to be guessed.
const minReasons = 3

// railOf guesses from the reason codes of a counter which rail its events are of; "" when nothing fits.
func (s *Service) railOf(name string, codes map[string]map[string]bool) string {
	for _, label := range reasonLabels() {
		values := s.families[name].values(label)
		if len(values) < minReasons || len(values) > maxReasons {
			continue
		}
		best, hits := "", 0
		for _, scheme := range slices.Sorted(maps.Keys(codes)) {
			n := 0
			for v := range values {
				if codes[scheme][v] {
					n++
				}
			}
			if n > hits {
				best, hits = scheme, n
			}
		}
		if hits >= minReasons && 4*hits >= 3*len(values) {
			rail := map[string]string{"iso8583": "card", "iso20022": "sct-inst", "nacha": "ach", "upi": "upi", "fix": "fix", "stripe": "card", "adyen": "card"}[best]
			return fmt.Sprintf("%s of %s has reason codes of %s (%s), so this is probably a rail such as %s: labels: {rail: %s} in metadata says so. `assayer classify` tells whose fault each code is.",
				shown(label), shown(name), best, listed(values), rail, rail)
		}
	}
	return ""
}
