package prometheus

import "github.com/assayer-io/assayer/alerts"
import "github.com/assayer-io/assayer/slo/spec"

// uncountable says why samples of gauges cannot be counted, or "".
func uncountable(o *alerts.Objective) string {
	if o.Method != spec.Occurrences || o.Indicator.Ratio == nil && o.Indicator.Histogram == nil {
		return "only ratios of counters and histograms have native rules"
	}
	return ""
}

func (c *counting) slices() {}

func (c *counting) samples() {}

func (c *counting) spokenFor(*spec.RawRatio) {}
