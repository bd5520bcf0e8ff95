package hooks

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/policy"
)

// Verdict is the answer of [Decide].
type Verdict string

// The verdicts.
const (
	Act  Verdict = "act"  // every rule agrees; Decision.Mode says how far to go
	Hold Verdict = "hold" // not now; the next evaluation may decide otherwise
	Deny Verdict = "deny" // a rule forbids it
)

// staleAfter is the age at which a status no longer tells about now.
const staleAfter = 2 * time.Minute

// clockSkew is how far in the future a recorded time may lie.
const clockSkew = time.Minute

// Input is all that a decision depends on.
type Input struct {
	Policy Policy
	Status slo.Status   // of the objective in question
	All    []slo.Status // of every objective, for shared causes

	Changes   []Change // of the status' service, oldest first
	Elsewhere []Change // recent ones of other services; only cited
	Baked     []Baked  // revisions of the service and how they did, oldest first
	Recent    []Action // of every hook, any order

	// BurnBegan is when the burn rate of the objective's shortest window rose above 1, from where it
	// stayed there. Zero: it is not above 1, or nobody saw it rise.
	BurnBegan time.Time

	Paused      string // why no hook may act; empty: they may
	StartPaused bool   // the agent was started and auto has not been resumed since
	Demoted     string // why an auto hook has to ask; empty: it need not
	Now         time.Time

	// What budget policies say of the objective: a call of this hook, nil for none, and why a person has
	// to approve whatever any hook does about it, empty for no reason.
	Called   *policy.Verdict
	Approval string
}

// Decision is what to do about one objective and why.
type Decision struct {
	Verdict    Verdict
	Mode       Mode           // how far to go when Verdict is Act
	Tier       slo.TierStatus // the firing tier, or by whose windows a policy's call is judged; zero when nothing calls
	CalledBy   string         // policy/rule that calls the hook; empty: the tier does
	Episode    string         // empty when nothing fires: then there is nothing to record
	Change     *Change        // the change to undo; nil when the policy needs none
	ToRevision string
	Reasons    []string // each one sentence with its numbers
	Rules      []string // names of the rules that held or denied, same order as their reasons
}

// Decide is pure: equal inputs give equal decisions.
func Decide(in Input) Decision {
	d := decider{Input: in}
	d.Mode = in.Policy.Mode
	if !d.trigger() {
		d.Verdict, d.Reasons, d.Rules = Hold, []string{"no tier of " + in.Policy.Name + " fires, and no budget policy calls it"}, []string{"not_firing"}
		return d.Decision
	}
	d.asks()
	d.evidence()
	d.pauses()
	d.sharedCause()
	d.correlation()
	d.history()
	switch {
	case len(d.denied) > 0:
		d.Verdict, d.Rules = Deny, d.denied
		d.Reasons = append(d.whyDenied, d.whyHeld...)
	case len(d.held) > 0:
		d.Verdict, d.Rules, d.Reasons = Hold, d.held, d.whyHeld
	default:
		d.Verdict, d.Reasons = Act, d.why
	}
	if d.Verdict != Act {
		d.Reasons = append(d.Reasons, d.why[0])
	}
	return d.Decision
}

type decider struct {
	Input
	Decision
	since                   time.Time // start of what calls the hook
	what                    string    // calls the hook: page-1h fires
	why, whyHeld, whyDenied []string
	held, denied            []string
}

// trigger finds what calls the hook: a tier of its own, or else a budget policy. It reports whether
// anything does.
func (d *decider) trigger() bool {
	if tier, ok := d.Policy.firing(d.Status); ok {
		d.Tier, d.since, d.what = tier, *tier.Since, tier.Name+" fires"
		d.Episode = fmt.Sprintf("%s/%s/%s/%d", d.Policy.Name, d.Status.Name, tier.Name, d.since.UnixMilli())
		d.because("%s since %s: %s, limit %s", d.what, clock(d.since), burns(tier), times(tier.Factor))
		return true
	}
	tier, ok := d.Policy.windows(d.Status)
	if v := d.Called; ok && v != nil && v.Active && v.Since != nil {
		tier.Since = v.Since
		d.Tier, d.since, d.what, d.CalledBy = tier, *v.Since, "policy "+v.Name()+" calls", v.Name()
		d.Episode = fmt.Sprintf("%s/%s/policy/%s/%d", d.Policy.Name, d.Status.Name, v.Name(), d.since.UnixMilli())
		d.because("%s since %s: %s; the burn is %s", d.what, clock(d.since), v.Why, burns(tier))
		return true
	}
	return false
}

// asks makes a hook that would act by itself ask, where its own record or a budget policy demands it.
func (d *decider) asks() {
	if d.Mode != Auto {
		return
	}
	for _, why := range []string{d.Demoted, d.Approval} {
		if why != "" {
			d.Mode = Approve
			d.because("%s has to ask: %s", d.Policy.Name, why)
		}
	}
}

