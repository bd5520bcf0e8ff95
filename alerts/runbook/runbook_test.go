package runbook_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/alerts/runbook"
	"github.com/assayer-io/assayer/internal/cli"
	"github.com/assayer-io/assayer/internal/testkit/golden"
	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/rail"
	"github.com/assayer-io/assayer/slo/spec"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func load(t testing.TB, name string, data []byte) []alerts.Objective {
	t.Helper()
	set, problems := spec.Load([]spec.File{{Name: name, Data: data}}, spec.Options{Currency: "EUR"})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	var out []alerts.Objective
	for _, o := range set.Objectives {
		out = append(out, alerts.Objective{Objective: o, Tiers: burnrate.Tiers(o.Window.Length)})
	}
	return out
}

func own(t testing.TB) []alerts.Objective {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "slo.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return load(t, "slo.yaml", data)
}

// inputs are pages of every kind of objective there is: of our own documents, of every sample in the manual, of all rails.
func inputs(t testing.TB) []runbook.Input {
	t.Helper()
	objs := own(t)
	manual, err := os.ReadFile(filepath.Join("..", "..", "docs", "objectives.md"))
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range regexp.MustCompile("(?ms)^```yaml objectives\n(.*?)^```$").FindAllSubmatch(manual, -1) {
		objs = append(objs, load(t, fmt.Sprint("sample ", i), m[1])...)
	}
	rails, err := rail.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range rails.Names() {
		objs = append(objs, load(t, name, fmt.Appendf(nil, "apiVersion: assayer.dev/v1\nkind: GoldenSignals\nmetadata: {name: of-%s}\nspec: {rail: %s}\n", name, name))...)
	}
	var out []runbook.Input
	for _, o := range objs {
		in := runbook.Input{Objective: o, Options: alerts.Options{AgentSelector: `job="assayer"`, Links: alerts.Links{
			Runbooks: "https://git.example/runbooks", Dashboards: "https://grafana.example", Agent: "https://assayer.example", Alerts: "https://alerts.example",
		}}}
		in.Rail, _ = rails.Get(o.Labels["rail"])
		if o.Service == "debit-cards" {
			in.Hooks = []runbook.Hook{{Name: "card-rollback", Mode: "approve"}}
			in.Native = []alerts.File{{Name: "native-debit-cards", Objectives: []string{o.Name}, Groups: []alerts.Group{{Rules: []alerts.Rule{
				{Record: "slo:bad_events:sum1h"}, {Record: "slo:burn_rate:ratio1h"}, {Record: "slo:target_up:max5m"}, {Alert: alerts.BudgetBurn}, {Record: "slo:burn_rate:ratio1h"},
			}}}}}
			in.Refused = []alerts.Refusal{{Objective: o.Name, Leg: "page-fast", Reason: "a test that goes on and on needs memory"}}
		}
		out = append(out, in)
	}
	if len(out) < 60 {
		t.Fatalf("only %d objectives to write of", len(out))
	}
	return out
}

func TestGolden(t *testing.T) {
	written := 0
	for _, in := range inputs(t) {
		if name := in.Objective.Name; slices.Contains([]string{"debit-cards-errors", "transfers-value"}, name) {
			written++
			golden.Want(t, *update, filepath.Join("testdata", runbook.FileName(name)), runbook.Markdown(in))
		}
	}
	if written != 2 {
		t.Errorf("%d pages were compared", written)
	}
	golden.Want(t, *update, filepath.Join("testdata", runbook.IndexName), runbook.Index(own(t)))
}

var fenced = regexp.MustCompile("(?ms)^(`{3,})([a-z]+)\n(.*?)^(`{3,})$")

// Every query can be pasted as it is.
func TestQueriesParse(t *testing.T) {
	promql := parser.NewParser(parser.Options{})
	for _, in := range inputs(t) {
		n := 0
		for _, m := range fenced.FindAllSubmatch(runbook.Markdown(in), -1) {
			if string(m[2]) != "promql" {
				continue
			}
			for line := range strings.SplitSeq(strings.TrimSpace(string(m[3])), "\n") {
				n++
				if _, err := promql.ParseExpr(line); err != nil {
					t.Errorf("%s: %s: %v", in.Objective.Name, line, err)
				}
				if strings.Contains(line, "assayer_slo_") && !strings.Contains(line, `job="assayer"`) {
					t.Errorf("%s: asks agents of others too: %s", in.Objective.Name, line)
				}
			}
		}
		if n < 10 {
			t.Errorf("%s: only %d queries", in.Objective.Name, n)
		}
	}
}

