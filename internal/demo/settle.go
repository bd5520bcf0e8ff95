package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/assayer-io/assayer/internal/paysim"
	"github.com/assayer-io/assayer/slo"
)

const (
	transfers   = "instant-transfer"
	settlements = "instant-settlement-errors" // what GoldenSignals instant-settlement names its errors
	railName    = "sct-inst"
	railLimit   = 10 * time.Second // of the scheme
	bookkeeping = 15 * time.Second // in which both sides have to agree
)

// pile is so many movements and what they come to.
type pile struct {
	Count  int64            `json:"count"`
	Values map[string]int64 `json:"values"` // minor units by currency
}

func (p pile) String() string {
	if p.Count == 0 {
		return "0"
	}
	return fmt.Sprintf("%s (EUR %s)", grouped(p.Count), grouped(p.Values["EUR"]/100))
}

// railStatus is how the agent sees a rail.
type railStatus struct {
	Rail    string  `json:"rail"`
	Open    pile    `json:"open"`
	Overdue pile    `json:"overdue"`
	Oldest  float64 `json:"oldest_open_age_seconds"`
}

// counted is what the agent has counted of a rail since it was first told of it.
type counted struct{ good, late, declined, otherBad int64 }

// settling is the second story: a settlement stop. Each moment that has not come yet is the zero time.
type settling struct {
	stopped, overdue, fired, resumed, drained time.Time

	tier    string
	atStop  paysim.Tally
	most    pile // overdue at once
	last    time.Time
	agent   counted // when both sides agreed
	company paysim.Settled
}

// transferTally is what the company says of instant transfers.
func (t *teller) transferTally() (int, paysim.Tally) {
	for i, tally := range t.latest() {
		if tally.Service == transfers {
			return i, tally
		}
	}
	return 0, paysim.Tally{}
}

// tellStop lets settlement stand still: no service fails, and no payment arrives.
func (t *teller) tellStop(_ context.Context, now time.Time) error {
	if t.recovered.IsZero() || !t.settle.stopped.IsZero() || now.Sub(t.recovered) < t.opts.plan.pause {
		return nil
	}
	if status, ok := t.status(settlements); !ok || status.State == slo.Unknown {
		return nil
	}
	if err := t.company.SetFaults(transfers, paysim.Faults{SettlementStop: true}); err != nil {
		return err
	}
	t.settle.stopped, t.settle.last = now, now
	_, t.settle.atStop = t.transferTally()
	t.screen.say(now, yellow, "%s: settlement stops. Every transfer is still accepted, none fails, and none reaches its payee; nobody knows yet.", transfers)
	return nil
}

// tellPiling follows what is open and overdue while settlement stands still.
func (t *teller) tellPiling(_ context.Context, now time.Time) error {
	s := &t.settle
	if s.stopped.IsZero() || !s.resumed.IsZero() {
		return nil
	}
	rail := t.rail
	if rail.Overdue.Count > s.most.Count {
		s.most = rail.Overdue
	}
	if s.overdue.IsZero() && rail.Overdue.Count > 0 {
		s.overdue, s.last = now, now
		t.screen.say(now, red, "%s after the stop the first deadlines pass: %s overdue. A transfer counts as late the moment its %s are over, not when it settles.",
			seconds(now.Sub(s.stopped)), rail.Overdue, seconds(railLimit))
		return nil
	}
	if t.opts.Live || now.Sub(s.last) < 3*time.Second {
		return nil
	}
	s.last = now
	t.screen.say(now, plain, "%s", t.railLine())
	return nil
}

// railLine sets the service's own figures beside what the agent follows.
func (t *teller) railLine() string {
	i, _ := t.transferTally()
	f := t.rate(i)
	return fmt.Sprintf("%.0f/s accepted, %s fail; open %s, overdue %s, oldest %.0f s", f.perSecond, percent(f.faults), grouped(t.rail.Open.Count), t.rail.Overdue, t.rail.Oldest)
}

