package detection

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/assayer-io/assayer/internal/testkit/traces"
)

// Options of a report.
type Options struct {
	// Full runs 1,000 healthy months a rate and 25 seeds a case, twelve minutes of processor
	// time; else it is 5 months and 3 seeds.
	Full bool
	// Progress is told after each of the runs; calls do not overlap. nil: nobody is.
	Progress func(done, total int)
}

// plan says how much is run.
type plan struct{ months, seeds int } // healthy months of each rate; seeds of each case

func (o Options) plan() plan {
	if o.Full {
		return plan{1000, 25}
	}
	return plan{5, 3}
}

// healthyBurn is the burn rate of healthy months, whose traffic in requests an hour healthyRates lists.
const healthyBurn = 0.5

func healthyRates() []float64 { return []float64{10, 60, 300, 1000} }

// Report runs everything on test seeds and writes the section "Detection" in Markdown.
func Report(ctx context.Context, w io.Writer, o Options) error {
	return report(ctx, w, traces.Families(), o.plan(), o.Progress)
}

func report(ctx context.Context, w io.Writer, families []traces.Family, p plan, progress func(done, total int)) error {
	results, err := measure(ctx, jobs(families, p), progress)
	if err != nil {
		return fmt.Errorf("running traces: %w", err)
	}
	var b strings.Builder
	b.WriteString(introduction(p))
	if p.months > 0 {
		writeMonths(&b, results)
	}
	for i := range families {
		writeFamily(&b, i, &families[i], results)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing the report on detection: %w", err)
	}
	return nil
}

// jobs lists what a report runs.
func jobs(families []traces.Family, p plan) []job {
	var out []job
	for item, perHour := range healthyRates() {
		for i := range p.months {
			seed := traces.Test().Seed(item*10_000 + i)
			out = append(out, job{tag{healthy, item}, func(s uint64) traces.Trace { return traces.Healthy(s, perHour, healthyBurn) }, seed})
		}
	}
	for f := range families {
		for c := range families[f].Cases {
			for i := range p.seeds {
				out = append(out, job{tag{f, c}, families[f].Cases[c].Make, traces.Test().Seed(100_000 + i)})
			}
		}
	}
	return out
}

func introduction(p plan) string {
	return fmt.Sprintf(`## Detection

Simulated services with known faults (package internal/testkit/traces), through the engine and, on the same looks, through the
six approaches of the SRE workbook, chapter 5, and its last one with the usual guard for low traffic. Objective 99.9 %% over
30 days unless said otherwise; %d seeds a case, none of which was used to choose a limit. Whoever wins, the numbers stand.

The workbook's rules are given exact counts at every look, which is more than PromQL has, and are listened to once
the windows of their pages, after six hours, and of their tickets, after three days, are filled; the engine is listened to from its first look. Events arrive independently of each other.

- **Time to detect**: from the onset to the first page, or to the first page or ticket where a ticket is enough. A page is wanted
  where an incident burns 2 %% of the month's budget at 6× or faster, a ticket where it burns 5 %% more slowly. "never" is worse than any time.
- **Right**: pages that began during or after an incident that burns %s of the month's budget at least.
- **Reset**: from the end of the incident to the end of the page; "never" if it lasted for eight hours more.

`, p.seeds, percent(traces.Worth))
}

// writeMonths writes what healthy months brought.
func writeMonths(b *strings.Builder, results []result) {
	b.WriteString("### Healthy months\n\nFalse pages in 30 days at a burn rate of 0.5, one look each 30 s.\n\n")
	row(b, "rule", "requests an hour", "runs", "false pages a month", "runs with any", "false tickets a month")
	rule(b, 6)
	for item, perHour := range healthyRates() {
		for k, name := range ruleNames() {
			t := tallied(results, tag{healthy, item}, k)
			any := fmt.Sprintf("%d", t.wrongRuns)
			if t.wrongRuns == 0 {
				any += fmt.Sprintf(" (under %s of months, 95 %%)", percent(min(1, falseRateBound(t.runs))))
			}
			n := float64(t.runs)
			row(b, name, fmt.Sprint(perHour), fmt.Sprint(t.runs), decimal(float64(t.wrong)/n), any, decimal(float64(t.tickets)/n))
		}
	}
	b.WriteString("\n")
}

// writeFamily writes the tables of one family.
func writeFamily(b *strings.Builder, f int, family *traces.Family, results []result) {
	fmt.Fprintf(b, "### %s\n\nRight is: %s.\n\n", strings.ToUpper(family.Name[:1])+family.Name[1:], family.Right)
	if all := tallied(results, tag{f, every}, 0); all.wanted > 0 {
		writeRules(b, f, results)
		if len(family.Cases) > 1 {
			writeCases(b, f, family, results)
		}
	} else {
		writeQuiet(b, f, family, results)
	}
	if unknown := tallied(results, tag{f, every}, 0).unknown; unknown >= 0.0005 {
		fmt.Fprintf(b, "Assayer said that it did not know for %s of the time.\n\n", percent(unknown))
	}
}

// writeRules compares the rules over all cases of a family.
func writeRules(b *strings.Builder, f int, results []result) {
	row(b, "rule", "found", "time to detect: median, 90th percentile, worst", "budget burned by then", "pages that were right", "reset", "pages an incident")
	rule(b, 7)
	for k, name := range ruleNames() {
		t := tallied(results, tag{f, every}, k)
		found := fmt.Sprintf("%d of %d", t.found, t.wanted)
		times := fmt.Sprintf("%s, %s, %s", text(quantile(t.detect, 0.5)), text(quantile(t.detect, 0.9)), text(quantile(t.detect, 1)))
		right, reset, burned := "no page", "–", "–"
		if all := t.pages + t.early; all > 0 {
			right = fmt.Sprintf("%s of %d", percent(float64(all-t.wrong)/float64(all)), all)
		}
		if len(t.reset) > 0 {
			reset = text(quantile(t.reset, 0.5))
		}
		if t.found > 0 {
			burned = percent(t.burned / float64(t.found))
		}
		row(b, name, found, times, burned, right, reset, decimal(float64(t.pages)/float64(t.runs)))
	}
	b.WriteString("\n")
}

// writeCases compares the rules' median time to detect case by case.
func writeCases(b *strings.Builder, f int, family *traces.Family, results []result) {
	names := ruleNames()
	row(b, append([]string{"median time to detect", "burns", "wanted"}, names[:]...)...)
	rule(b, 3+rules)
	for c := range family.Cases {
		truth := truthOf(results, tag{f, c})
		cells := []string{family.Cases[c].Name, percent(truth.Burned), string(truth.Want)}
		for k := range rules {
			t := tallied(results, tag{f, c}, k)
			if t.wanted > 0 {
				cells = append(cells, text(quantile(t.detect, 0.5)))
			} else {
				cells = append(cells, fmt.Sprintf("%s pages", decimal(float64(t.pages)/float64(t.runs))))
			}
		}
		row(b, cells...)
	}
	b.WriteString("\n")
}

// writeQuiet writes how often each rule paged where nothing was to be told.
func writeQuiet(b *strings.Builder, f int, family *traces.Family, results []result) {
	names := ruleNames()
	row(b, append([]string{"pages a run, all wrong"}, names[:]...)...)
	rule(b, 1+rules)
	for c := range family.Cases {
		cells := []string{family.Cases[c].Name}
		for k := range rules {
			t := tallied(results, tag{f, c}, k)
			cells = append(cells, decimal(float64(t.wrong)/float64(t.runs)))
		}
		row(b, cells...)
	}
	b.WriteString("\n")
}
