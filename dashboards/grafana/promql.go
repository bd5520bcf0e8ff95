package grafana

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/assayer-io/assayer/slo/metricname"
	"github.com/assayer-io/assayer/slo/money"
)

// of is a selector of one of the agent's series.
func (g *gen) of(name string, matchers ...string) string {
	all := slices.DeleteFunc(append([]string{g.in.Options.AgentSelector}, matchers...), func(m string) bool { return m == "" })
	if len(all) == 0 {
		return name
	}
	return name + "{" + strings.Join(all, ",") + "}"
}

// process is what expr asks of a series that every Go process has, of agents' processes only.
func (g *gen) process(expr string) string {
	return expr + " and on (job, instance) " + g.of(metricname.BuildInfo)
}

func is(label, value string) string     { return label + "=" + strconv.Quote(value) }
func isNot(label, value string) string  { return label + "!=" + strconv.Quote(value) }
func like(label, pattern string) string { return label + "=~" + strconv.Quote(pattern) }

func among(label string, values ...string) string { return like(label, oneOf(values)) }
func unlike(label string, values ...string) string {
	return label + "!~" + strconv.Quote(oneOf(values))
}

// oneOf is an expression that matches a few values.
func oneOf(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = regexp.QuoteMeta(v)
	}
	return strings.Join(quoted, "|")
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

// inOwnUnits is what is above 0 of an amount in other currencies than the reporting one, each in its own major unit.
func (g *gen) inOwnUnits(name string) string {
	other := isNot(metricname.Currency, g.in.Options.Currency)
	sum := func(digits int, matcher string) string {
		expr := sumBy(metricname.Currency, g.of(name, ofRail(), other, matcher))
		if digits > 0 {
			expr += " / " + strconv.FormatFloat(math.Pow10(digits), 'f', -1, 64)
		}
		return expr
	}
	const most = 2 // digits, that nearly all have
	odd := map[int][]string{0: money.Codes(0), 3: money.Codes(3), 4: money.Codes(4)}
	for asset, digits := range g.in.Options.Assets {
		if digits != most {
			odd[digits] = append(odd[digits], asset)
		}
	}
	var parts, named []string
	for _, digits := range slices.Sorted(maps.Keys(odd)) {
		slices.Sort(odd[digits])
		parts, named = append(parts, sum(digits, among(metricname.Currency, odd[digits]...))), append(named, odd[digits]...)
	}
	return "(" + either(append(parts, sum(most, unlike(metricname.Currency, named...)))) + ") > 0"
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

// pileTitle is that of amounts of open movements, which keep the currency they are in.
func (g *gen) pileTitle(title string) string {
	if c := g.in.Options.Currency; c != "" {
		return title + ", of movements in " + c
	}
	return g.moneyTitle(title)
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
