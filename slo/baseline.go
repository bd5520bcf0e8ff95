package slo

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/assayer-io/assayer/slo/calendar"
	"github.com/assayer-io/assayer/slo/spec"
)

// hour is the traffic of one hour, as far as it was observed.
type hour struct {
	Count float64 `json:"n"`
	Ms    int64   `json:"ms"`
}

func (h *hour) perSecond() float64 { return h.Count / (float64(h.Ms) / 1000) }

const (
	msPerHour    = 3_600_000
	learnDays    = 35            // how far back hours are remembered
	alikeHours   = 5             // how many of the latest hours that are alike say what to expect
	dailyDays    = 7             // until hours are alike, the same hour of so many preceding days does
	minHourKnown = msPerHour / 2 // an hour counts as known when half of it was observed
)

// judgeTraffic compares the slice's rate with its floor. As long as no earlier day says what to
// expect, nothing is promised and the slice is excluded.
func (s *slicer) judgeTraffic(o *spec.Objective, i int64, sl *slice) counts {
	t, seconds := o.Indicator.Traffic, float64(s.widthMs)/1000
	if t.AtLeastPerSecond > 0 {
		return verdict(sl.Total/seconds >= t.AtLeastPerSecond)
	}
	h := floorDiv(i*s.widthMs, msPerHour)
	expected, ok := s.expected(o.Calendar, h)
	s.learn(h, sl.Total)
	if !ok {
		return counts{excluded: 1}
	}
	return verdict(sl.Total/seconds >= t.AtLeastOfExpected*expected)
}

// expected is the rate, in events a second, that hour h is measured against: the median of the latest
// hours that are alike, on days of the same class (weekday, holiday, half-day) and at the same time of day,
// so that one bad Monday does not lower what is expected of the next. Holidays have nothing alike in most
// months and are measured against Sundays then; other days, until there is one, against the mean of the
// same hour on the days before.
func (s *slicer) expected(c *calendar.Business, h int64) (perSecond float64, ok bool) {
	class, hourOfDay := slotOf(c, h)
	if rate, ok := s.median(c, h, class, hourOfDay); ok {
		return rate, true
	}
	if class == calendar.HolidayClass {
		if rate, ok := s.median(c, h, calendar.DayClass(0), hourOfDay); ok {
			return rate, true
		}
	}
	return s.daily(h)
}

// median is that of the latest hours before h of one class and time of day.
func (s *slicer) median(c *calendar.Business, h int64, class calendar.DayClass, hourOfDay int) (float64, bool) {
	var rates []float64
	// A change of clocks moves the same time of day by an hour, Lord Howe's half an hour by none.
	for d := int64(1); d <= learnDays && len(rates) < alikeHours; d++ {
		for _, past := range []int64{h - 24*d, h - 24*d - 1, h - 24*d + 1} {
			known := s.hours[past]
			if known == nil || known.Ms < minHourKnown {
				continue
			}
			if k, at := slotOf(c, past); k == class && at == hourOfDay {
				rates = append(rates, known.perSecond())
				break
			}
		}
	}
	if len(rates) == 0 {
		return 0, false
	}
	slices.Sort(rates)
	if n := len(rates); n%2 == 0 {
		return (rates[n/2-1] + rates[n/2]) / 2, true
	}
	return rates[len(rates)/2], true
}

// daily is the mean rate of the same hour on the preceding days, whatever days they were.
func (s *slicer) daily(h int64) (float64, bool) {
	sum := hour{}
	for d := int64(1); d <= dailyDays; d++ {
		if known := s.hours[h-24*d]; known != nil && known.Ms >= minHourKnown {
			sum.Count += known.Count
			sum.Ms += known.Ms
		}
	}
	if sum.Ms == 0 {
		return 0, false
	}
	return sum.perSecond(), true
}

func (s *slicer) learn(h int64, n float64) {
	if s.hours[h] == nil {
		s.hours[h], s.newest, s.hoursChanged = &hour{}, h, true
		maps.DeleteFunc(s.hours, func(old int64, _ *hour) bool { return old < h-24*(learnDays+1) })
	}
	s.hours[h].Count += n
	s.hours[h].Ms += s.widthMs
}

// storeHours writes the hour that is being learnt with the objective, and the others, a month of them, only
// when there is a new one.
func (s *slicer) storeHours(to Store, id uint64, m *storedObjective) error {
	if s.hours == nil {
		return nil
	}
	if h := s.hours[s.newest]; h != nil {
		m.Hours = map[int64]*hour{s.newest: h}
	}
	s.hoursStoring = s.hoursChanged
	if !s.hoursChanged {
		return nil
	}
	data, err := json.Marshal(s.hours)
	if err != nil {
		return err
	}
	to.Set(prefixHours+hex(id), data)
	s.hoursChanged = false
	return nil
}

// readHours fills in what was learnt of traffic.
func (r *restoring) readHours(scan Scan, loading map[uint64]*objective) error {
	return r.readBeside(scan, prefixHours, loading, func(o *objective, value []byte) error {
		if o.slicer == nil || o.slicer.hours == nil {
			return nil
		}
		var hours map[int64]*hour
		if err := json.Unmarshal(value, &hours); err != nil {
			return fmt.Errorf("decoding traffic of %s: %w", o.Name, err)
		}
		o.slicer.merge(hours)
		return nil
	})
}

// merge adds hours from the store to those that came with the objective, which are newer.
func (s *slicer) merge(hours map[int64]*hour) {
	for h, v := range hours {
		if s.hours[h] == nil && v != nil {
			s.hours[h] = v
		}
	}
	for h := range s.hours {
		s.newest = max(s.newest, h)
	}
}
