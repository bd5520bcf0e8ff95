package web

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/slo"
)

// everyPage renders what a person can see, with and without content.
func everyPage(t *testing.T) map[string]string {
	t.Helper()
	empty := &fixture{ready: true}
	paused := newFixture()
	paused.paused = true
	grouped := newFixture()
	grouped.addGroups(9)
	pages := map[string]string{}
	for name, ask1 := range map[string]func() (*http.Response, string){
		"list": func() (*http.Response, string) { return ask(t, newFixture().server(t), "GET", "/", "") },
		"detail": func() (*http.Response, string) {
			return ask(t, newFixture().server(t), "GET", "/slo/card-auth-availability?range=1h", "")
		},
		"groups":  func() (*http.Response, string) { return ask(t, grouped.server(t), "GET", "/", "") },
		"payouts": func() (*http.Response, string) { return ask(t, grouped.server(t), "GET", "/slo/payouts", "") },
		"wallet":  func() (*http.Response, string) { return ask(t, grouped.server(t), "GET", "/slo/wallet", "") },
		"missing": func() (*http.Response, string) { return ask(t, newFixture().server(t), "GET", "/slo/none", "") },
		"empty":   func() (*http.Response, string) { return ask(t, empty.server(t), "GET", "/", "") },
		"paused":  func() (*http.Response, string) { return ask(t, paused.server(t), "GET", "/", "") },
	} {
		_, pages[name] = ask1()
	}
	return pages
}

// mainOf cuts the live part out of a page.
func mainOf(page string) string {
	return regexp.MustCompile(`(?s)<main.*</main>`).FindString(page)
}

// text is what a person reads: tags gone, spaces as one.
func text(html string) string {
	html = regexp.MustCompile(`(?s)<[^>]*>`).ReplaceAllString(html, " ")
	html = strings.NewReplacer("&#39;", "'", "&#34;", `"`, "&lt;", "<", "&gt;", ">", "&amp;", "&", "\u00a0", " ").Replace(html)
	return strings.Join(strings.Fields(html), " ")
}

func TestNoInlineCode(t *testing.T) {
	for name, page := range everyPage(t) {
		for _, bad := range []string{`(?i)<style`, `(?i)\sstyle\s*=`, `(?i)\son[a-z]+\s*=`, `(?i)javascript:`, `(?i)<script[^>]*>[^<]`, `(?i)<base`, `(?i)<iframe`} {
			if found := regexp.MustCompile(bad).FindString(page); found != "" {
				t.Errorf("%s: %q is inline code", name, found)
			}
		}
		if n := strings.Count(page, "<script"); n != 1 {
			t.Errorf("%s: %d scripts, want one", name, n)
		}
	}
}

func TestNothingFromElsewhere(t *testing.T) {
	texts := everyPage(t)
	entries, err := embedded.ReadDir("static")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		content, err := embedded.ReadFile("static/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		texts[e.Name()] = string(content)
	}
	reference := regexp.MustCompile(`(?i)(?:href|src|action|data-[a-z]+)\s*=\s*"(?:[a-z]+:)?//[^"]*"|url\([^)]*\)|@import[^;]*`)
	absolute := regexp.MustCompile(`(?i)https?://[^\s"'<]+`)
	for name, content := range texts {
		if found := reference.FindString(content); found != "" {
			t.Errorf("%s refers to %q", name, found)
		}
		for _, u := range absolute.FindAllString(content, -1) {
			// The name of SVG's namespace is fetched by nobody; targets are text on the page.
			if u != "http://www.w3.org/2000/svg" && !strings.HasPrefix(u, "http://127.0.0.1:91") {
				t.Errorf("%s holds %q", name, u)
			}
		}
	}
}

func TestStaticFilesAreCached(t *testing.T) {
	h := newFixture().server(t)
	_, page := ask(t, h, "GET", "/", "")
	urls := regexp.MustCompile(`"(/static/[a-z]+\.[0-9a-f]{12}\.(css|js|svg))"`).FindAllStringSubmatch(page, -1)
	if len(urls) != 3 {
		t.Fatalf("the page names %d static files, want style, script and icon", len(urls))
	}
	kinds := map[string]string{"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
	for _, u := range urls {
		resp, body := ask(t, h, "GET", u[1], "")
		if resp.StatusCode != 200 || body == "" || !strings.HasPrefix(resp.Header.Get("Content-Type"), kinds[u[2]]) {
			t.Errorf("%s: %d %v", u[1], resp.StatusCode, resp.Header)
		}
		if !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s may not be kept: %q", u[1], resp.Header.Get("Cache-Control"))
		}
	}
}

