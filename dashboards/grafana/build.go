package grafana

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"

	"github.com/assayer-io/assayer/slo/burnrate"
	"github.com/assayer-io/assayer/slo/metricname"
)

// width is Grafana's number of columns.
const width = 24

// datasource is what every query asks: the choice at the top of the screen.
func datasource() common.DataSourceRef {
	kind, uid := "prometheus", "${datasource}"
	return common.DataSourceRef{Type: &kind, Uid: &uid}
}

// build turns a screen into Grafana's own types, which check themselves.
func (s *screen) build() (dashboard.Dashboard, error) {
	b := dashboard.NewDashboardBuilder(s.title).
		Uid(s.uid).
		Description(s.text+" Times are local; where a graph has two rows of times, the second is UTC.").
		Tags(s.tags()).
		Refresh(s.refresh).
		Time(s.from, s.to).
		Timezone("browser").
		Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Readonly()
	b.WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Prometheus").Type("prometheus"))
	for _, v := range s.vars {
		b.WithVariable(v.build())
	}
	for _, m := range s.marks {
		b.Annotation(m.build())
	}
	for _, l := range s.links {
		b.Link(l.top())
	}
	s.place(b)
	built, err := b.Build()
	if err != nil {
		return dashboard.Dashboard{}, fmt.Errorf("checking it against Grafana's types: %w", err)
	}
	return built, nil
}

// place puts rows under each other, and in each its panels side by side as far as they fit.
func (s *screen) place(b *dashboard.DashboardBuilder) {
	id, y := uint32(0), uint32(0)
	for _, r := range s.rows {
		id++
		head := dashboard.NewRowBuilder(r.title).Id(id).Collapsed(r.closed).GridPos(dashboard.GridPos{Y: y, H: 1, W: width})
		y++
		var panels []*dashboard.PanelBuilder
		x, tallest := uint32(0), uint32(0)
		for _, p := range r.panels {
			if x+p.w > width {
				x, y, tallest = 0, y+tallest, 0
			}
			id++
			panels = append(panels, p.build().Id(id).GridPos(dashboard.GridPos{X: x, Y: y, W: p.w, H: p.h}))
			x, tallest = x+p.w, max(tallest, p.h)
		}
		y += tallest
		if r.closed {
			for _, p := range panels {
				head.WithPanel(p)
			}
			b.WithRow(head)
			continue
		}
		b.WithRow(head)
		for _, p := range panels {
			b.WithPanel(p)
		}
	}
}

func (v variable) build() *dashboard.QueryVariableBuilder {
	b := dashboard.NewQueryVariableBuilder(v.name).
		Label(v.label).
		Query(dashboard.StringOrMap{String: &v.query}).
		Definition(v.query).
		Datasource(datasource()).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).
		Sort(dashboard.VariableSortAlphabeticalAsc)
	if v.multi {
		text, value := "All", "$__all"
		b.Multi(true).IncludeAll(true).AllValue(cmp.Or(v.all, ".*")).Current(dashboard.VariableOption{
			Text:  dashboard.StringOrArrayOfString{ArrayOfString: []string{text}},
			Value: dashboard.StringOrArrayOfString{ArrayOfString: []string{value}},
		})
	}
	return b
}

func (m mark) build() made[dashboard.AnnotationQuery] {
	ask, step := datasource(), burnrate.Text(markStep)
	return made[dashboard.AnnotationQuery]{dashboard.AnnotationQuery{
		Name: m.name, Datasource: &ask, Enable: true, IconColor: string(m.level),
		Expr: &m.expr, TitleFormat: &m.title, TextFormat: &m.text, TagKeys: &m.tags, Step: &step,
	}}
}

// made needs no more building. The SDK's own builders of links and annotations hide them in a menu, and have no way
// back.
type made[T any] struct{ value T }

// Build implements cog.Builder.
func (m made[T]) Build() (T, error) { return m.value, nil }

// top is the link in the line above all panels.
func (l link) top() cog.Builder[dashboard.DashboardLink] {
	if l.tag != "" {
		return made[dashboard.DashboardLink]{dashboard.DashboardLink{
			Title: l.title, Type: dashboard.DashboardLinkTypeDashboards, Tags: []string{l.tag}, AsDropdown: true, KeepTime: true,
		}}
	}
	return made[dashboard.DashboardLink]{dashboard.DashboardLink{
		Title: l.title, Type: dashboard.DashboardLinkTypeLink, Url: &l.url, TargetBlank: true, Icon: "external link", Tags: []string{},
	}}
}

