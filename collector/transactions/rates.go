package transactions

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"sort"
	"strings"
	"time"

	"github.com/assayer-io/assayer/collector/transactions/journal"
	"github.com/assayer-io/assayer/slo/money"
)

// maxRates bounds a file of rates: 60 years of 100 currencies.
const maxRates = 2_000_000

// Rates are daily rates into the reporting currency, as a file has them. The zero value has none.
type Rates struct{ of map[string][]dailyRate } // by currency, ascending by day

type dailyRate struct {
	day  int64
	text string
}

// ReadRates reads lines of date, currency and how many units of the reporting currency one of it is worth:
//
//	2026-11-20,USD,0.8637
//
// Empty lines and those that begin with # say nothing. A rate holds until the next one.
func ReadRates(r io.Reader) (*Rates, error) {
	rates := &Rates{of: map[string][]dailyRate{}}
	lines := bufio.NewScanner(r)
	n := 0
	for line := 1; lines.Scan(); line++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		if n++; n > maxRates {
			return nil, fmt.Errorf("line %d: more than %d rates", line, maxRates)
		}
		fields := strings.Split(text, ",")
		if len(fields) != 3 {
			return nil, fmt.Errorf("line %d: got %q, allowed: date,currency,rate such as 2026-11-20,USD,0.8637", line, clip(text))
		}
		date, err := time.Parse(time.DateOnly, strings.TrimSpace(fields[0]))
		if err != nil {
			return nil, fmt.Errorf("line %d: date: got %q, allowed: a day such as 2026-11-20", line, clip(fields[0]))
		}
		rate := strings.TrimSpace(fields[2])
		if _, err := parseRate(rate); err != nil {
			return nil, fmt.Errorf("line %d: rate: got %q, allowed: a positive decimal number such as 0.8637", line, clip(fields[2]))
		}
		currency := strings.TrimSpace(fields[1])
		rates.of[currency] = append(rates.of[currency], dailyRate{dayOf(date), rate})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading rates: %w", err)
	}
	for _, of := range rates.of {
		sort.SliceStable(of, func(i, j int) bool { return of[i].day < of[j].day })
	}
	return rates, nil
}

var errNoRate = errors.New("is no positive decimal number")

func parseRate(text string) (*big.Rat, error) {
	if len(text) > 40 || strings.Trim(text, "0123456789.") != "" || text == "" {
		return nil, errNoRate
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok || r.Sign() <= 0 {
		return nil, errNoRate
	}
	return r, nil
}

// on is the rate that holds on a day; of two for one day, the later in the file.
func (r *Rates) on(currency string, day int64) (string, bool) {
	if r == nil {
		return "", false
	}
	of := r.of[currency]
	i := sort.Search(len(of), func(i int) bool { return of[i].day > day })
	if i == 0 {
		return "", false
	}
	return of[i-1].text, true
}

// unvalued is the value of what cannot be told in the reporting currency.
const unvalued = -1

// valuer turns amounts into minor units of the reporting currency. What a currency was worth on a day is decided
// once, the first time it is asked for, and kept: a restated rate cannot move an old budget.
type valuer struct {
	fixed map[string]*big.Rat // by day and currency: minor units of the reporting currency to one minor unit
	dirty map[string]string   // decided and not yet on disk
	old   []string            // in fixed, and taken off the disk by the transaction that is being made
	day   string              // on which old ones were last looked for
}

// ratesKept is twice as long as an event may be told late: what was counted at older rates stays as it was counted.
const ratesKept = 2 * abandonAfter

func rateKey(currency string, day int64) string {
	return fmt.Sprintf("rate/%s/%s", time.Unix(day*86_400, 0).UTC().Format(time.DateOnly), currency)
}

// save writes what was decided, and once a day takes away what is too old to be asked for.
func (v *valuer) save(tx *journal.Tx, nowMs int64) {
	for key, rate := range v.dirty {
		tx.SetMeta(key, []byte(rate))
	}
	today := rateKey("", floorDiv(nowMs, dayMs))
	if len(v.dirty) == 0 || v.day == today {
		return
	}
	v.day = today
	oldest := rateKey("", floorDiv(nowMs-ratesKept.Milliseconds(), dayMs))
	for key := range v.fixed {
		if key < oldest {
			v.old = append(v.old, key)
			tx.SetMeta(key, nil)
		}
	}
}

func (v *valuer) settle(ok bool) {
	if ok {
		for _, key := range v.old {
			delete(v.fixed, key)
		}
		clear(v.dirty)
	} else if len(v.old) > 0 {
		v.day = "" // they are still there
	}
	v.old = v.old[:0]
}

// value gives that of an amount on a day, rounded half up to minor units, or unvalued.
func (v *valuer) value(rules *Rules, amount money.Minor, currency string, day int64) int64 {
	if currency == rules.Reporting || rules.Reporting == "" {
		if amount.Hi > 0 || amount.Lo > math.MaxInt64 {
			return math.MaxInt64
		}
		return int64(amount.Lo)
	}
	key := rateKey(currency, day)
	rate, known := v.fixed[key]
	if !known {
		text, ok := rules.Rates.on(currency, day)
		if !ok {
			return unvalued
		}
		parsed, err := parseRate(text)
		if err != nil {
			return unvalued
		}
		from, _ := rules.digits(currency)
		to, _ := rules.digits(rules.Reporting)
		rate = scale(parsed, to-from)
		v.fixed[key], v.dirty[key] = rate, rate.RatString()
	}
	r := new(big.Int).Mul(amount.Int(), rate.Num())
	r.Add(r.Lsh(r, 1), rate.Denom())
	return whole(r.Div(r, new(big.Int).Lsh(rate.Denom(), 1)))
}

// scale multiplies by a power of ten.
func scale(r *big.Rat, digits int) *big.Rat {
	ten := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(digits, -digits))), nil))
	if digits < 0 {
		ten.Inv(ten)
	}
	return ten.Mul(ten, r)
}

// whole is i as far as 63 bits go: 92 quadrillion units of a currency with cents.
func whole(i *big.Int) int64 {
	if !i.IsInt64() {
		return 1<<63 - 1
	}
	return i.Int64()
}
