package web

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/exclusions"
	"github.com/assayer-io/assayer/slo"
)

func TestGroupsStandBelowTheirObjective(t *testing.T) {
	for n, folded := range map[int]bool{5: false, 6: true, 150: true} {
		f := newFixture()
		f.addGroups(n)
		h := f.server(t)
		_, page := ask(t, h, "GET", "/", "")
		if got := strings.Contains(page, `<details class="groups" id="g-payouts">`); got != folded {
			t.Errorf("%d groups: folded %v", n, got)
		}
		got := text(page)
		if want := fmt.Sprintf("%d groups: 1 exhausted, %d ok", n, n-1); folded && !strings.Contains(got, want) {
			t.Errorf("%d groups: the page does not say %q", n, want)
		}
		if n > maxGroups && !strings.Contains(got, "50 more at /api/v1/slos") {
			t.Errorf("%d groups: all are on the page", n)
		}
		// The family stands where its worst member belongs: after what has spent more.
		order := regexp.MustCompile(`id="o-([^"]*)"`).FindAllStringSubmatch(page, 4)
		worst := fmt.Sprintf("payouts[region=r%d,scheme=sepa]", n-1)
		if order[0][1] != "card-auth-availability" || order[1][1] != "payouts" || order[2][1] != worst || !strings.HasPrefix(order[3][1], "payouts[") {
			t.Errorf("%d groups: in the order %v", n, order)
		}
		if !strings.Contains(got, fmt.Sprintf("region=r%d, scheme=sepa −100 %% left, overspent", n-1)) {
			t.Errorf("%d groups: the worst is not said to be\n%s", n, got)
		}
	}
}

func TestGroupsAreFound(t *testing.T) {
	f := newFixture()
	f.addGroups(7)
	h := f.server(t)
	for path, want := range map[string]string{
		"/?q=region%3Dr3":           "o-payouts o-payouts[region=r3,scheme=sepa]",
		"/?q=payouts&state=unknown": "",
		"/?q=pay&state=exhausted":   "o-payouts o-payouts[region=r6,scheme=sepa]",
	} {
		_, page := ask(t, h, "GET", path, "")
		var got []string
		for _, m := range regexp.MustCompile(`id="(o-[^"]*)"`).FindAllStringSubmatch(page, -1) {
			got = append(got, m[1])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", path, got, want)
		}
	}
}

// Whatever the values of a group, the page links to it and the API knows it.
func TestGroupsOfAwkwardValues(t *testing.T) {
	f := newFixture()
	f.addGroups(1)
	g := &f.statuses[slices.IndexFunc(f.statuses, func(s slo.Status) bool { return s.Parent != "" })]
	for _, value := range []string{"a, b", `"]`, "a//../b", "a?b#c&d", "100%25", "<i>", "ü\n\x00", ""} {
		g.Group = map[string]string{"region": value}
		g.Name = "payouts[" + slo.GroupText(g.Group, ",") + "]"
		h := f.server(t)
		_, page := ask(t, h, "GET", "/", "")
		link := regexp.MustCompile(`href="(/slo/payouts(?:%5B|\[)[^"]*)"`).FindStringSubmatch(page)
		if link == nil {
			t.Errorf("%q: no link to the group", value)
			continue
		}
		if r, page := ask(t, h, "GET", html.UnescapeString(link[1]), ""); r.StatusCode != http.StatusOK || !strings.Contains(page, "payouts: "+html.EscapeString(slo.GroupText(g.Group, ", "))) {
			t.Errorf("%q: %s answers %d", value, link[1], r.StatusCode)
		}
		var got slo.Status
		if _, body := ask(t, h, "GET", "/api/v1/slos/"+url.PathEscape(g.Name), ""); json.Unmarshal([]byte(body), &got) != nil || got.Name != g.Name || got.Group["region"] != value {
			t.Errorf("%q: the API answers %s", value, body)
		}
	}
}