func TestFragmentIsThePagesLivePart(t *testing.T) {
	f := newFixture()
	h := f.server(t)
	for page, fragment := range map[string]string{
		"/":                            "/fragment",
		"/?state=burning&q=sepa":       "/fragment?q=sepa&state=burning",
		"/slo/card-auth-availability":  "/slo/card-auth-availability/fragment?range=6h&window=1h",
		"/slo/ledger-freshness?range=": "/slo/ledger-freshness/fragment?range=6h&window=1h",
	} {
		_, whole := ask(t, h, "GET", page, "")
		_, part := ask(t, h, "GET", fragment, "")
		if mainOf(whole) == "" || strings.TrimSpace(part) != mainOf(whole) {
			t.Errorf("%s and the live part of %s differ", fragment, page)
		}
		named := regexp.MustCompile(`data-fragment="([^"]*)"`).FindStringSubmatch(whole)
		if got := strings.ReplaceAll(named[1], "&amp;", "&"); got != fragment {
			t.Errorf("%s asks for %q again, want %q", page, got, fragment)
		}
	}
	if _, part := ask(t, h, "GET", "/fragment", ""); !strings.Contains(part, `data-refresh-ms="2000"`) {
		t.Error("the page is not told how often to ask")
	}
	d := f.deps()
	d.Refresh = 300 * time.Millisecond
	s, err := New(d)
	if err != nil {
		t.Fatal(err)
	}
	if _, part := ask(t, s.Handler(), "GET", "/fragment", ""); !strings.Contains(part, `data-refresh-ms="300"`) {
		t.Error("a faster refresh is not passed on")
	}
}

func TestHostileNames(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>' {{.}}`
	f := newFixture()
	st := f.statuses[1]
	st.Name, st.DisplayName, st.Service, st.Reason, st.Window = evil, evil, evil, evil, evil
	st.Tiers = append([]slo.TierStatus{{Name: evil, Severity: evil, Why: evil, Firing: true, LongWindow: evil, Factor: 1}}, st.Tiers...)
	f.statuses = append(f.statuses, st)
	f.actions[1].ID, f.actions[1].Hook, f.actions[1].Service, f.actions[1].Reasons = evil, evil, evil, []string{evil}
	f.actions[1].Objective, f.actions[1].Error = evil, evil
	f.changes = append(f.changes, hooks.Change{ID: evil, Service: evil, Kind: evil, Revision: evil, Author: evil, Summary: evil, At: f.now.Add(-time.Minute)})
	f.problems[0].Message, f.problems[0].Subject = evil, evil
	f.settlement = Settlement{Rails: []Rail{{Name: evil, Title: evil, Open: Pile{1, []string{evil}}, NextCutOff: f.now, CutOff: evil, Anomalies: []string{evil}}}, Unmapped: []UnmappedCode{{evil, 1}}}
	h := f.server(t)
	_, page := ask(t, h, "GET", "/", "")
	link := regexp.MustCompile(`href="(/slo/%22[^"]*)"`).FindStringSubmatch(page)
	if link == nil {
		t.Fatal("no link to the hostile objective")
	}
	resp, detail := ask(t, h, "GET", link[1], "")
	if resp.StatusCode != 200 {
		t.Fatalf("the link to the hostile objective: %d", resp.StatusCode)
	}
	_, found := ask(t, h, "GET", "/?q=%22%3E%3Cscript%3E", "")
	for name, html := range map[string]string{"list": page, "detail": detail, "search": found} {
		if strings.Contains(html, "<script>alert") || strings.Contains(html, "<img") {
			t.Errorf("%s: a name became markup", name)
		}
		if !strings.Contains(html, "&lt;script&gt;alert(1)") {
			t.Errorf("%s: the name is not shown", name)
		}
		checkSVG(t, html)
	}
}

