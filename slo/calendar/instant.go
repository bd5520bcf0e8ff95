package calendar

import "time"

// At is the first moment at which the clock of the calendar's zone shows that minute of that day or a later one;
// the day need not be a business day. The minute counts from midnight and may be up to two days before or after.
//
//	At(2026-03-29, 150) in Europe/Berlin, where 02:30 is skipped → 2026-03-29T01:00:00Z
func (b *Business) At(d Date, minute int) time.Time {
	day := d.number()
	c := b.clockAt(time.Unix(day*daySeconds+int64(minute)*60, 0))
	return time.Unix(c.instant(day, minute), 0).In(b.Location)
}
