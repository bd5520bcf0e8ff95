package grafana

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	gtable "github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// clocks are the time axes of graphs.
func clocks() []common.TimeZone { return []common.TimeZone{common.TimeZoneBrowser, common.TimeZoneUtc} }

// options are those of the panel's kind.
func (p *panel) options() any {
	switch p.kind {
	case graph:
		o := timeseries.NewOptions()
		o.Timezone = clocks()
		o.Legend = *common.NewVizLegendOptions()
		o.Legend.DisplayMode, o.Legend.Placement, o.Legend.ShowLegend = common.LegendDisplayModeTable, common.LegendPlacementBottom, true
		o.Legend.Calcs = []string{"lastNotNull", "max"}
		o.Tooltip = *common.NewVizTooltipOptions()
		o.Tooltip.Mode, o.Tooltip.Sort = common.TooltipDisplayModeMulti, common.SortOrderDescending
		return o
	case states:
		o := statetimeline.NewOptions()
		o.Timezone = clocks()
		o.ShowValue = common.VisibilityModeAlways // the word, not its colour, is the answer
		return o
	case table:
		o := gtable.NewOptions()
		o.ShowHeader = true
		o.Footer = nil // the SDK's own has a reducer that Grafana does not know
		last := len(p.columns)
		if last > 0 {
			worst := true
			o.SortBy = []common.TableSortByFieldState{{DisplayName: p.columns[0].title, Desc: &worst}}
		}
		return o
	default:
		o := stat.NewOptions()
		o.ReduceOptions = *common.NewReduceDataOptions()
		o.ReduceOptions.Calcs = []string{"lastNotNull"}
		o.TextMode, o.ColorMode, o.GraphMode = common.BigValueTextModeValueAndName, common.BigValueColorModeValue, common.BigValueGraphModeNone
		return o
	}
}

// custom is how fields are drawn, by the panel's kind.
func (p *panel) custom() any {
	switch p.kind {
	case graph:
		c := timeseries.NewFieldConfig()
		thin, fill := 1.0, 0.0
		if p.stacked {
			fill = 30
			stack := common.StackingModeNormal
			c.Stacking = &common.StackingConfig{Mode: &stack}
		}
		points := common.VisibilityModeNever
		c.LineWidth, c.FillOpacity, c.ShowPoints = &thin, &fill, &points
		if len(p.limits) > 0 {
			c.ThresholdsStyle = &common.GraphThresholdsStyleConfig{Mode: common.GraphThresholdsStyleModeDashed}
		}
		return c
	case states:
		c := statetimeline.NewFieldConfig()
		fill := uint32(70)
		c.FillOpacity = &fill
		return c
	case table:
		return gtable.NewFieldConfig()
	default:
		return nil
	}
}

// strokes are line styles that differ without colour.
func strokes() []map[string]any {
	return []map[string]any{
		{"fill": "solid"},
		{"fill": "dash", "dash": []int{10, 10}},
		{"fill": "dot", "dash": []int{0, 6}},
		{"fill": "dash", "dash": []int{20, 6}},
		{"fill": "dash", "dash": []int{4, 4, 14, 4}},
		{"fill": "dot", "dash": []int{0, 14}},
	}
}

func set(id string, value any) dashboard.DynamicConfigValue {
	return dashboard.DynamicConfigValue{Id: id, Value: value}
}

// override is what differs from series to series, or from column to column.
func (p *panel) override(b *dashboard.PanelBuilder) {
	if p.kind == table {
		p.overrideColumns(b)
		return
	}
	if p.kind != graph {
		return
	}
	at := 0
	for i, q := range p.queries {
		if q.limit {
			b.OverrideByQuery(refID(i), []dashboard.DynamicConfigValue{
				set("custom.lineStyle", strokes()[1]), set("custom.fillOpacity", 0), set("custom.lineWidth", 2),
				set("custom.stacking", map[string]any{"mode": "none"}),
			})
			continue
		}
		if at > 0 {
			b.OverrideByQuery(refID(i), []dashboard.DynamicConfigValue{set("custom.lineStyle", strokes()[(at+1)%len(strokes())])})
		}
		at++
	}
	for i, name := range p.names {
		b.OverrideByName(name, []dashboard.DynamicConfigValue{
			set("custom.lineStyle", strokes()[i%len(strokes())]), set("custom.fillOpacity", 10+10*(i%6)),
		})
	}
}

// overrideColumns names, orders and dresses a table's columns. Rows of all queries with the same labels become one.
func (p *panel) overrideColumns(b *dashboard.PanelBuilder) {
	order, names := map[string]any{}, map[string]any{}
	for i, label := range p.labels {
		order[label] = i
	}
	for i, c := range p.columns {
		name := fmt.Sprintf("Value #%s", refID(i))
		order[name], names[name] = len(p.labels)+i, c.title
		if len(p.columns) == 1 { // then Grafana may leave out which query it is
			order["Value"], names["Value"] = len(p.labels)+i, c.title
		}
	}
	b.WithTransformation(dashboard.DataTransformerConfig{Id: "merge", Options: map[string]any{}})
	b.WithTransformation(dashboard.DataTransformerConfig{Id: "organize", Options: map[string]any{
		"excludeByName": map[string]any{"Time": true}, "indexByName": order, "renameByName": names,
	}})
	for _, c := range p.columns {
		values := []dashboard.DynamicConfigValue{set("unit", c.unit), set("noValue", c.empty)}
		if len(c.limits) > 0 {
			t, err := thresholds(c.limits).Build()
			if err != nil {
				b.RecordError("thresholds", err)
				return
			}
			values = append(values, set("thresholds", t), set("custom.cellOptions", map[string]any{"type": "color-text"}))
		}
		if len(c.words) > 0 {
			values = append(values, set("mappings", c.words.mappings()), set("custom.cellOptions", map[string]any{"type": "color-text"}))
		}
		b.OverrideByName(c.title, values)
	}
}