// tellOverdueFires tells of the alert, and lets settlement go on a moment after it.
func (t *teller) tellOverdueFires(_ context.Context, now time.Time) error {
	s := &t.settle
	if s.overdue.IsZero() || !s.resumed.IsZero() {
		return nil
	}
	status, _ := t.status(settlements)
	if tier, ok := paging(status); ok && s.fired.IsZero() {
		s.fired, s.tier = now, tier.Name
		t.screen.say(now, red, "%s fires for %s %s after the first deadline. %s", tier.Name, settlements, seconds(now.Sub(s.overdue)), tier.Why)
		t.screen.say(now, plain, "the service's own error rate is %s all the while: no counter of failures sees this", percent(t.errorsSinceStop()))
	}
	if s.fired.IsZero() || now.Sub(s.fired) < t.opts.plan.stall {
		return nil
	}
	if err := t.company.SetFaults(transfers, paysim.Faults{}); err != nil {
		return err
	}
	s.resumed, s.last = now, now
	t.screen.say(now, yellow, "settlement resumes; %s overdue have to go out now, the oldest first", t.rail.Overdue)
	return nil
}

// errorsSinceStop is the share of transfers that the service failed since settlement stopped.
func (t *teller) errorsSinceStop() float64 {
	_, now := t.transferTally()
	n := now.Answered() - t.settle.atStop.Answered()
	return float64(now.Outcomes[paysim.Technical]-t.settle.atStop.Outcomes[paysim.Technical]) / float64(max(1, n))
}

func (t *teller) tellDrained(_ context.Context, now time.Time) error {
	s := &t.settle
	if s.resumed.IsZero() || !s.drained.IsZero() {
		return nil
	}
	if t.rail.Overdue.Count > s.most.Count {
		s.most = t.rail.Overdue
	}
	if t.rail.Overdue.Count == 0 {
		s.drained = now
		t.screen.say(now, green, "overdue is down to 0, %s after settlement resumed", seconds(now.Sub(s.resumed)))
	} else if !t.opts.Live && now.Sub(s.last) >= time.Second {
		s.last = now
		t.screen.say(now, plain, "%s", t.railLine())
	}
	return nil
}

// tellSettled ends the story once the alert is quiet and both sides have counted the same. Payments are under way all
// the time, so that they agree between two batches of events only.
func (t *teller) tellSettled(ctx context.Context, now time.Time) error {
	s := &t.settle
	status, ok := t.status(settlements)
	if !ok || s.drained.IsZero() || !t.finished.IsZero() {
		return nil
	}
	if _, firing := paging(status); firing {
		return nil
	}
	agent, err := t.agent.counted(ctx)
	if err != nil {
		t.lookErr = err // its last word stands
		return nil      //nolint:nilerr // lookErr tells it
	}
	_, tally := t.transferTally()
	s.agent, s.company = agent, tally.Settled
	if !s.agree() && now.Sub(s.drained) < bookkeeping {
		return nil
	}
	t.finished, t.lastCalm = now, now
	t.screen.say(now, green, "settled, %s after the stop", seconds(now.Sub(s.stopped)))
	t.screen.print(t.settlementFigures(status)...)
	t.screen.print(t.whereNext()...)
	return nil
}

func (s *settling) agree() bool {
	return s.agent == counted{s.company.InTime, s.company.Late, s.company.Declined, s.company.Failed}
}

// settlementFigures is what is left to say of the stop.
func (t *teller) settlementFigures(status slo.Status) []string {
	s := &t.settle
	company := func(n int64) string { return "the company says " + grouped(n) }
	return []string{
		"",
		figure("overdue after", seconds(s.overdue.Sub(s.stopped)), seconds(railLimit)+" allowed; the first was under way"),
		figure("detected after", seconds(s.fired.Sub(s.overdue)), "from the first deadline, by "+s.tier),
		figure("errors meanwhile", percent(t.errorsSinceStop()), "says the service, and it is right"),
		figure("overdue at once", grouped(s.most.Count), "EUR "+grouped(s.most.Values["EUR"]/100)),
		figure("budget spent", grouped(int64(spent(status)))+" times", "that of "+settlements),
		figure("settled in time", grouped(s.agent.good), company(s.company.InTime)),
		figure("settled late", grouped(s.agent.late), company(s.company.Late)+", worth EUR "+grouped(s.company.LateMinor/100)),
		figure("declined", grouped(s.agent.declined), company(s.company.Declined)),
	}
}
