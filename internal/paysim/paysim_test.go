package paysim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/assayer-io/assayer/internal/paysim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMetricsEqualTheTruth(t *testing.T) {
	s := start(t, paysim.Options{RatePerSecond: 300})
	if err := s.SetFaults("instant-transfer", paysim.Faults{TechnicalRatio: .1, LatencyFactor: 3}); err != nil {
		t.Fatal(err)
	}
	s.Step(t.Context(), 10*time.Second)
	limits := map[string]float64{"card-auth": 2, "instant-transfer": 10, "crypto-withdrawal": 300}
	histograms := map[string]string{
		"card-auth": "card_auth_seconds", "instant-transfer": "instant_transfer_seconds", "crypto-withdrawal": "crypto_withdrawal_broadcast_seconds",
	}
	for i, tally := range truth(t, s) {
		name := tally.Service
		prefix := strings.ReplaceAll(name, "-", "_")
		families := scrape(t, s.Services()[i].Address)
		if got, want := sumBy(families[prefix+"_total"], "outcome"), nonZero(maps.Clone(tally.Outcomes)); !maps.Equal(got, want) {
			t.Errorf("%s: metrics say %v, truth is %v", name, got, want)
		}
		want := map[string]int64{}
		for outcome, amounts := range tally.AmountMinor {
			for currency, minor := range amounts {
				want[outcome+"/"+currency] = minor
			}
		}
		if got := sumBy(families[prefix+"_amount_minor_total"], "outcome", "currency"); !maps.Equal(got, want) {
			t.Errorf("%s: metrics say amounts of %v, truth is %v", name, got, want)
		}
		h := families[histograms[name]].GetMetric()[0].GetHistogram()
		if int64(h.GetSampleCount()) != tally.Answered() {
			t.Errorf("%s: histogram has %d, truth is %d", name, h.GetSampleCount(), tally.Answered())
		}
		fast := int64(-1)
		for _, b := range h.GetBucket() {
			if b.GetUpperBound() == limits[name] {
				fast = int64(b.GetCumulativeCount())
			}
		}
		if fast != tally.Answered()-tally.Slow {
			t.Errorf("%s: bucket le=%g has %d, truth is %d of %d", name, limits[name], fast, tally.Answered()-tally.Slow, tally.Answered())
		}
		if tally.Unanswered != 0 || tally.Answered() == 0 {
			t.Errorf("%s: %d answered, %d unanswered", name, tally.Answered(), tally.Unanswered)
		}
	}
}

func TestEqualSeedsGiveEqualPayments(t *testing.T) {
	var runs []string
	for _, seed := range []uint64{1, 1, 2} {
		s := start(t, paysim.Options{Seed: seed})
		for range 20 { // the length of a step makes no difference as long as it is whole ticks
			s.Step(t.Context(), 300*time.Millisecond)
		}
		runs = append(runs, fmt.Sprint(s.Truth()))
	}
	if runs[0] != runs[1] {
		t.Errorf("same seed, other payments:\n%s\n%s", runs[0], runs[1])
	}
	if runs[0] == runs[2] {
		t.Error("another seed gave the same payments")
	}
}

func TestTrafficFollowsTheDay(t *testing.T) {
	perSecond := func(hour time.Duration) float64 {
		s := start(t, paysim.Options{RatePerSecond: 200, Speed: 1, TimeOfDay: hour * time.Hour})
		s.Step(t.Context(), 10*time.Second)
		var n int64
		for _, tally := range s.Truth() {
			n += tally.Answered()
		}
		return float64(n) / 10
	}
	night, noon, afternoon := perSecond(3), perSecond(11), perSecond(15)
	if !(night < 0.6*noon && noon < afternoon) {
		t.Errorf("at 3, 11 and 15 o'clock: %.0f, %.0f, %.0f a second", night, noon, afternoon)
	}
	// A whole day has the mean that was asked for: 24 hours in 24 seconds, 200 a second, and a
	// standard deviation of about 70 of 4800.
	s := start(t, paysim.Options{RatePerSecond: 200, Speed: 3600})
	s.Step(t.Context(), 24*time.Second)
	var day int64
	for _, tally := range s.Truth() {
		day += tally.Answered()
	}
	if math.Abs(float64(day)-4800) > 350 {
		t.Errorf("a day has %d payments, want about 4800", day)
	}
}