// Every command there is in a page is one of ours, with flags it has.
func TestCommandsExist(t *testing.T) {
	help := map[string]string{}
	line := regexp.MustCompile(`(?m)^\$ assayer ([a-z]+(?: [a-z]+)?)(.*)$`)
	seen := map[string]bool{}
	for _, in := range inputs(t) {
		for _, m := range line.FindAllStringSubmatch(string(runbook.Markdown(in)), -1) {
			command := m[1]
			seen[command] = true
			if help[command] == "" {
				var out bytes.Buffer
				if code := cli.Run(t.Context(), append(strings.Fields(command), "--help"), cli.Streams{In: &out, Out: &out, Err: &out}); code != 0 {
					t.Fatalf("assayer %s: %s", command, out.String())
				}
				help[command] = out.String()
			}
			if !strings.Contains(help[command], "assayer "+command+" ") {
				t.Errorf("there is no command: assayer %s", command)
			}
			for _, flag := range regexp.MustCompile(`--[a-z]+`).FindAllString(m[2], -1) {
				if !strings.Contains(help[command], flag+" ") {
					t.Errorf("assayer %s has no flag %s", command, flag)
				}
			}
		}
	}
	if len(seen) < 6 {
		t.Errorf("found only %v", seen)
	}
}

// Minutes worked out by hand: 14.4 × 0.0005 × 3600 s = 25.92 s, 6 × 0.0005 × 6 h = 64.8 s, 3 × 0.0005 × 1 d = 129.6 s,
// 1 × 0.0005 × 3 d = 129.6 s; 0.0005 × 30 d = 1296 s.
func TestLimitsInWords(t *testing.T) {
	in := inputs(t)[0]
	page := string(runbook.Markdown(in))
	for _, want := range []string{
		"**At least 99.95 % of events are good over any 30d.**", "the other 0.05 %, as much as 21m36s of total outage",
		"The agent adds `page-fast`, critical",
		"0.72 % bad, 14.4 times the even rate | 1h, 5m | 2 % | 26s |", "0.3 % bad, 6 times the even rate | 6h, 30m | 5 % | 1m5s |",
		"| `page-1h` | critical | 0.72", "| `page-6h` | high |", "| `ticket-1d` | medium | 0.15 % bad, 3 times the even rate | 1d, 2h | 10 % | 2m10s |",
		"Without an agent `page-fast` is not watched",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in:\n%s", want, page)
		}
	}
	in.Objective.Tiers = append(in.Objective.Tiers, burnrate.Tier{Name: "page-fast", Severity: burnrate.Page, Factor: 1})
	if fast := string(runbook.Markdown(in)); fast != page {
		t.Errorf("the fast tier changes the table of those with windows:\n%s", fast)
	}
	in.Objective.Target = 0.8 // 14.4 × 0.2 is more than everything
	if page = string(runbook.Markdown(in)); !strings.Contains(page, "never: even a total outage burns slower") {
		t.Errorf("a leg that cannot fire is said to:\n%s", page)
	}
	in.Objective.Target = 1
	if page = string(runbook.Markdown(in)); !strings.Contains(page, "nothing may fail") || !strings.Contains(page, "the next evaluation") {
		t.Errorf("of an objective of 1:\n%s", page)
	}
}

