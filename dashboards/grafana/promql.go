package grafana

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/assayer-io/assayer/slo/metricname"
)

// of is a selector of one of the agent's series.
func (g *gen) of(name string, matchers ...string) string {
	all := slices.DeleteFunc(append([]string{g.in.Options.AgentSelector}, matchers...), func(m string) bool { return m == "" })
	if len(all) == 0 {
		return name
	}
	return name + "{" + strings.Join(all, ",") + "}"
}

func is(label, value string) string     { return label + "=" + strconv.Quote(value) }
func isNot(label, value string) string  { return label + "!=" + strconv.Quote(value) }
func like(label, pattern string) string { return label + "=~" + strconv.Quote(pattern) }

func among(label string, values ...string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = regexp.QuoteMeta(v)
	}
	return like(label, strings.Join(quoted, "|"))
}

// The labels that results keep.
const (
	bySLO  = metricname.SLO + ", " + metricname.Service
	byRail = metricname.Rail
)

// judged are the outcomes that count for or against a budget.
func judged(label string) string { return among(label, metricname.Good, metricname.Bad) }

// whole leaves out the groups of grouped objectives.
func whole() string { return is(metricname.Group, "") }

// What variables match.
func ofService() string  { return like(metricname.Service, "$service") }
func ofRail() string     { return like(metricname.Rail, "$rail") }
func ofSLO() string      { return like(metricname.SLO, "$slo") }
func ofGroup() string    { return like(metricname.Group, "$group") }
func ofCurrency() string { return like(metricname.Currency, "$currency") }

func sumBy(by, expr string) string { return fold("sum", by, expr) }
func maxBy(by, expr string) string { return fold("max", by, expr) }
func minBy(by, expr string) string { return fold("min", by, expr) }

func fold(how, by, expr string) string {
	if by == "" {
		return how + "(" + expr + ")"
	}
	return how + " by (" + by + ") (" + expr + ")"
}

// rate is a counter's increase a second over what one point of a graph stands for.
func rate(series string) string { return "rate(" + series + "[$__rate_interval])" }

func increase(series, window string) string { return "increase(" + series + "[" + window + "])" }

// share divides where there is something to divide by: nothing is not 0 %.
func share(part, of string) string { return part + " / (" + of + " > 0)" }

// state is the worst state that any agent gives an objective, as a number that stateWords spell.
func (g *gen) state(by string, matchers ...string) string {
	var parts []string
	for _, s := range stateWords() {
		parts = append(parts, fmt.Sprintf("%d * %s", s.value, g.of(metricname.SLOState, append(slices.Clone(matchers), is(metricname.State, s.text))...)))
	}
	return maxBy(by, strings.Join(parts, " or "))
}

// money is an amount in the major unit of the reporting currency, or, without one, in minor units of each currency
// apart.
func (g *gen) money(name, by string, wrap func(string) string, matchers ...string) string {
	if g.in.Options.Currency == "" {
		if by != "" {
			by += ", "
		}
		return sumBy(by+metricname.Currency, wrap(g.of(name, matchers...)))
	}
	expr := sumBy(by, wrap(g.of(name, append(matchers, is(metricname.Currency, g.in.Options.Currency))...)))
	if g.digits > 0 {
		expr += " / " + strconv.FormatFloat(math.Pow10(g.digits), 'f', -1, 64)
	}
	return expr
}

func plain(series string) string { return series }

func over(window string) func(string) string {
	return func(series string) string { return increase(series, window) }
}

// moneyLegend adds the currency where amounts of several stand side by side.
func (g *gen) moneyLegend(legend string) string {
	if g.in.Options.Currency == "" {
		return strings.TrimSpace(legend + " {{currency}}")
	}
	return legend
}

// moneyTitle says in what unit amounts are.
func (g *gen) moneyTitle(title string) string {
	if c := g.in.Options.Currency; c != "" {
		return title + " (" + c + ")"
	}
	return title + " (minor units)"
}

// moneyUnit is Grafana's name of the reporting currency.
func (g *gen) moneyUnit() string {
	c := g.in.Options.Currency
	switch {
	case c == "":
		return none
	case slices.Contains(strings.Fields(currenciesOfGrafana), c):
		return "currency" + c
	default:
		return "currency:" + c
	}
}

// currenciesOfGrafana have a unit of their own in package units of the foundation SDK.
const currenciesOfGrafana = "USD GBP EUR JPY RUB UAH BRL DKK ISK NOK SEK CZK CHF PLN ZAR INR KRW IDR PHP VND TRY MYR XPF BGN PYG UYU ILS"

// Units, as Grafana names them.
const (
	none      = "none"
	count     = "short"
	percent   = "percentunit" // of ratios 0 to 1
	seconds   = "s"
	perSecond = "suffix: /s"
	bytesUnit = "bytes"
	factor    = "suffix:×"
	basis     = "suffix: bps"
	whenUnit  = "dateTimeAsIso"
)

// basisPoints is a ratio times ten thousand.
func basisPoints(ratio string) string { return "10000 * " + ratio }

// withLabel gives the one value of expr a label.
func withLabel(expr, label, value string) string {
	return fmt.Sprintf(`label_replace(%s, %q, %q, "", "")`, expr, label, value)
}

// either is the union of expressions with different labels.
func either(exprs []string) string { return strings.Join(exprs, " or ") }
