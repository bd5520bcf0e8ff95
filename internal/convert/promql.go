package convert

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// query is one query as it was understood.
type query struct {
	value quotient
	notes []reason // what is lost although it can be streamed
}

// reader works out what a query counts.
type reader struct {
	notes []reason
	depth int
}

// maxDepth bounds how deeply calls and parentheses may be nested.
const maxDepth = 100

// parseQuery reads PromQL that may have places for a window in it.
func parseQuery(text string) (query, *reason) {
	expr, why := parseExpr(text)
	if why != nil {
		return query{}, why
	}
	r := &reader{}
	value, why := r.value(expr)
	if why != nil {
		return query{}, why
	}
	return query{value, r.notes}, nil
}

func parseExpr(text string) (parser.Expr, *reason) {
	if strings.TrimSpace(text) == "" {
		return nil, &reason{InvalidValue, "has no value"}
	}
	filled, why := fillIn(text)
	if why != nil {
		return nil, why
	}
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(filled)
	if err != nil {
		return nil, &reason{UnparsableQuery, "not PromQL as Prometheus reads it: " + err.Error()}
	}
	return expr, nil
}

func (r *reader) value(e parser.Expr) (quotient, *reason) {
	if r.depth++; r.depth > maxDepth {
		return quotient{}, polled("is nested too deeply to be understood")
	}
	defer func() { r.depth-- }()
	switch e := e.(type) {
	case *parser.NumberLiteral:
		return whole(constant(e.Val)), nil
	case *parser.ParenExpr:
		return r.value(e.Expr)
	case *parser.UnaryExpr:
		v, why := r.value(e.Expr)
		if why != nil || e.Op != parser.SUB {
			return v, why
		}
		return v.times(whole(constant(-1)))
	case *parser.VectorSelector:
		name, why := selectorOf(e)
		return whole(one(term{selector: name, part: events}, form{groups: bareForm})), why
	case *parser.Call:
		return r.call(e)
	case *parser.AggregateExpr:
		return r.aggregate(e)
	case *parser.BinaryExpr:
		return r.binary(e)
	}
	return quotient{}, polled("has a " + string(e.Type()) + " in it")
}

// call reads a function.
func (r *reader) call(e *parser.Call) (quotient, *reason) {
	name := e.Func.Name
	switch name {
	case "vector":
		return r.value(e.Args[0])
	case "rate", "increase", "irate":
		selector, why := r.ranged(e.Args[0])
		if why != nil {
			return quotient{}, why
		}
		if name == "irate" {
			r.notes = append(r.notes, reason{FixedWindow, "irate looks at the last two samples only; here every increase counts"})
			name = "rate"
		}
		return whole(one(term{selector: selector, part: events}, form{name, seriesForm})), nil
	case "sum_over_time", "count_over_time", "avg_over_time":
		selector, why := r.ranged(e.Args[0])
		if why != nil {
			return quotient{}, why
		}
		f := form{groups: seriesForm}
		sum, count := one(term{selector: selector, part: sampleSum}, f), one(term{selector: selector, part: samples}, f)
		switch name {
		case "sum_over_time":
			return whole(sum), nil
		case "count_over_time":
			return whole(count), nil
		}
		return quotient{sum, count}, nil
	case "histogram_count":
		h, c, why := r.native(e.Args[0])
		if why != nil {
			return quotient{}, why
		}
		return whole(one(term{selector: h, part: inHist}, c.form)), nil
	case "histogram_fraction":
		return r.fraction(e)
	}
	return quotient{}, polled("calls " + name + "()")
}

// fraction reads the share of a histogram's observations that kept below a limit.
func (r *reader) fraction(e *parser.Call) (quotient, *reason) {
	from, fromOK := number(e.Args[0])
	to, toOK := number(e.Args[1])
	if !fromOK || !toOK || from > 0 || to <= 0 || math.IsInf(to, 0) || math.IsNaN(to) {
		return quotient{}, polled("asks for observations between two limits")
	}
	h, c, why := r.native(e.Args[2])
	if why != nil {
		return quotient{}, why
	}
	f := c.form
	if base, ok := cutBucket(h); ok {
		h = base
		f.groups = byForm + strings.Join(slices.DeleteFunc(f.labels(), func(l string) bool { return l == "le" }), ",")
	}
	return quotient{one(term{h, belowLimit, to}, f), one(term{selector: h, part: inHist}, f)}, nil
}

// native reads the histogram whose increase is asked about.
func (r *reader) native(e parser.Expr) (string, *counted, *reason) {
	v, why := r.value(e)
	if why != nil {
		return "", nil, why
	}
	t, ok := v.top.only()
	if v.bottom != nil || !ok || t.part != events {
		return "", nil, polled("asks about more than one histogram")
	}
	return t.selector, v.top, nil
}

func number(e parser.Expr) (float64, bool) {
	for {
		switch inner := e.(type) {
		case *parser.ParenExpr:
			e = inner.Expr
		case *parser.UnaryExpr:
			v, ok := number(inner.Expr)
			if inner.Op == parser.SUB {
				v = -v
			}
			return v, ok
		case *parser.NumberLiteral:
			return inner.Val, true
		default:
			return 0, false
		}
	}
}