func TestListShowsWhatMatters(t *testing.T) {
	_, page := ask(t, newFixture().server(t), "GET", "/", "")
	got := text(mainOf(page))
	for _, want := range []string{
		"1 of 5 objectives has spent the error budget",
		"1 is burning, 1 cannot be judged, 2 are within budget.",
		"The agent itself reports 1 problem.",
		"Evaluated 2 s ago",
		"1 action waits for a person to decide.",
		"card-auth-availability card-auth 99.95 % over 30d",
		"SEPA Instant settled in 10 s sepa-instant 99.9 % over 30d",
		"−300 %", "overspent", "12.3 %", "gone in 3 h 20 min",
		"Firing page-1h page-6h ticket-1d ticket-3d began 12 min ago",
		"41 % of the last 30d was observed, 95 % is needed to judge.",
		"5m 40× above page level", "1 h ago", "now",
		"Take card-auth back to v41 , undoing deploy v42 by pipeline",
		"v41 is on record as good for 6 d.",
		"waiting for approval", "denied by the rules", "Your name",
		"2026-11-21 09:48:05 UTC by pipeline: new issuer routing",
		"target down http://127.0.0.1:9103/metrics", "Check that the target runs",
		"Targets up 2 of 3", "Version 1.0.0",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page does not say %q:\n%s", want, got)
		}
	}
	last := -1
	for _, name := range []string{"o-card-auth-availability", "o-sepa-instant-settlement", "o-fix-orders-availability", "o-card-auth-latency", "o-ledger-freshness"} {
		i := strings.Index(page, `id="`+name+`"`)
		if i <= last {
			t.Errorf("%s is not in its place, worst first", name)
		}
		last = i
	}
	if !strings.Contains(page, `id="verdict" aria-live="polite"`) {
		t.Error("the verdict is not announced")
	}
}

func TestDetailShowsWhatMatters(t *testing.T) {
	h := newFixture().server(t)
	_, page := ask(t, h, "GET", "/slo/card-auth-availability?window=5m&range=1h", "")
	got := text(mainOf(page))
	for _, want := range []string{
		"1,234,567", "pending", "observed 99.8 %", "page-1h 14.4×", "spent",
		"deploy v42 by pipeline, 2026-11-21 09:48:05 UTC", "action undo waiting for approval",
		"page-1h firing, began 12 min ago Fires at 14.4× Long window 25.6× over 1h Short window 40× over 5m",
		"Burn rate 25.6 over 1h and 40.0 over 5m, fires at 14.4.",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page does not say %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "batch-size") {
		t.Error("another service's change is shown")
	}
	if !strings.Contains(page, `aria-label="Burn rate of card-auth-availability over 5m from 2026-11-21T09:04:05Z to 2026-11-21T10:04:05Z, up to`) {
		t.Error("the chart does not follow the chosen window and range")
	}
	_, page = ask(t, h, "GET", "/slo/sepa-instant-settlement", "")
	if got := text(page); !strings.Contains(got, "gone in 3 h 20 min 2026-11-21 13:24:05 UTC") {
		t.Errorf("when the budget is gone is not said:\n%s", got)
	}
}

func TestWhoLoggedInNeedNotTypeAName(t *testing.T) {
	_, page := ask(t, newFixture().server(t), "GET", "/", "", func(r *http.Request) { r.SetBasicAuth("anna", "x") })
	if !strings.Contains(text(page), "You decide as anna .") || strings.Contains(page, `name="by"`) {
		t.Error("the forms ask for a name although somebody is logged in")
	}
}

