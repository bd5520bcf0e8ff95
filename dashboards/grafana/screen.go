package grafana

import "github.com/assayer-io/assayer/dashboards"

// screen is one dashboard before it becomes JSON.
type screen struct {
	uid, title, text string
	tag              string // beside dashboards.TagOwned
	refresh          string // 10s
	from, to         string // now-6h, now
	vars             []variable
	rows             []row
	links            []link // at the top of the screen
	marks            []mark
}

func (s *screen) tags() []string { return []string{dashboards.TagOwned, s.tag} }

// row is a titled line of panels. Their widths add up to 24, or to 24 a line where there are several lines.
type row struct {
	title  string
	panels []panel
	closed bool // until somebody opens it; nothing in it is asked before
}

// kind is how a panel shows what it asks for.
type kind string

const (
	graph  kind = "timeseries"
	number kind = "stat"
	table  kind = "table"
	states kind = "state-timeline" // text over time
)

// panel is one question and its answer.
type panel struct {
	kind    kind
	title   string
	text    string // what it shows, and what has to be there for it to show something
	empty   string // shown in place of data when there is none: why
	unit    string
	w, h    uint32 // in 24ths of the screen, and in rows of 30 pixels
	queries []query
	limits  []limit
	words   words
	stacked bool
	names   []string // of series that each get their own line style, so that they are told apart without colour
	labels  []string // of tables: label columns, in order
	columns []column // of tables: one for each query, in order
	links   []link
	max     float64 // 0: as the data has it
	signed  bool    // values can be below 0
}

// query is one expression.
type query struct {
	expr   string
	legend string
	limit  bool // it is what others are held against: a dashed line without filling
}

// column is how the values of one query of a table are shown.
type column struct {
	title, unit string
	empty       string // shown where this query has nothing to say of a row; empty: nothing
	limits      []limit
	words       words
}

// limit colours values from a bound on. It is said in the panel's text too.
type limit struct {
	from  float64
	level level
}

// level is how bad it is, as Grafana names colours. Words or numbers always stand beside them.
type level string

const (
	fine  level = "green"
	amber level = "orange"
	red   level = "red"
	grey  level = "text"
)

// above grows worse from amber to red; below does so downwards.
func above(warn, bad float64) []limit { return []limit{{warn, amber}, {bad, red}} }

func below(warn, bad float64) []limit {
	return []limit{{lowest, red}, {bad, amber}, {warn, fine}}
}

// anyAtAll is red from the first one on.
func anyAtAll() []limit { return []limit{{1e-9, red}} }

// lowest stands for Grafana's bound of no bound.
const lowest = -1e308

// words are texts in place of numbers.
type words []word

type word struct {
	value int
	text  string
	level level
}

// link leads on. In its URL {slo}, {service}, {rail} and {group} stand for labels of what was clicked.
type link struct {
	title, url string
	tag        string // all dashboards with that tag, in place of url
}

// variable is a choice at the top of a screen.
type variable struct {
	name, label string
	query       string // label_values(…)
	multi       bool   // several, and All
	all         string // what All matches; empty: .*
}

// mark is an event drawn over all graphs.
type mark struct {
	name, expr, title, text, tags string
	level                         level
}