func TestDetailOfGroupsMoneyAndMembers(t *testing.T) {
	f := newFixture()
	f.addGroups(2)
	h := f.server(t)
	for path, wants := range map[string][]string{
		"/slo/payouts": {"Money in the window good 1,234,567.89 EUR bad 12,345.67 EUR excluded 0.00 EUR", "Groups Exhausted region=r1, scheme=sepa"},
		"/slo/payouts%5Bregion=r0,scheme=sepa%5D": {"Objectives / treasury / payouts payouts: region=r0, scheme=sepa", "Money in the window"},
		"/slo/wallet": {
			"gone in 3 h (between 2 h and 6 h)", "Members Objective State Weight Errors in the window Counted as",
			"card-auth-latency OK Weight 2.5 Errors in the window 0.12 % Counted as measured",
			"fix-orders-availability Unknown Weight 1 Errors in the window 100 % Counted as bad",
		},
		"/slo/ledger-freshness": {"Events in the window good 1,234,567 bad 321"},
	} {
		resp, page := ask(t, h, "GET", path, "")
		got := text(page)
		for _, want := range wants {
			if resp.StatusCode != 200 || !strings.Contains(got, want) {
				t.Errorf("%s does not say %q:\n%s", path, want, got)
			}
		}
	}
}

func TestOutlook(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	at := func(h float64) *time.Time {
		t := now.Add(time.Duration(h * float64(time.Hour)))
		return &t
	}
	for want, b := range map[string]slo.Budget{
		"":                                    {ExhaustsEarliest: at(1)},
		"in 3 h":                              {ExhaustsAt: at(3)},
		"in 3 h (between 2 h and 6 h)":        {ExhaustsAt: at(3), ExhaustsEarliest: at(2), ExhaustsLatest: at(6)},
		"in 2 d 2 h (1 d at the earliest)":    {ExhaustsAt: at(50), ExhaustsEarliest: at(24)},
		"in 0 s (between 0 s and 1 h 30 min)": {ExhaustsAt: at(-1), ExhaustsEarliest: at(-2), ExhaustsLatest: at(1.5)},
	} {
		if got := strings.ReplaceAll(Outlook(b, now), space, " "); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// kept is a record of exclusions that nobody changes.
type kept struct {
	Exclusions
	list  []exclusions.Entry
	asked exclusions.Objective
}

func (k *kept) List(o exclusions.Objective) []exclusions.Entry { k.asked = o; return k.list }

func TestDetailShowsExclusions(t *testing.T) {
	const evil = `<script>alert(1)</script>`
	f := newFixture()
	f.addGroups(1)
	hours := func(from, to float64) slo.Exclusion {
		return slo.Exclusion{ID: fmt.Sprint("x", to), From: f.now.Add(time.Duration(from * float64(time.Hour))), To: f.now.Add(time.Duration(to * float64(time.Hour)))}
	}
	entry := func(x slo.Exclusion, why string) exclusions.Entry {
		return exclusions.Entry{Exclusion: x, Who: "anna", Why: why, CreatedAt: f.now.Add(-time.Hour)}
	}
	gone, fix := entry(hours(-3, -2), "taken back"), entry(hours(-5, -4), evil)
	gone.RemovedAt = &f.now
	fix.Correction = &slo.Correction{Good: 1_234_567, Bad: -5}
	record := &kept{list: []exclusions.Entry{entry(hours(-2, -1), "data centre move"), entry(hours(1, 2), "planned"), entry(hours(-24*40, -24*31), "long ago"), gone, fix}}
	d := f.deps()
	d.Exclusions = record
	s, err := New(d)
	if err != nil {
		t.Fatal(err)
	}
	_, page := ask(t, s.Handler(), "GET", "/slo/payouts%5Bregion=r0,scheme=sepa%5D", "")
	if record.asked != (exclusions.Objective{Name: "payouts[region=r0,scheme=sepa]", Parent: "payouts"}) {
		t.Errorf("asked for those of %+v", record.asked)
	}
	got := strings.ReplaceAll(text(page), "&#43;", "+")
	for _, want := range []string{
		"excluded Data centre move. by anna, 1 h ago 2026-11-21 08:04:05 UTC to 2026-11-21 09:04:05 UTC , x-1",
		"Planned: 2026-11-21 11:04:05 UTC to", "corrected by +12,345.67 EUR good −0.05 EUR bad",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page does not say %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "long ago") || strings.Contains(got, "taken back") || strings.Contains(page, evil) {
		t.Error("the page shows what does not concern it, or markup")
	}
}
