package app

import (
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/collector/transactions"
	"github.com/assayer-io/assayer/slo/metricname"
)

// transactionCollector exports what the tracker knows.
type transactionCollector struct{ tracker *transactions.Tracker }

// Describe says nothing beforehand: which series there are depends on what was told.
func (transactionCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c transactionCollector) Collect(ch chan<- prometheus.Metric) {
	settled := map[string]*settlementTimes{} // by rail
	for _, m := range c.tracker.Metrics() {
		if suffix, ok := strings.CutPrefix(m.Name, metricname.TransactionsSettlement); ok {
			rail := m.Labels.Get(metricname.Rail)
			if settled[rail] == nil {
				settled[rail] = &settlementTimes{buckets: map[float64]uint64{}}
			}
			settled[rail].take(suffix, &m)
			continue
		}
		kind := prometheus.GaugeValue
		if m.Counter {
			kind = prometheus.CounterValue
		}
		var names, values []string
		m.Labels.Range(func(l labels.Label) { names, values = append(names, l.Name), append(values, l.Value) })
		send(ch, m.Name, names, func(d *prometheus.Desc) (prometheus.Metric, error) {
			return prometheus.NewConstMetric(d, kind, m.Value, values...)
		})
	}
	for rail, s := range settled {
		send(ch, metricname.TransactionsSettlement, []string{metricname.Rail}, func(d *prometheus.Desc) (prometheus.Metric, error) {
			return prometheus.NewConstHistogram(d, s.count, s.sum, s.buckets, rail)
		})
	}
}

func send(ch chan<- prometheus.Metric, name string, labelNames []string, make func(*prometheus.Desc) (prometheus.Metric, error)) {
	m, err := make(prometheus.NewDesc(name, transactionHelp()[name], labelNames, nil))
	if err != nil {
		m = prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(err), err)
	}
	ch <- m
}

// settlementTimes puts a rail's histogram together again.
type settlementTimes struct {
	count   uint64
	sum     float64
	buckets map[float64]uint64
}

func (s *settlementTimes) take(suffix string, m *transactions.Metric) {
	switch suffix {
	case "_count":
		s.count = uint64(m.Value)
	case "_sum":
		s.sum = m.Value
	case "_bucket":
		if le, err := strconv.ParseFloat(m.Labels.Get(metricname.Le), 64); err == nil && m.Labels.Get(metricname.Le) != "+Inf" {
			s.buckets[le] = uint64(m.Value)
		}
	}
}

// transactionHelp says what each metric about movements of money is.
func transactionHelp() map[string]string {
	return map[string]string{
		metricname.TransactionEvents:        "Events about movements of money, by what became of them.",
		metricname.BusinessShareDropped:     "Movements whose counterparty was one too many to be watched for a jump in its share of declines.",
		metricname.TransactionsDamaged:      "Movements whose record cannot be read and which are not followed any more.",
		metricname.TransactionsUnmapped:     "Distinct reason codes of the last day that no pack knows.",
		metricname.Transactions:             "Movements of money, counted once: when they end, or when their deadline passes.",
		metricname.TransactionsValue:        "What these movements come to, in minor units.",
		metricname.TransactionsCapped:       "The same, each movement up to the rail's cap.",
		metricname.TransactionsUnvalued:     "Movements whose amount has no rate into the reporting currency.",
		metricname.TransactionsSettlement:   "Time from receipt to settlement of the movements that settled.",
		metricname.TransactionsReturns:      "Settled movements that were sent back.",
		metricname.TransactionsConflicts:    "Movements of which two different ends were told, or that were counted twice before they were seen to be one.",
		metricname.TransactionsLateConfirm:  "Movements that had settled in time and were told of after their deadline had fired.",
		metricname.TransactionsAbandoned:    "Movements given up because nothing was told of them for longer than any budget.",
		metricname.TransactionsDuplicates:   "Movements of the same amount between the same parties as one shortly before.",
		metricname.ReconciliationItems:      "Settled movements that both sides have told of alike (good) or have not (bad).",
		metricname.TransactionsOpen:         "Movements that have not ended.",
		metricname.TransactionsOpenValue:    "What open movements come to, in minor units, by age.",
		metricname.TransactionsOpenByAge:    "Open movements by age.",
		metricname.TransactionsOldest:       "Age of the oldest open movement.",
		metricname.TransactionsOverdue:      "Open movements whose deadline has passed.",
		metricname.TransactionsOverdueValue: "What overdue movements come to, in minor units.",
		metricname.TransactionsInDoubt:      "Open movements of which nobody knows what became of them.",
		metricname.TransactionsInDoubtValue: "What movements in doubt come to, in minor units.",
		metricname.NextCutOff:               "When the rail's next cut-off is.",
		metricname.TransactionsDue:          "Open movements, not overdue, of the business day of the next cut-off or an earlier one.",
		metricname.TransactionsDueValue:     "What they come to, in minor units.",
		metricname.TransactionsDrainSeconds: "How long these take at the pace of the last ten minutes.",
		metricname.TransactionsDrainRatio:   "The same as a share of the time left; 1000 at most, also when nothing settles.",
		metricname.ReconciliationBreaks:     "Movements that one side has told of and the other has not, or not alike.",
		metricname.BusinessShareAnomalies:   "Counterparties at which the share of a kind of customers' declines has jumped.",
	}
}