func TestDeclinesStandBesideFaults(t *testing.T) {
	s := start(t, paysim.Options{RatePerSecond: 400})
	s.Step(t.Context(), 20*time.Second)
	card := truth(t, s)[0]
	declined := float64(card.Outcomes["business"]) / float64(card.Answered())
	if declined < .06 || declined > .12 {
		t.Errorf("%.3f of card payments are business declines", declined)
	}
	if faults := float64(card.Outcomes["technical"]) / float64(card.Answered()); faults > .005 {
		t.Errorf("%.4f of card payments fail on a good day", faults)
	}
	// Reasons never cross over: 51 is the customer's, 91 is not.
	classes := map[string]string{}
	for key := range sumBy(scrape(t, s.Services()[0].Address)["card_auth_total"], "reason", "outcome") {
		reason, outcome, _ := strings.Cut(key, "/")
		if other, ok := classes[reason]; ok && other != outcome {
			t.Errorf("reason %s is both %s and %s", reason, outcome, other)
		}
		classes[reason] = outcome
	}
	if classes["51"] != "business" || classes["00"] != "approved" {
		t.Errorf("reasons are %v", classes)
	}
}

func deployBad(t *testing.T, s *paysim.Simulator) {
	t.Helper()
	code, answer := post(t, s.AdminURL()+"/deploy", `{"service":"card-auth","revision":"v2","technical_ratio":0.25}`)
	if code != http.StatusOK {
		t.Fatalf("deploying answered %d %s", code, answer)
	}
}

func technicalRatio(t *testing.T, s *paysim.Simulator, d time.Duration) float64 {
	t.Helper()
	before := s.Truth()[0]
	s.Step(t.Context(), d)
	after := s.Truth()[0]
	return float64(after.Outcomes["technical"]-before.Outcomes["technical"]) / float64(after.Answered()-before.Answered())
}

func rollback(t *testing.T, s *paysim.Simulator, key, revision string) (int, string) {
	t.Helper()
	body := fmt.Sprintf(`{"id":%q,"service":"card-auth","to_revision":%q,"state":"running"}`, key, revision)
	return post(t, s.AdminURL()+"/rollback", body,
		"X-Assayer-Signature", sign([]byte("between us"), signedAt.Unix(), []byte(body)), "Idempotency-Key", key)
}

func TestBadRevisionAndRollback(t *testing.T) {
	s := start(t, paysim.Options{RatePerSecond: 300, RolloutTime: 2 * time.Second})
	deployBad(t, s)
	s.Step(t.Context(), time.Second)
	if got := strings.Join(s.Services()[0].Revisions, " "); got != "v2 v2 v1 v1" {
		t.Errorf("half-way through the rollout there is %s", got)
	}
	info := scrape(t, s.Services()[0].Address)["build_info"].GetMetric()
	if len(info) != 2 {
		t.Errorf("build_info has %d revisions, want both", len(info))
	}
	s.Step(t.Context(), time.Second)
	if r := technicalRatio(t, s, 5*time.Second); r < .2 || r > .3 {
		t.Errorf("the bad revision fails %.3f of payments, want about 0.25", r)
	}
	if other := s.Truth()[1]; float64(other.Outcomes["technical"]) > .01*float64(other.Answered()) {
		t.Errorf("instant transfers suffer from a card release: %v", other.Outcomes)
	}
	if code, answer := rollback(t, s, "action-1", "v1"); code != http.StatusAccepted || !strings.Contains(answer, `"revision":"v1"`) {
		t.Fatalf("rollback answered %d %s", code, answer)
	}
	s.Step(t.Context(), 2*time.Second)
	if got := strings.Join(s.Services()[0].Revisions, " "); got != "v1 v1 v1 v1" {
		t.Errorf("after the rollback there is %s", got)
	}
	if r := technicalRatio(t, s, 5*time.Second); r > .01 {
		t.Errorf("after the rollback %.3f of payments fail", r)
	}
}

func TestRollbackActsOnceForAKey(t *testing.T) {
	s := start(t, paysim.Options{})
	deployBad(t, s)
	_, first := rollback(t, s, "action-1", "v1")
	s.Step(t.Context(), 2*time.Second)
	deployBad(t, s) // somebody deploys again; a late copy of the call must not undo that
	s.Step(t.Context(), 2*time.Second)
	code, second := rollback(t, s, "action-1", "v1")
	s.Step(t.Context(), 2*time.Second)
	if code != http.StatusAccepted || first != second {
		t.Errorf("the copy got %d %s, the call %s", code, second, first)
	}
	if got := s.Services()[0].Revisions[0]; got != "v2" {
		t.Errorf("the copy rolled back again, to %s", got)
	}
}