func burns(t slo.TierStatus) string {
	return fmt.Sprintf("%s over %s and %s over %s", times(t.LongBurnRate), t.LongWindow, times(t.ShortBurnRate), t.ShortWindow)
}

func (d *decider) because(format string, args ...any) {
	d.why = append(d.why, fmt.Sprintf(format, args...))
}

func (d *decider) hold(rule, format string, args ...any) {
	d.held, d.whyHeld = append(d.held, rule), append(d.whyHeld, fmt.Sprintf(format, args...))
}

func (d *decider) deny(rule, format string, args ...any) {
	d.denied, d.whyDenied = append(d.denied, rule), append(d.whyDenied, fmt.Sprintf(format, args...))
}

// evidence holds on anything that is not fresh, sufficient data of a burn that goes on.
func (d *decider) evidence() {
	s := d.Status
	switch age := d.Now.Sub(s.At); {
	case age > staleAfter:
		d.hold("stale", "the status is %s old, over the limit of %s", age.Round(time.Second), staleAfter)
	case age < -clockSkew:
		d.hold("stale", "the status is dated %s in the future", (-age).Round(time.Second))
	}
	if d.since.After(d.Now.Add(clockSkew)) {
		d.hold("stale", "%s since %s, which is in the future", d.what, clock(d.since))
	}
	if s.State == slo.Unknown || blind(s) {
		d.hold("unknown", "the state is unknown, and no data is never evidence: %s", s.Reason)
	}
	// Comparisons are written so that NaN holds too.
	if !(s.Coverage >= d.Policy.MinCoverage) {
		d.hold("coverage", "coverage is %.3f, %.3f is needed", s.Coverage, d.Policy.MinCoverage)
	}
	if t := d.Tier; math.IsInf(t.LongBurnRate, 0) || math.IsInf(t.ShortBurnRate, 0) || !(t.LongBurnRate > 1 && t.ShortBurnRate > 1) {
		d.hold("recovering", "%s with %s and %s, and the budget lasts at 1×", d.what, times(t.LongBurnRate), times(t.ShortBurnRate))
	}
	if window, rate := shortestBurn(s); !(rate > 1) {
		d.hold("recovering", "the burn rate over %s is %s: the burn is already over", window, times(rate))
	}
}

func (d *decider) pauses() {
	if d.Paused != "" {
		d.hold("paused", "actions are paused: %s", d.Paused)
	}
	if d.StartPaused && d.Mode == Auto {
		d.hold("start_paused", "the agent was restarted, and auto waits until somebody resumes it")
	}
}

// sharedCause holds when so much burns at once that no single service's change can be the cause.
// The objectives of one service are not taken for several witnesses.
func (d *decider) sharedCause() {
	known, burning := 0, 0
	services := map[string]bool{}
	for _, s := range d.All {
		if blind(s) {
			continue
		}
		known++
		if len(s.Firing) > 0 {
			burning++
			services[s.Service] = true
		}
	}
	if burning >= d.Policy.MinBurning && len(services) > 1 && float64(burning) > d.Policy.MaxBurningRatio*float64(known) {
		d.hold("shared_cause", "%d of %d objectives of %d services burn together, which points to a shared cause", burning, known, len(services))
	}
}

// correlation demands a change of this service before the burn, and a good revision to go back to.
func (d *decider) correlation() {
	if !d.Policy.RequireChange {
		return
	}
	service := d.Status.Service
	began := d.since
	if d.BurnBegan.IsZero() {
		d.hold("order_unknown", "the agent did not see when the burn of %s began, so it cannot tell whether a change came first", d.Status.Name)
	} else if d.BurnBegan.Before(began) {
		began = d.BurnBegan
	}
	if len(d.Changes) == 0 {
		d.deny("no_change", "no change of %s is recorded%s", service, d.citeElsewhere(began))
		return
	}
	c := d.Changes[len(d.Changes)-1]
	what := fmt.Sprintf("%s %s at %s", c.Kind, c.Revision, clock(c.At))
	switch before := began.Sub(c.At); {
	case before < 0:
		d.deny("change_after_burn", "the burn began at %s, before the newest change, %s", clock(began), what)
		return
	case before > d.Policy.ChangeWindow:
		d.deny("no_change", "the newest change of %s, %s, came %s before the burn began, over the limit of %s%s",
			service, what, before.Round(time.Second), d.Policy.ChangeWindow, d.citeElsewhere(began))
		return
	case c.Kind == KindRollback:
		d.deny("undo_of_undo", "the newest change, %s, is itself a rollback, and an undo is never undone", what)
		return
	default:
		d.because("%s came %s before the burn began at %s", what, before.Round(time.Second), clock(began))
	}
	d.Change = &c
	d.target(c)
}