// build makes the parts that all kinds of panels have alike.
func (p panel) build() *dashboard.PanelBuilder {
	b := dashboard.NewPanelBuilder().
		Type(string(p.kind)).
		Title(p.title).
		Description(p.description()).
		Datasource(datasource()).
		Unit(p.unit).
		NoValue(p.empty).
		Mappings(p.words.mappings()).
		Thresholds(thresholds(p.limits)).
		Options(p.options()).
		Custom(p.custom())
	if p.max > 0 {
		b.Max(p.max) // and no least: between 99.9 % and 99.5 % lies a lot
	} else if p.kind == graph && !p.signed {
		b.Min(0)
	}
	if links := p.fieldLinks(); len(links) > 0 {
		b.DataLinks(links)
	}
	for i, q := range p.queries {
		b.WithTarget(p.target(i, q))
	}
	p.override(b)
	return b
}

// description is the panel's text, and in words what its colours say.
func (p *panel) description() string {
	var said strings.Builder
	said.WriteString(p.text)
	if len(p.limits) > 0 {
		said.WriteString(" " + limitsText(p.limits, p.unit))
	}
	for _, c := range p.columns {
		if len(c.limits) > 0 {
			said.WriteString(" " + c.title + ": " + limitsText(c.limits, c.unit))
		}
	}
	return said.String()
}

func refID(i int) string { return string(rune('A' + i)) }

func (p *panel) target(i int, q query) *prometheus.DataqueryBuilder {
	b := prometheus.NewDataqueryBuilder().RefId(refID(i)).Datasource(datasource()).EditorMode(prometheus.QueryEditorModeCode).Expr(q.expr)
	switch p.kind {
	case table:
		return b.Instant().Format(prometheus.PromQueryFormatTable)
	case number:
		return b.Instant().LegendFormat(q.legend)
	default:
		return b.Range().LegendFormat(q.legend)
	}
}

// fieldLinks are shown when a value is clicked.
func (p *panel) fieldLinks() []cog.Builder[dashboard.DashboardLink] {
	place := "${__field.labels.%s}"
	if p.kind == table {
		place = "${__data.fields.%s}"
	}
	var all []cog.Builder[dashboard.DashboardLink]
	for _, l := range p.links {
		url := l.url
		for _, label := range []string{metricname.SLO, metricname.Service, metricname.Rail, metricname.Group} {
			url = strings.ReplaceAll(url, "{"+label+"}", fmt.Sprintf(place, label))
		}
		all = append(all, made[dashboard.DashboardLink]{dashboard.DashboardLink{
			Title: l.title, Type: dashboard.DashboardLinkTypeLink, Url: &url, TargetBlank: !strings.HasPrefix(url, "/"), Tags: []string{},
		}})
	}
	return all
}

func (w words) mappings() []dashboard.ValueMapping {
	if len(w) == 0 {
		return nil
	}
	m := dashboard.NewValueMap()
	for i, word := range w {
		index, colour := int32(i), string(word.level)
		m.Options[fmt.Sprint(word.value)] = dashboard.ValueMappingResult{Text: &word.text, Color: &colour, Index: &index}
	}
	return []dashboard.ValueMapping{{ValueMap: m}}
}

// thresholds begin with the colour of what no limit is about.
func thresholds(limits []limit) *dashboard.ThresholdsConfigBuilder {
	base := grey
	if len(limits) > 0 {
		base = fine
		if limits[0].from == lowest {
			base, limits = limits[0].level, limits[1:]
		}
	}
	steps := []dashboard.Threshold{{Color: string(base)}}
	for _, l := range limits {
		steps = append(steps, dashboard.Threshold{Value: &l.from, Color: string(l.level)})
	}
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(steps)
}

// limitsText says in words what colours say.
func limitsText(limits []limit, unit string) string {
	text := func(v float64) string {
		switch {
		case v == anyAtAll()[0].from:
			return "anything above 0"
		case unit == percent:
			return fmt.Sprintf("%.4g %%", 100*v)
		default:
			return fmt.Sprintf("%.6g%s", v, map[string]string{seconds: " s", factor: "×", basis: " bps"}[unit])
		}
	}
	if limits[0].from == lowest { // the lower, the worse
		return fmt.Sprintf("Red below %s, amber below %s.", text(limits[1].from), text(limits[2].from))
	}
	var parts []string
	for _, l := range slices.Backward(limits) {
		parts = append(parts, map[level]string{amber: "amber", red: "red"}[l.level]+" from "+text(l.from))
	}
	said := strings.Join(parts, ", ")
	return strings.ToUpper(said[:1]) + said[1:] + "."
}