// aggregate reads sum, with by or without anything, and the average of averages.
func (r *reader) aggregate(e *parser.AggregateExpr) (quotient, *reason) {
	v, why := r.value(e.Expr)
	if why != nil {
		return quotient{}, why
	}
	t, isOne := v.top.only()
	average := e.Op == parser.AVG && v.bottom != nil && isOne && t.part == sampleSum
	switch {
	case e.Op != parser.SUM && !average:
		return quotient{}, polled("takes the " + e.Op.String() + " of series")
	case e.Without:
		return quotient{}, polled("is grouped by all labels but some")
	case v.bottom != nil && !average:
		return quotient{}, polled("adds up ratios")
	case average:
		r.notes = append(r.notes, reason{SeriesAddedUp, "averages the averages of series; here every sample counts alike"})
	}
	by := slices.Sorted(slices.Values(e.Grouping))
	if inner, ok := strings.CutPrefix(v.top.form.groups, byForm); ok {
		kept := strings.Split(inner, ",")
		by = slices.DeleteFunc(by, func(l string) bool { return !slices.Contains(kept, l) })
	}
	top := *v.top
	top.form.groups = byForm + strings.Join(slices.Compact(by), ",")
	if v.bottom == nil {
		return whole(&top), nil
	}
	bottom := *v.bottom
	bottom.form.groups = top.form.groups
	return quotient{&top, &bottom}, nil
}

func (r *reader) binary(e *parser.BinaryExpr) (quotient, *reason) {
	left, why := r.value(e.LHS)
	if why != nil {
		return quotient{}, why
	}
	if n, ok := number(e.RHS); ok && n == 0 && e.Op == parser.GTR && !e.ReturnBool {
		return left, nil // keeps 0 from being divided by, which is done without being told
	}
	right, why := r.value(e.RHS)
	if why != nil {
		return quotient{}, why
	}
	switch e.Op {
	case parser.ADD:
		return left.plus(right)
	case parser.SUB:
		minus, why := right.times(whole(constant(-1)))
		if why != nil {
			return quotient{}, why
		}
		return left.plus(minus)
	case parser.MUL:
		return left.times(right)
	case parser.DIV:
		return left.dividedBy(right)
	case parser.LOR:
		if right.bottom == nil && right.top.isZero() {
			return left, nil // without a series there is nothing, which is none here anyway
		}
	}
	return quotient{}, polled("has the operator " + e.Op.String())
}

// ranged reads x[window].
func (r *reader) ranged(e parser.Expr) (string, *reason) {
	for {
		paren, ok := e.(*parser.ParenExpr)
		if !ok {
			break
		}
		e = paren.Expr
	}
	m, ok := e.(*parser.MatrixSelector)
	if !ok {
		return "", polled("has a subquery in it")
	}
	if known, _ := time.ParseDuration(filler); m.Range != known {
		note := reason{FixedWindow, fmt.Sprintf("always looks back %s; here every window is counted over its own length", m.Range)}
		if !slices.Contains(r.notes, note) {
			r.notes = append(r.notes, note)
		}
	}
	vs, ok := m.VectorSelector.(*parser.VectorSelector)
	if !ok {
		return "", polled("has a range of something computed")
	}
	return selectorOf(vs)
}

// selectorOf spells a selector in the one way that PromQL's printer does.
func selectorOf(vs *parser.VectorSelector) (string, *reason) {
	if vs.OriginalOffset != 0 || vs.OriginalOffsetExpr != nil || vs.Timestamp != nil || vs.StartOrEnd != 0 || vs.Anchored || vs.Smoothed {
		return "", polled("looks at another time")
	}
	for i, m := range vs.LabelMatchers {
		if isTemplate(m) {
			return "", &reason{TemplateVariable, fmt.Sprintf("nothing fills in %s", m)}
		}
		// All observations: what the bucket without a bound holds is the histogram's count.
		if base, ok := strings.CutSuffix(vs.Name, "_bucket"); ok && m.Name == "le" && m.Type == labels.MatchEqual {
			if v, err := strconv.ParseFloat(m.Value, 64); err == nil && math.IsInf(v, 1) {
				return spelled(base+"_count", slices.Delete(slices.Clone(vs.LabelMatchers), i, i+1)), nil
			}
		}
	}
	return spelled(vs.Name, vs.LabelMatchers), nil
}

// spelled writes a selector with the given metric name, if any, in place of that among the matchers.
func spelled(name string, matchers []*labels.Matcher) string {
	vs := parser.VectorSelector{Name: name}
	for _, m := range matchers {
		if name == "" || m.Name != labels.MetricName || m.Type != labels.MatchEqual {
			vs.LabelMatchers = append(vs.LabelMatchers, m)
		}
	}
	return vs.String()
}

// cutBucket takes the suffix _bucket off a selector's metric name.
func cutBucket(selector string) (string, bool) {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(selector)
	vs, ok := expr.(*parser.VectorSelector)
	if err != nil || !ok {
		return selector, false
	}
	base, ok := strings.CutSuffix(vs.Name, "_bucket")
	if !ok {
		return selector, false
	}
	return spelled(base, vs.LabelMatchers), true
}
