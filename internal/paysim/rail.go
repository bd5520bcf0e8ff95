package paysim

import (
	"math"
	"math/rand/v2"
	"time"
)

// The outcomes that are not a rail's own word for success.
const (
	Business  = "business"  // the customer's: no funds, wrong PIN, closed account
	Technical = "technical" // ours or a partner's: time-out, system malfunction
)

// weighted is one of several values with its share of the whole. Shares need not add up to 1.
type weighted struct {
	value string
	share float64
}

// rail is what is typical of one way of moving money.
type rail struct {
	service string // card-auth
	prefix  string // card_auth
	seconds string // name of the latency histogram
	success string // the outcome label of a payment that worked
	byLabel string // the label beside outcome and reason, and its values
	by      []weighted

	share      float64 // of all requests
	successes  []weighted
	business   []weighted // reason codes
	technical  []weighted
	declines   float64 // ratio of requests that end as business declines
	faults     float64 // ratio that end as technical faults on a good day
	median     float64 // latency, seconds
	sigma      float64 // of the logarithm of the latency
	limit      float64 // seconds; the rail's promise, one of the buckets
	buckets    []float64
	amount     float64 // median, major units
	currencies []weighted
	capacity   float64     // requests in flight at which the service is full, for one request a second in all
	settles    *settlement // of what it accepts; nil: nothing follows an answer
}

// rails lists the three in the order in which screens show them. The codes are field 39 of ISO 8583
// for cards and the ISO 20022 status reasons for transfers, which are accepted here and settle later; the chain has no standard, so ours are words.
func rails() []rail {
	return []rail{
		{
			service: "card-auth", prefix: "card_auth", seconds: "card_auth_seconds", success: "approved",
			byLabel: "scheme", by: []weighted{{"visa", .55}, {"mastercard", .40}, {"maestro", .05}},
			share:     .60,
			successes: []weighted{{"00", 1}},
			business:  []weighted{{"51", .45}, {"05", .25}, {"55", .08}, {"54", .07}, {"61", .06}, {"14", .05}, {"59", .04}},
			technical: []weighted{{"96", .5}, {"91", .4}, {"68", .1}},
			declines:  .09, faults: .0001,
			median: .18, sigma: .9, limit: 2,
			buckets: []float64{.05, .1, .25, .5, 1, 2, 5, 10},
			amount:  28, currencies: []weighted{{"EUR", .85}, {"GBP", .15}},
			capacity: .5,
		},
		{
			service: "instant-transfer", prefix: "instant_transfer", seconds: "instant_transfer_seconds", success: "accepted",
			byLabel: "scheme", by: []weighted{{"sct_inst", 1}},
			share:     .30,
			successes: []weighted{{"ACSP", 1}},
			business:  []weighted{{"AM04", .40}, {"AC04", .20}, {"AC01", .20}, {"AC06", .10}, {"AG01", .10}},
			technical: []weighted{{"AB06", .4}, {"AB05", .3}, {"AB09", .2}, {"AB10", .1}},
			declines:  .03,
			median:    1.2, sigma: .7, limit: 10,
			buckets: []float64{.25, .5, 1, 2, 5, 10, 20},
			amount:  180, currencies: []weighted{{"EUR", 1}},
			capacity: 1.6,
			settles: &settlement{
				rail: "sct-inst", median: 1.1, sigma: .4, longest: 8 * time.Second, limit: 10 * time.Second,
				banks: []weighted{{"BANKDEFF", .5}, {"BANKFRPP", .3}, {"BANKESMM", .2}},
			},
		},
		{
			service: "crypto-withdrawal", prefix: "crypto_withdrawal", seconds: "crypto_withdrawal_broadcast_seconds", success: "broadcast",
			byLabel: "chain", by: []weighted{{"bitcoin", .4}, {"ethereum", .6}},
			share:     .10,
			successes: []weighted{{"ok", 1}},
			business:  []weighted{{"insufficient_funds", .5}, {"daily_limit", .3}, {"address_screened", .2}},
			technical: []weighted{{"node_unreachable", .5}, {"nonce_stuck", .3}, {"fee_too_low", .2}},
			declines:  .04, faults: .0005,
			median: 40, sigma: .7, limit: 300,
			buckets: []float64{1, 5, 15, 30, 60, 120, 300, 600},
			amount:  900, currencies: []weighted{{"USD", .7}, {"EUR", .3}},
			capacity: 17,
		},
	}
}

// payment is what a customer asks for.
type payment struct {
	By          string `json:"by"` // scheme or chain
	Currency    string `json:"currency"`
	AmountMinor int64  `json:"amount_minor"`
}

func (r *rail) newPayment(rng *rand.Rand) payment {
	minor := int64(100 * r.amount * math.Exp(rng.NormFloat64()))
	return payment{By: pick(rng, r.by), Currency: pick(rng, r.currencies), AmountMinor: max(1, minor)}
}

// valid reports whether p is one that this rail handles: labels come from p, so they must be known.
func (r *rail) valid(p payment) bool {
	return p.AmountMinor > 0 && has(r.by, p.By) && has(r.currencies, p.Currency)
}

func has(ws []weighted, value string) bool {
	for _, w := range ws {
		if w.value == value {
			return true
		}
	}
	return false
}

func pick(rng *rand.Rand, ws []weighted) string {
	total := 0.0
	for _, w := range ws {
		total += w.share
	}
	x := rng.Float64() * total
	for _, w := range ws {
		if x -= w.share; x < 0 {
			return w.value
		}
	}
	return ws[len(ws)-1].value
}

// diurnal is the traffic at a time of day relative to the day's mean: about 0.4 before dawn and 1.6
// in the afternoon. Its mean over a day is 1.
func diurnal(timeOfDay time.Duration) float64 {
	turn := 2 * math.Pi * (timeOfDay.Hours() - 15) / 24
	return 1 + .55*math.Cos(turn) + .08*math.Cos(2*turn)
}

// poisson draws the number of arrivals when mean are expected. mean has to be small (below 500),
// which short steps see to.
func poisson(rng *rand.Rand, mean float64) int {
	limit, n, p := math.Exp(-mean), 0, rng.Float64()
	for p > limit {
		p *= rng.Float64()
		n++
	}
	return n
}

// InEUR adds up amounts in minor units at the simulator's fixed rates, in euro cents.
func InEUR(minor map[string]int64) int64 {
	total := 0.0
	for currency, amount := range minor {
		switch currency {
		case "GBP":
			total += 1.15 * float64(amount)
		case "USD":
			total += 0.90 * float64(amount)
		default:
			total += float64(amount)
		}
	}
	return int64(math.Round(total))
}