// What people write stays text: no table grows a column, no heading, link, code or tag comes out of a name.
func TestHostileNames(t *testing.T) {
	const evil = "a|b`c`\n# heading\n```\n<script>[x](http://y.example)*b*\\"
	in := inputs(t)[0]
	in.Objective.DisplayName, in.Objective.Service, in.Objective.Description = evil, evil, "- "+evil
	in.Objective.Labels = map[string]string{evil: evil, "team": evil}
	in.Objective.Annotations = map[string]string{"owner": evil}
	in.Objective.Tiers[1].Name = "x|`" + evil
	in.Hooks = []runbook.Hook{{Name: evil, Mode: evil}}
	in.Refused = []alerts.Refusal{{Objective: in.Objective.Name, Leg: evil, Reason: evil}}
	in.Options.Links = alerts.Links{Agent: "https://a.example/" + evil, Dashboards: "https://d.example/>" + evil}
	page := string(runbook.Markdown(in))
	outside := fenced.ReplaceAllString(page, "")
	columns, rows := 0, 0
	for line := range strings.Lines(outside) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "# heading") || strings.HasPrefix(line, "```") || strings.HasPrefix(line, "> -") {
			t.Errorf("a name makes a line of its own: %s", line)
		}
		bars := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
		switch {
		case !strings.HasPrefix(line, "|"):
			columns = 0
		case columns == 0:
			columns = bars
		case bars != columns:
			t.Errorf("%d bars in a table of %d: %s", bars, columns, line)
		default:
			rows++
		}
	}
	if rows < 10 {
		t.Errorf("found %d rows of tables", rows)
	}
	plain := regexp.MustCompile(`\]\(<[^<>\n]*>\)`).ReplaceAllString(outside, "]()")
	for line := range strings.Lines(plain) {
		bare := regexp.MustCompile(`\\[[:punct:]]`).ReplaceAllString(withoutCode(line), "")
		if strings.ContainsAny(bare, "<`~") || strings.Contains(bare, "](http") || strings.Contains(bare, "*b*") {
			t.Errorf("what a name holds has a meaning in: %s", line)
		}
	}
	for _, m := range fenced.FindAllStringSubmatch(page, -1) {
		if m[1] != m[4] {
			t.Errorf("a block ends early: %s", m[0])
		}
	}
}

// withoutCode takes spans of code out of a line, as CommonMark finds them: a run of backticks up to the next of the same length.
func withoutCode(line string) string {
	run := func(s string) int { return len(s) - len(strings.TrimLeft(s, "`")) }
	var out strings.Builder
	for i := 0; i < len(line); {
		switch n := run(line[i:]); {
		case line[i] == '\\' && i+1 < len(line):
			out.WriteString(line[i : i+2])
			i += 2
		case n == 0:
			out.WriteByte(line[i])
			i++
		default:
			i += n
			for end := i; end < len(line); {
				m := run(line[end:])
				if m == n {
					i = end + n
					break
				}
				end += max(m, 1)
			}
		}
	}
	return out.String()
}

func TestIndexLinksToPages(t *testing.T) {
	objs := own(t)
	index := string(runbook.Index(objs))
	for _, o := range objs {
		if !strings.Contains(index, "(<"+runbook.FileName(o.Name)+">)") {
			t.Errorf("no link to the page of %s in:\n%s", o.Name, index)
		}
	}
}

// A bound is asked for however targets spell it, as the agent and the rules take it.
func TestBoundsHoweverTheyAreSpelled(t *testing.T) {
	for _, tt := range []struct{ written, same, others string }{
		{"2", "2 2.0 2.00 2e+00 2e0", "20 0.2 12 2.5"},
		{"0.25", "0.25 0.250 2.5e-01 2.50e-1", "0.025 0.2 0.251"},
	} {
		objs := load(t, "slo.yaml", fmt.Appendf(nil, `
apiVersion: openslo/v1
kind: SLO
metadata: {name: card}
spec:
  service: card
  budgetingMethod: Occurrences
  timeWindow: [{duration: 30d, isRolling: true}]
  indicator:
    metadata: {name: card}
    spec:
      ratioMetric:
        counter: true
        good: {metricSource: {type: Prometheus, spec: {query: 'card_seconds_bucket{le="%s"}'}}}
        total: {metricSource: {type: Prometheus, spec: {query: 'card_seconds_count'}}}
  objectives: [{target: 0.99}]
`, tt.written))
		page := runbook.Markdown(runbook.Input{Objective: objs[0]})
		m := regexp.MustCompile(`card_seconds_bucket\{(le=~".*?")\}`).FindSubmatch(page)
		if m == nil {
			t.Fatalf("no query asks for le=~ in:\n%s", page)
		}
		matchers, err := parser.NewParser(parser.Options{}).ParseMetricSelector("{" + string(m[1]) + "}")
		if err != nil {
			t.Fatal(err)
		}
		for want, spellings := range map[bool]string{true: tt.same, false: tt.others} {
			for s := range strings.FieldsSeq(spellings) {
				if matchers[0].Matches(s) != want {
					t.Errorf("%s takes %s: %t", m[1], s, !want)
				}
			}
		}
	}
}