// target picks the newest good revision that is not the one in place.
func (d *decider) target(c Change) {
	for _, b := range slices.Backward(d.Baked) {

		if b.Family == family(c.Kind) && b.Revision != c.Revision && !b.Withdrawn && b.Healthy >= d.Policy.Bake && b.Since.Before(c.At) {
			d.ToRevision = b.Revision
			d.because("%s is recorded good: it met its objectives for %s, %s is needed", b.Revision, b.Healthy.Round(time.Second), d.Policy.Bake)
			return
		}
	}
	d.deny("no_good_revision", "no revision of %s before %s is recorded as having met its objectives for %s", d.Status.Service, c.Revision, d.Policy.Bake)
}

func (d *decider) citeElsewhere(began time.Time) string {
	var cited []string
	for _, c := range d.Elsewhere {
		if before := began.Sub(c.At); before >= 0 && before <= d.Policy.ChangeWindow && len(cited) < 3 {
			cited = append(cited, fmt.Sprintf("%s %s at %s", c.Service, c.Revision, clock(c.At)))
		}
	}
	if len(cited) == 0 {
		return ""
	}
	return "; other services changed: " + strings.Join(cited, ", ")
}

// history applies what was done before: once an episode, one at a time, cooldown, cap.
func (d *decider) history() {
	inWindow := 0
	var last *Action
	answered, changeAnswered, busy := false, false, false
	for i := range d.Recent {
		a := &d.Recent[i]
		if a.Service == d.Status.Service && !a.State.Final() && !busy {
			busy = true
			d.hold("in_flight", "action %s of %s on %s is %s", a.ID, a.Hook, a.Service, a.State)
		}
		spent, asked := d.spent(a), a.State == Rejected || a.State == Expired || a.State == Superseded
		if !spent && !asked {
			continue
		}
		if d.Change != nil && a.Change != nil && a.Change.ID == d.Change.ID && a.Service == d.Status.Service && (a.called() || a.Hook == d.Policy.Name && (spent || a.State == Rejected)) && !changeAnswered {
			changeAnswered = true
			d.deny("change_answered", "%s %s was already answered by action %s (%s)", d.Change.Kind, d.Change.Revision, a.ID, a.State)
		}
		if a.Hook != d.Policy.Name {
			continue
		}
		if a.Objective == d.Status.Name && d.sameEpisode(a) && !answered {
			answered = true
			d.deny("episode_answered", "this burn was already answered at %s by action %s (%s), and one burn is answered once", clock(a.CreatedAt), a.ID, a.State)
		}
		if !spent {
			continue
		}
		if d.Now.Sub(started(a)) < d.Policy.MaxActionsWindow {
			inWindow++
		}
		if a.Service == d.Status.Service && (last == nil || started(a).After(started(last))) {
			last = a
		}
	}
	if last != nil && d.Now.Sub(started(last)) < d.Policy.Cooldown {
		d.deny("cooldown", "the last action on %s was %s ago, the cooldown is %s", d.Status.Service,
			d.Now.Sub(started(last)).Round(time.Second), d.Policy.Cooldown)
	}
	if inWindow >= d.Policy.MaxActions {
		d.deny("cap", "%s acted %d times in the last %s, the cap is %d", d.Policy.Name, inWindow, d.Policy.MaxActionsWindow, d.Policy.MaxActions)
	}
}

// spent reports whether a used up its episode, cooldown and cap. A hook that only observes counts
// what it would have done, so that it shows what auto would do.
func (d *decider) spent(a *Action) bool {
	if a.called() {
		return true
	}
	dry := a.State == Observed || a.State == Recommended
	return dry && (d.Mode == Observe || d.Mode == Recommend)
}

// sameEpisode reports whether a answered the burn that goes on now.
func (d *decider) sameEpisode(a *Action) bool {
	return a.Episode == d.Episode || !started(a).Before(d.since) ||
		!d.BurnBegan.IsZero() && !started(a).Before(d.BurnBegan)
}

func started(a *Action) time.Time {
	if a.StartedAt != nil {
		return *a.StartedAt
	}
	return a.CreatedAt
}

// shortestBurn gives the burn rate over the shortest window of any tier.
func shortestBurn(s slo.Status) (window string, rate float64) {
	var shortest time.Duration
	for _, t := range s.Tiers {
		if w := windowLength(t.ShortWindow); shortest == 0 || w < shortest {
			shortest, window, rate = w, t.ShortWindow, t.ShortBurnRate
		}
	}
	return window, rate
}

// windowLength reads what package burnrate wrote; five minutes, the usual short window, if it cannot.
func windowLength(text string) time.Duration {
	d, err := model.ParseDuration(text)
	if err != nil || d <= 0 {
		return 5 * time.Minute
	}
	return time.Duration(d)
}

func times(rate float64) string {
	if math.Abs(rate) >= 100 {
		return strconv.FormatFloat(rate, 'f', 0, 64) + "×"
	}
	return strconv.FormatFloat(rate, 'g', 3, 64) + "×"
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
