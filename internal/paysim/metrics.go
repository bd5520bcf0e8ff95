package paysim

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are those of one service since its process started, in a registry of their own.
type metrics struct {
	payments  *prometheus.CounterVec
	amounts   *prometheus.CounterVec
	seconds   prometheus.Histogram
	inFlight  prometheus.Gauge
	buildInfo *prometheus.GaugeVec
	handler   http.Handler
}

func newMetrics(r *rail) *metrics {
	m := &metrics{
		payments: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: r.prefix + "_total", Help: "Payments answered, by outcome and reason code.",
		}, []string{"outcome", r.byLabel, "reason"}),
		amounts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: r.prefix + "_amount_minor_total", Help: "Amounts of the payments answered, in minor units of their currency.",
		}, []string{"outcome", "currency"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: r.seconds, Help: "Time to answer, in seconds.", Buckets: r.buckets,
		}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: r.prefix + "_inflight_ratio", Help: "Payments in flight as a share of what the service can hold.",
		}),
		buildInfo: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "build_info", Help: "1 for each revision that runs.",
		}, []string{"revision"}),
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(m.payments, m.amounts, m.seconds, m.inFlight, m.buildInfo)
	m.handler = promhttp.HandlerFor(reg, promhttp.HandlerOpts{
		EnableOpenMetrics:                   true,
		EnableOpenMetricsTextCreatedSamples: true,
	})
	return m
}

func (m *metrics) observe(p payment, outcome, reason string, latency float64) {
	m.payments.WithLabelValues(outcome, p.By, reason).Inc()
	m.amounts.WithLabelValues(outcome, p.Currency).Add(float64(p.AmountMinor))
	m.seconds.Observe(latency)
}

func (m *metrics) setRevisions(running []Revision) {
	m.buildInfo.Reset()
	for _, rev := range running {
		m.buildInfo.WithLabelValues(rev.Name).Set(1)
	}
}