func TestWhatHoldsHooksBackIsShown(t *testing.T) {
	f := newFixture()
	h := f.server(t)
	for name, tc := range map[string]struct {
		set  func()
		says string
		ways []string // in which a person can go on
	}{
		"free":    {func() {}, "Hooks may act within their rules.", []string{"Pause all…"}},
		"paused":  {func() { f.paused = true }, "Paused by anna, 1 h ago : Market close. No hook acts.", []string{"Resume…"}},
		"started": {func() { f.waiting = []string{"undo", "scale-out"} }, "Held since the start. undo, scale-out: no action by itself", []string{"Resume…", "Pause all…"}},
		"demoted": {func() { f.demoted = map[string]string{"undo": "its last action was not verified"} }, "undo has to ask before each action: Its last action was not verified.", []string{"Pause all…"}},
	} {
		f.paused, f.waiting, f.demoted = false, nil, nil
		tc.set()
		_, page := ask(t, h, "GET", "/", "")
		got := text(page)
		if !strings.Contains(got, tc.says) {
			t.Errorf("%s: the page does not say %q", name, tc.says)
		}
		for _, way := range []string{"Resume…", "Pause all…"} {
			if strings.Contains(got, way) != slices.Contains(tc.ways, way) {
				t.Errorf("%s: %q is offered: %v", name, way, strings.Contains(got, way))
			}
		}
	}
}

func TestProblemOfAnObjectiveIsShown(t *testing.T) {
	f := newFixture()
	f.statuses[3].Problem = "target a has the histogram's count but no bucket with le 2"
	f.statuses[3].Observed = true
	h := f.server(t)
	for _, path := range []string{"/", "/slo/fix-orders-availability"} {
		_, page := ask(t, h, "GET", path, "")
		if got := text(page); !strings.Contains(got, "Target a has the histogram's count but no bucket with le 2.") || !strings.Contains(got, "window not full yet") {
			t.Errorf("%s does not say what is wrong", path)
		}
	}
}

func TestEmptyState(t *testing.T) {
	_, page := ask(t, (&fixture{ready: true}).server(t), "GET", "/", "")
	got := text(page)
	for _, want := range []string{"No objectives yet", "slo/card-auth.yaml", "objectives:", "assayer check", "POST /-/reload", "/api/v1/changes"} {
		if !strings.Contains(got, want) {
			t.Errorf("the empty page does not say %q", want)
		}
	}
}

func TestSearchStateAndPages(t *testing.T) {
	f := newFixture()
	for i := range 995 {
		st := f.statuses[0]
		st.Name = fmt.Sprintf("upi-%03d", i)
		f.statuses = append(f.statuses, st)
	}
	h := f.server(t)
	rows := func(path string) (int, string) {
		_, page := ask(t, h, "GET", path, "")
		return strings.Count(page, `<tr role="row" id="o-`), text(page)
	}
	for path, want := range map[string]struct {
		rows int
		says string
	}{
		"/":                          {50, "1 to 50 of 1,000, worst first"},
		"/?page=20":                  {50, "951 to 1,000 of 1,000"},
		"/?page=999":                 {50, "951 to 1,000 of 1,000"},
		"/?page=-1":                  {50, "1 to 50 of"},
		"/?q=UPI-00":                 {10, "Objectives"},
		"/?q=sepa+instant+settled":   {1, "Objectives"},
		"/?state=unknown":            {1, "Unknown"},
		"/?q=upi&state=ok&page=2":    {50, "51 to 100 of 995"},
		"/?q=nothing&state=burning":  {0, "No objective matches “nothing” with state burning. Show all 1,000"},
		"/?state=%3Cscript%3E&page=": {50, "1 to 50 of 1,000"},
	} {
		if n, page := rows(path); n != want.rows || !strings.Contains(page, want.says) {
			t.Errorf("%s: %d rows, want %d and %q on the page", path, n, want.rows, want.says)
		}
	}
	f.histories = 0
	rows("/")
	rows("/fragment")
	if f.histories > pageSize {
		t.Errorf("two looks at one evaluation cost %d looks into the past, want at most %d", f.histories, pageSize)
	}
}

