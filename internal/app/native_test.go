package app_test

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/assayer-io/assayer/slo"
)

// TestLatencyOfANativeHistogram: from a real exporter of native histograms to the API's counts.
func TestLatencyOfANativeHistogram(t *testing.T) {
	for name, opts := range map[string]prometheus.HistogramOpts{
		"native":  {Name: "pay_seconds", NativeHistogramBucketFactor: 1.1},
		"both":    {Name: "pay_seconds", NativeHistogramBucketFactor: 1.1, Buckets: []float64{1, 10}},
		"classic": {Name: "pay_seconds", Buckets: []float64{1, 2, 10}},
	} {
		t.Run(name, func(t *testing.T) {
			reg := prometheus.NewRegistry()
			seconds := prometheus.NewHistogram(opts)
			reg.MustRegister(seconds)
			for range 50 {
				seconds.Observe(0.5)
			}
			exporter := httptest.NewServer(promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true}))
			t.Cleanup(exporter.Close)
			s := newSite(t)
			s.write("assayer.yaml", fmt.Sprintf(agentFile, exporter.Listener.Addr()))
			s.write("slo/sales.yaml", `
apiVersion: openslo/v1
kind: SLO
metadata: {name: sales}
spec:
  service: shop
  budgetingMethod: Occurrences
  indicator:
    metadata: {name: sales}
    spec: {ratioMetric: {counter: true, good: {metricSource: {type: Prometheus, spec: {query: pay_seconds, below: 2s}}}}}
  timeWindow: [{duration: 1h, isRolling: true}]
  objectives: [{target: 0.99}]
`)
			a := s.start()
			s.eventually("the target to be seen", func() bool { return s.statuses(a)["sales"].Observed })
			for range 96 {
				seconds.Observe(1.5)
			}
			for range 4 {
				seconds.Observe(3)
			}
			s.wantExactly(a, "counts of the histogram", slo.Events{Good: 96, Bad: 4})
			for range 7 { // buckets that were empty before
				seconds.Observe(40)
			}
			s.wantExactly(a, "counts of new buckets", slo.Events{Good: 96, Bad: 11})
		})
	}
}
