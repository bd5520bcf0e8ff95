package demo

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// style is how a line stands out; the value is the terminal's code.
type style string

const (
	plain  style = ""
	bold   style = "1"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	dim    style = "2"
)

// screen writes lines with the elapsed time in front and, on a terminal, keeps a status block below
// them. After a failed write it stays quiet and remembers why.
type screen struct {
	out   io.Writer
	color bool
	live  bool
	width int
	start time.Time

	drawn int // lines of the status block now on screen
	block []string
	err   error
}

// say writes a line under the time since the start, wrapped at words to the width.
func (s *screen) say(now time.Time, st style, format string, args ...any) {
	prefix := fmt.Sprintf("[%5.1fs] ", now.Sub(s.start).Seconds())
	var b strings.Builder
	for i, line := range wrap(fmt.Sprintf(format, args...), s.width-len(prefix)) {
		if i > 0 {
			prefix = strings.Repeat(" ", len(prefix))
		}
		b.WriteString(s.paint(dim, prefix) + s.paint(st, line) + "\n")
	}
	s.above(b.String())
}

// print writes lines as they are: a path has to stay whole.
func (s *screen) print(lines ...string) { s.above(strings.Join(lines, "\n") + "\n") }

// status replaces the block; without a terminal nothing is shown.
func (s *screen) status(lines ...string) {
	s.block = lines
	if s.live {
		s.above("")
	}
}

// above writes text over the status block and draws the block again below.
func (s *screen) above(text string) {
	if s.err != nil {
		return
	}
	var b strings.Builder
	if s.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\x1b[J", s.drawn)
		s.drawn = 0
	}
	b.WriteString(text)
	if s.live {
		for _, line := range s.block {
			b.WriteString(s.paint(dim, cut(line, s.width)) + "\n")
		}
		s.drawn = len(s.block)
	}
	if b.Len() > 0 {
		_, s.err = io.WriteString(s.out, b.String())
	}
}

func (s *screen) paint(st style, text string) string {
	if !s.color || st == plain || text == "" {
		return text
	}
	return "\x1b[" + string(st) + "m" + text + "\x1b[0m"
}

// bar draws a ratio with a width of 20: full is 1 or more.
func (s *screen) bar(ratio float64) string {
	const width = 20
	full, empty := "#", "."
	if s.live {
		full, empty = "█", "░"
	}
	n := int(min(max(ratio, 0), 1)*width + .5)
	return strings.Repeat(full, n) + strings.Repeat(empty, width-n)
}

// wrap breaks text at spaces into lines of at most width characters; longer words stand alone. Spaces
// at the start of the text stay.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for i, word := range strings.Split(text, " ") {
		switch {
		case i == 0:
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

func cut(line string, width int) string {
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:width])
}

// grouped writes 1234567 as 1,234,567.
func grouped(n int64) string {
	s := fmt.Sprint(n)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// percent writes a ratio with as many digits as it needs to be told from nothing.
func percent(ratio float64) string {
	switch p := 100 * ratio; {
	case p == 0 || p >= 10:
		return fmt.Sprintf("%.0f%%", p)
	case p >= .1:
		return fmt.Sprintf("%.1f%%", p)
	default:
		return fmt.Sprintf("%.2f%%", p)
	}
}