func TestVerdict(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	of := func(states ...slo.State) []slo.Status {
		var out []slo.Status
		for _, s := range states {
			out = append(out, slo.Status{State: s, At: now.Add(-20 * time.Second)})
		}
		return out
	}
	for _, tc := range []struct {
		statuses     []slo.Status
		words, title string
	}{
		{nil, "No objectives yet", "No objectives yet · Assayer"},
		{of(slo.OK), "The objective is within budget", "The objective is within budget · Assayer"},
		{of(slo.OK, slo.OK), "All 2 objectives are within budget", "All 2 objectives are within budget · Assayer"},
		{of(slo.Unknown, slo.OK), "1 of 2 objectives cannot be judged", "1 unknown · Assayer"},
		{of(slo.Burning, slo.Unknown, slo.OK), "1 of 3 objectives is burning", "1 burning · Assayer"},
		{of(slo.Exhausted, slo.Exhausted, slo.Burning), "2 of 3 objectives have spent the error budget", "2 exhausted · Assayer"},
		{of(slo.Burning), "1 of 1 objective is burning", "1 burning · Assayer"},
	} {
		if got := judge(tc.statuses, now); got.Words != tc.words || got.Title() != tc.title || got.Stale {
			t.Errorf("%+v, want %q and %q", got, tc.words, tc.title)
		}
	}
	if got := judge(of(slo.OK), now.Add(time.Hour)); !got.Stale {
		t.Error("an hour-old result passes for new")
	}
}

func TestNumbersForPeople(t *testing.T) {
	for _, tc := range []struct{ got, want string }{
		{percent(0.9995), "99.95 %"}, {percent(0.99), "99 %"}, {percent(1), "100 %"}, {percent(0.999999), "99.9999 %"}, {percent(0), "0 %"},
		{share(1), "100 %"}, {share(0.99999), "99.99 %"}, {share(0.42134), "42.1 %"}, {share(0.1), "10 %"}, {share(0.0512), "5.12 %"},
		{share(0.00001), "<0.01 %"}, {share(0), "0 %"}, {share(-3), "−300 %"}, {share(-0.5), "−50 %"}, {share(-123.456), "−12,346 %"}, {share(-0.00001), "<−0.01 %"},
		{burnText(0), "0"}, {burnText(0.004), "<0.01"}, {burnText(0.04), "0.04"}, {burnText(4), "4"}, {burnText(14.4), "14.4"}, {burnText(2000), "2,000"},
		{count(1234567), "1,234,567"}, {count(999), "999"}, {count(1000), "1,000"}, {count(0), "0"}, {count(12.5), "12.5"}, {count(-1234), "−1,234"}, {count(1e18), "1e+18"},
		{span(0), "0 s"}, {span(59 * time.Second), "59 s"}, {span(200 * time.Second), "3 min"}, {span(200 * time.Minute), "3 h 20 min"},
		{span(50 * time.Hour), "2 d 2 h"}, {span(48 * time.Hour), "2 d"}, {span(400 * 24 * time.Hour), "400 d"},
		{ago(500 * time.Millisecond), "just now"}, {ago(-time.Hour), "just now"}, {ago(20 * time.Second), "20 s ago"},
		{sentence("connection refused"), "Connection refused."}, {sentence("card-auth is down"), "card-auth is down."}, {sentence(" Done! "), "Done!"}, {sentence(""), ""},
	} {
		if got := strings.ReplaceAll(tc.got, "\u00a0", " "); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}

func BenchmarkThousandObjectives(b *testing.B) {
	f := newFixture()
	for i := range 995 {
		st := f.statuses[i%5]
		st.Name = fmt.Sprintf("objective-%03d", i)
		f.statuses = append(f.statuses, st)
	}
	h := f.server(b)
	for b.Loop() {
		f.now = f.now.Add(time.Minute) // a new evaluation each time: nothing is kept
		if resp, _ := ask(b, h, "GET", "/fragment", ""); resp.StatusCode != 200 {
			b.Fatal(resp.Status)
		}
	}
}

// TestBudgetOfWhatWasNeverFedIsNotShown: a whole budget is a claim that nothing stands behind.
func TestBudgetOfWhatWasNeverFedIsNotShown(t *testing.T) {
	f := newFixture()
	f.statuses = f.statuses[3:4]
	f.statuses[0].Events, f.statuses[0].Filled = slo.Events{}, 0
	for _, path := range []string{"/", "/slo/" + f.statuses[0].Name} {
		_, page := ask(t, f.server(t), "GET", path, "")
		if !strings.Contains(page, `<div class="budget unknown"><b>-</b>`) || !strings.Contains(page, "nothing seen yet") {
			t.Errorf("%s shows another budget:\n%s", path, text(mainOf(page)))
		}
	}
}
