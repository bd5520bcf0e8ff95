package cli

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// progress is a bar with the time left on a terminal, and nothing anywhere else.
//
//	replaying  [==========>                   ]  36 %  1m20s left
type progress struct {
	out          io.Writer // nil: no terminal
	what         string
	began, shown time.Time
}

const (
	barWidth   = 30
	showEvery  = 200 * time.Millisecond
	tellLeftAt = 2 * time.Second // a guess made earlier is none
)

func newProgress(w io.Writer) *progress {
	if !isTerminal(w) {
		w = nil
	}
	return &progress{out: w}
}

// show tells how much of the whole is done.
func (p *progress) show(what string, done, whole float64) {
	if p.out == nil || whole <= 0 {
		return
	}
	now := time.Now()
	if what != p.what {
		p.what, p.began, p.shown = what, now, time.Time{}
	}
	if now.Sub(p.shown) < showEvery {
		return
	}
	p.shown = now
	fmt.Fprintf(p.out, "\r\x1b[K%s", progressLine(what, min(1, max(0, done/whole)), now.Sub(p.began)))
}

// progressLine gives the bar after so much of the work has taken so long.
func progressLine(what string, share float64, took time.Duration) string {
	n := int(share * barWidth)
	bar := strings.Repeat("=", n) + ">" + strings.Repeat(" ", barWidth-n)
	line := fmt.Sprintf("%-10s [%s] %3.0f %%", what, bar[:barWidth], 100*share)
	if share > 0 && took >= tellLeftAt {
		line += fmt.Sprintf("  %v left", time.Duration(float64(took)*(1-share)/share).Round(time.Second))
	}
	return line
}

// clear takes the bar away.
func (p *progress) clear() {
	if p.out != nil && !p.shown.IsZero() {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.shown = time.Time{}
	}
}