func TestRollbackRefusals(t *testing.T) {
	s := start(t, paysim.Options{})
	deployBad(t, s)
	s.Step(t.Context(), 2*time.Second)
	body := `{"service":"card-auth","to_revision":"v1"}`
	secret := []byte("between us")
	tests := map[string]struct {
		body, header, key string
		want              int
	}{
		"another secret":   {body, sign([]byte("guess"), signedAt.Unix(), []byte(body)), "k", http.StatusUnauthorized},
		"another body":     {body, sign(secret, signedAt.Unix(), []byte("{}")), "k", http.StatusUnauthorized},
		"no signature":     {body, "", "k", http.StatusUnauthorized},
		"replayed later":   {body, sign(secret, signedAt.Unix()-3600, []byte(body)), "k", http.StatusUnauthorized},
		"no key":           {body, sign(secret, signedAt.Unix(), []byte(body)), "", http.StatusBadRequest},
		"not JSON":         {"v1", sign(secret, signedAt.Unix(), []byte("v1")), "k", http.StatusBadRequest},
		"unknown service":  {`{"service":"x"}`, sign(secret, signedAt.Unix(), []byte(`{"service":"x"}`)), "k", http.StatusNotFound},
		"unknown revision": {`{"service":"card-auth"}`, sign(secret, signedAt.Unix(), []byte(`{"service":"card-auth"}`)), "k", http.StatusNotFound},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			code, answer := post(t, s.AdminURL()+"/rollback", tt.body, "X-Assayer-Signature", tt.header, "Idempotency-Key", tt.key)
			if code != tt.want {
				t.Errorf("answered %d %s, want %d", code, answer, tt.want)
			}
			s.Step(t.Context(), time.Second)
			if got := s.Services()[0].Revisions[0]; got != "v2" {
				t.Errorf("rolled back to %s all the same", got)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	s := start(t, paysim.Options{RatePerSecond: 200})
	card := s.Services()[0].Address
	faults := func(f string) {
		t.Helper()
		if code, answer := post(t, s.AdminURL()+"/faults", `{"service":"card-auth",`+f+`}`); code != http.StatusOK {
			t.Fatalf("setting %s answered %d %s", f, code, answer)
		}
	}
	count := func() int64 { return s.Truth()[0].Answered() }

	s.Step(t.Context(), 20*time.Second)
	calm := scrape(t, card)["card_auth_inflight_ratio"].GetMetric()[0].GetGauge().GetValue()
	faults(`"latency_factor":4`)
	s.Step(t.Context(), 20*time.Second)
	loaded := scrape(t, card)["card_auth_inflight_ratio"].GetMetric()[0].GetGauge().GetValue()
	if calm <= 0 || calm >= .6 || loaded < 2*calm {
		t.Errorf("in-flight ratio is %.2f on a good day and %.2f when slow", calm, loaded)
	}

	faults(`"drop_traffic":true`)
	before := count()
	s.Step(t.Context(), time.Second)
	if count() != before || s.Truth()[0].Unanswered != 0 {
		t.Error("dropped traffic arrived")
	}

	faults(`"down":true`)
	s.Step(t.Context(), time.Second)
	if count() != before || s.Truth()[0].Unanswered == 0 {
		t.Errorf("a dead service answered, or nobody noticed: %+v", s.Truth()[0])
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if resp, err := client.Get("http://" + card + "/metrics"); err == nil {
		resp.Body.Close()
		t.Errorf("a dead service was scraped: %s", resp.Status)
	}

	faults(`"down":false`)
	s.Step(t.Context(), time.Second)
	if count() == before {
		t.Error("the service did not come back")
	}
}

func TestRestartBeginsTheCountersAgain(t *testing.T) {
	s := start(t, paysim.Options{RatePerSecond: 200})
	s.Step(t.Context(), 2*time.Second)
	before := s.Truth()[0].Answered()
	if code, answer := post(t, s.AdminURL()+"/restart", `{"service":"card-auth"}`); code != http.StatusOK {
		t.Fatalf("restarting answered %d %s", code, answer)
	}
	s.Step(t.Context(), time.Second)
	var since int64
	for _, n := range sumBy(scrape(t, s.Services()[0].Address)["card_auth_total"], "outcome") {
		since += n
	}
	if since == 0 || since != s.Truth()[0].Answered()-before {
		t.Errorf("counters say %d since the restart, truth went from %d to %d", since, before, s.Truth()[0].Answered())
	}
}

func TestOpenMetricsTellsWhenCountersBegan(t *testing.T) {
	s := start(t, paysim.Options{})
	s.Step(t.Context(), 2*time.Second)
	_, body, header := get(t, "http://"+s.Services()[0].Address+"/metrics", "Accept", "application/openmetrics-text;version=1.0.0")
	if !strings.HasPrefix(header.Get("Content-Type"), "application/openmetrics-text") {
		t.Errorf("content type is %s", header.Get("Content-Type"))
	}
	for _, want := range []string{"card_auth_created{", "card_auth_seconds_created ", "# EOF"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in the exposition", want)
		}
	}
}

func TestBadRequestsToAdmin(t *testing.T) {
	s := start(t, paysim.Options{})
	tests := map[string]struct {
		path, body string
		want       int
	}{
		"unknown service":  {"/deploy", `{"service":"x","revision":"v2"}`, http.StatusNotFound},
		"no revision":      {"/deploy", `{"service":"card-auth"}`, http.StatusBadRequest},
		"ratio above 1":    {"/faults", `{"service":"card-auth","technical_ratio":2}`, http.StatusBadRequest},
		"misspelt field":   {"/faults", `{"service":"card-auth","donw":true}`, http.StatusBadRequest},
		"restart of none":  {"/restart", `{"service":""}`, http.StatusNotFound},
		"endless revision": {"/deploy", `{"service":"card-auth","revision":"` + strings.Repeat("v", 101) + `"}`, http.StatusBadRequest},
	}
	for name, tt := range tests {
		if code, answer := post(t, s.AdminURL()+tt.path, tt.body); code != tt.want {
			t.Errorf("%s: answered %d %s, want %d", name, code, answer, tt.want)
		}
	}
	if _, err := paysim.Start(t.Context(), paysim.Options{}); err == nil {
		t.Error("started without a way to check signatures")
	}
}

func TestDrivesItselfUntilClosed(t *testing.T) {
	s, err := paysim.Start(t.Context(), paysim.Options{RatePerSecond: 500, Verify: verify})
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.After(20 * time.Second)
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for s.Truth()[0].Answered() < 20 {
		select {
		case <-deadline:
			t.Fatal("no payments within 20 s")
		case <-poll.C:
		}
	}
	addr := s.Services()[0].Address
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if resp, err := client.Get("http://" + addr + "/metrics"); err == nil {
		resp.Body.Close()
		t.Error("still serving after Close")
	}
}

// Whatever arrives as a payment, labels stay within the known set.
func FuzzPayment(f *testing.F) {
	f.Add([]byte(`{"by":"visa","currency":"EUR","amount_minor":1}`))
	f.Add([]byte(`{"by":"x","currency":"EUR","amount_minor":1}`))
	f.Add([]byte(`{"by":"visa","currency":"XXX","amount_minor":-1}`))
	f.Add([]byte(`{`))
	s, err := paysim.Start(f.Context(), paysim.Options{Manual: true, Verify: verify})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close(context.Background()) })
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	url := "http://" + s.Services()[0].Address + "/payments"
	f.Fuzz(func(t *testing.T, body []byte) {
		before := s.Truth()[0].Answered()
		resp, err := client.Post(url, "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		var p struct {
			By       string `json:"by"`
			Currency string `json:"currency"`
			Amount   int64  `json:"amount_minor"`
		}
		_ = json.NewDecoder(bytes.NewReader(body)).Decode(&p)
		known := (p.By == "visa" || p.By == "mastercard" || p.By == "maestro") && (p.Currency == "EUR" || p.Currency == "GBP") && p.Amount > 0
		answered := s.Truth()[0].Answered()-before == 1
		if answered == (resp.StatusCode == http.StatusBadRequest) || answered && !known {
			t.Errorf("%s answered %s, counted: %v", body, resp.Status, answered)
		}
	})
}
