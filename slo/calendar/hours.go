package calendar

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	hoursText = regexp.MustCompile(`^(-?[0-9]{1,2}:[0-9]{2}) ?- ?(-?[0-9]{1,2}:[0-9]{2})$`)
	clockText = regexp.MustCompile(`^(-?)([0-9]{1,2}):([0-5][0-9])$`)
)

// ParseDate reads 2026-12-25. It is false for anything else, and for days that do not exist.
func ParseDate(text string) (Date, bool) {
	t, err := time.Parse(time.DateOnly, text)
	return Date{t.Year(), t.Month(), t.Day()}, err == nil
}

// ParseClock reads a time of day such as 17:00 as minutes after midnight, from -24:00 (a day before midnight)
// to 48:00. It is false for anything else.
func ParseClock(text string) (minute int, ok bool) {
	m := clockText.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	hours, _ := strconv.Atoi(m[2]) // the pattern lets only digits through
	more, _ := strconv.Atoi(m[3])
	n := 60*hours + more
	if m[1] != "" {
		n = -n
	}
	return n, n >= -dayMinutes && n <= 2*dayMinutes
}

// ParseHours reads 09:00-17:30 into a session without a name, see [ParseClock]. It is false if that is not its
// form. That it begins before it ends is for the caller to check.
func ParseHours(text string) (Session, bool) {
	m := hoursText.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return Session{}, false
	}
	from, okFrom := ParseClock(m[1])
	to, okTo := ParseClock(m[2])
	return Session{From: from, To: to}, okFrom && okTo
}
