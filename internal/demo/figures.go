package demo

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/assayer-io/assayer/internal/paysim"
	"github.com/assayer-io/assayer/slo"
)

// figures are one service's over the last few seconds.
type figures struct {
	name                       string
	perSecond, eurPerSecond    float64
	approved, declined, faults float64 // ratios
}

// rate works out the figures of service i from what the company counted.
func (t *teller) rate(i int) figures {
	last := t.recent[len(t.recent)-1]
	first := t.before(rateSpan)
	f := figures{name: last.tallies[i].Service}
	span := last.at.Sub(first.at).Seconds()
	n := float64(last.tallies[i].Answered() - first.tallies[i].Answered())
	if span <= 0 || n <= 0 {
		return f
	}
	share := func(outcome string) float64 {
		return float64(last.tallies[i].Outcomes[outcome]-first.tallies[i].Outcomes[outcome]) / n
	}
	f.perSecond = n / span
	f.eurPerSecond = float64(eur(last.tallies[i])-eur(first.tallies[i])) / 100 / span
	f.declined, f.faults = share(paysim.Business), share(paysim.Technical)
	f.approved = 1 - f.declined - f.faults
	return f
}

// before is the sample that is at least span older than the last, or the oldest.
func (t *teller) before(span time.Duration) sample {
	last := t.recent[len(t.recent)-1]
	for i := len(t.recent) - 1; i > 0; i-- {
		if last.at.Sub(t.recent[i].at) >= span {
			return t.recent[i]
		}
	}
	return t.recent[0]
}

// eur is the value of all payments that worked, in cents.
func eur(t paysim.Tally) int64 {
	var total int64
	for outcome, amounts := range t.AmountMinor {
		if outcome != paysim.Business && outcome != paysim.Technical {
			total += paysim.InEUR(amounts)
		}
	}
	return total
}

func (t *teller) moneyTable() []string {
	lines := []string{fmt.Sprintf("  %-18s %10s %10s %9s %9s %9s", "", "payments/s", "EUR/s", "approved", "declined", "faults")}
	for i := range t.latest() {
		f := t.rate(i)
		lines = append(lines, fmt.Sprintf("  %-18s %10.1f %10s %9s %9s %9s",
			f.name, f.perSecond, grouped(int64(f.eurPerSecond)), percent(f.approved), percent(f.declined), percent(f.faults)))
	}
	return lines
}

// spent is the share of the budget that is gone; above 1 it is overspent.
func spent(s slo.Status) float64 { return max(0, 1-s.ErrorBudget.RemainingRatio) }

func (t *teller) budgetLine(s slo.Status, now time.Time) string {
	line := fmt.Sprintf("budget of card-auth: [%s] %s spent", t.screen.bar(spent(s)), percent(spent(s)))
	if gone := s.ErrorBudget.ExhaustsAt; gone != nil && gone.After(now) && t.done.IsZero() {
		line += ", gone in " + seconds(gone.Sub(now))
	}
	return line
}

func (t *teller) statusBlock(now time.Time) []string {
	lines := append([]string{""}, t.moneyTable()...)
	if s, ok := t.objective(); ok {
		lines = append(lines, "  "+t.budgetLine(s, now))
	}
	if t.rail.Rail != "" {
		lines = append(lines, fmt.Sprintf("  settlement of %s: open %s, overdue %s", t.rail.Rail, t.rail.Open, t.rail.Overdue))
	}
	return append(lines, "  "+t.agent.base+"  Ctrl-C ends")
}

func (t *teller) calmLine() string {
	var perSecond, eurPerSecond float64
	for i := range t.latest() {
		f := t.rate(i)
		perSecond += f.perSecond
		eurPerSecond += f.eurPerSecond
	}
	firing := 0
	for _, s := range t.statuses {
		firing += len(s.Firing)
	}
	return fmt.Sprintf("calm: %.0f payments/s, EUR %s/s, %d alerts firing. Ctrl-C ends.", perSecond, grouped(int64(eurPerSecond)), firing)
}

// exhaustion is how long a whole budget lasts at the worst rate seen.
func (t *teller) exhaustion() time.Duration {
	return time.Duration(float64(window) / max(1, t.peakBurn))
}

// summary is what is left to say after the recovery.
func (t *teller) summary(s slo.Status) []string {
	var served, declined int64
	for _, tally := range t.latest() {
		served += tally.Answered()
		declined += tally.Outcomes[paysim.Business]
	}
	before, after := t.atRelease[0], t.latest()[0]
	failed := after.Outcomes[paysim.Technical] - before.Outcomes[paysim.Technical]
	atRisk := paysim.InEUR(after.AmountMinor[paysim.Technical]) - paysim.InEUR(before.AmountMinor[paysim.Technical])
	inWindow := after.Outcomes[paysim.Technical] - t.recent[0].tallies[0].Outcomes[paysim.Technical]
	return []string{
		"",
		figure("detected after", seconds(t.fired.Sub(t.released)), "by "+t.tier),
		figure("acted after", seconds(t.called.Sub(t.released)), "hook "+hookName+", "+badRevision+" to "+goodRevision),
		figure("recovered after", seconds(t.recovered.Sub(t.released)), "verified on fresh data"),
		figure("budget spent", percent(spent(s)), "all of it within "+seconds(t.exhaustion())+" if nobody acts"),
		figure("faults counted", grouped(int64(s.Events.Bad)), "card-auth itself says "+grouped(inWindow)),
		figure("payments", grouped(served), "on three rails"),
		figure("customers' declines", grouped(declined), "among them, counted against no budget"),
		figure("money at risk", "EUR "+grouped(atRisk/100), grouped(failed)+" card payments failed"),
		"",
	}
}

func figure(what, value, remark string) string {
	return strings.TrimRight(fmt.Sprintf("  %-20s %12s  %s", what, value, remark), " ")
}

// whereNext says where there is more to see.
func (t *teller) whereNext() []string {
	lines := []string{
		"",
		"  Where to look next",
		"  page       " + t.agent.base + "/",
		"  metrics    " + t.agent.base + "/metrics",
	}
	return append(append(lines, t.filesLeft()...), "")
}

// filesLeft says where the demo's files are, for as long as there is somebody who can look.
func (t *teller) filesLeft() []string {
	if t.files.temporary && t.opts.ExitWhenRecovered {
		return []string{"  audit log and agent log are removed now; run it with --data DIR to keep and check them"}
	}
	lines := []string{
		"  audit log  " + t.files.audit(),
		"  agent log  " + filepath.Join(t.files.dir, "assayer.log"),
		"  check it   assayer audit verify " + t.files.audit(),
	}
	if t.files.temporary {
		lines = append(lines, "  (these files are removed when the demo ends; --data DIR keeps them)")
	}
	return lines
}
