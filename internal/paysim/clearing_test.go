package paysim_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/assayer-io/assayer/internal/paysim"
)

// agent takes events as an agent does, and remembers what they say of each payment.
type agent struct {
	mu       sync.Mutex
	refuse   bool
	accepted map[string]time.Time
	ended    map[string]ending
	wrong    []string
}

type ending struct {
	state, code string
	took        time.Duration
}

func (a *agent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refuse {
		http.Error(w, "too many events are waiting", http.StatusTooManyRequests)
		return
	}
	var events []struct {
		ID, Rail, State, Direction string
		At                         time.Time
		Amount                     struct{ Value, Currency string }
		Reason                     struct{ Code string }
	}
	if err := json.NewDecoder(r.Body).Decode(&events); err != nil {
		a.wrong = append(a.wrong, err.Error())
	}
	for _, e := range events {
		begin, known := a.accepted[e.ID]
		switch {
		case e.Rail != "sct-inst":
			a.wrong = append(a.wrong, "rail "+e.Rail)
		case e.State == "received" && (e.Amount.Value == "" || e.Amount.Currency != "EUR" || e.Direction != "out" || known):
			a.wrong = append(a.wrong, "begins: "+e.ID)
		case e.State == "received":
			a.accepted[e.ID] = e.At
		case !known || a.ended[e.ID] != ending{}:
			a.wrong = append(a.wrong, "ends: "+e.ID)
		default:
			a.ended[e.ID] = ending{e.State, e.Reason.Code, e.At.Sub(begin)}
		}
	}
}

// count sorts what ended, and drops what it returns.
func (a *agent) count() (inTime, late, declined, failed, open int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range a.ended {
		switch {
		case e.state == "settled" && e.took <= 10*time.Second:
			inTime++
		case e.state == "settled":
			late++
		case e.code == "AB05" || e.code == "AB06" || e.code == "AB09" || e.code == "AB10":
			failed++
		case e.state == "rejected" && e.code != "":
			declined++
		default:
			a.wrong = append(a.wrong, e.state+" "+e.code)
		}
	}
	return inTime, late, declined, failed, int64(len(a.accepted) - len(a.ended))
}

// TestSettlementStop: payments are accepted without an error and none completes; then all of them do, late.
func TestSettlementStop(t *testing.T) {
	now := signedAt
	heard := &agent{accepted: map[string]time.Time{}, ended: map[string]ending{}}
	srv := httptest.NewServer(heard)
	defer srv.Close()
	s := start(t, paysim.Options{RatePerSecond: 100, Now: func() time.Time { return now }})
	play := func(seconds int) {
		for range seconds * 10 {
			now = now.Add(100 * time.Millisecond)
			s.Step(t.Context(), 100*time.Millisecond)
		}
	}
	agree := func(when string) paysim.Settled {
		t.Helper()
		inTime, late, declined, failed, open := heard.count()
		got := s.Truth()[1].Settled
		if got.InTime != inTime || got.Late != late || got.Declined != declined || got.Failed != failed || got.Open != open || len(heard.wrong) > 0 {
			t.Errorf("%s: truth is %+v, told were %d in time, %d late, %d declined, %d failed, %d open; wrong: %v", when, got, inTime, late, declined, failed, open, heard.wrong)
		}
		return got
	}
	play(5)
	if got := agree("before anybody listens"); got != (paysim.Settled{Rail: "sct-inst"}) {
		t.Errorf("counts before anybody listens: %+v", got)
	}
	s.TellTo(srv.URL)
	play(20)
	if got := agree("on a good day"); got.InTime < 200 || got.Declined == 0 || got.Late != 0 || got.Open > 200 {
		t.Errorf("a good day: %+v", got)
	}
	if err := s.SetFaults("instant-transfer", paysim.Faults{SettlementStop: true}); err != nil {
		t.Fatal(err)
	}
	before, settled := s.Truth()[1], agree("as it stops")
	play(20)
	after := s.Truth()[1]
	if got := agree("stopped"); got.InTime != settled.InTime || got.Late != 0 || got.Failed != 0 || got.Open < 200 {
		t.Errorf("while settlement stands still: %+v", got)
	}
	if after.Outcomes["accepted"]-before.Outcomes["accepted"] < 200 || after.Outcomes["technical"] != before.Outcomes["technical"] {
		t.Errorf("the service itself: %v, before %v", after.Outcomes, before.Outcomes)
	}
	if err := s.SetFaults("instant-transfer", paysim.Faults{}); err != nil {
		t.Fatal(err)
	}
	heard.refuse = true
	play(2)
	heard.refuse = false
	play(12)
	// Half of the 20 s were accepted 10 s and more before the end of the stop.
	if got := agree("resumed"); got.Late < 100 || got.Late > 400 || got.LateMinor < got.Late || got.Open > 200 {
		t.Errorf("afterwards: %+v", got)
	}
}

func TestOnlyWhatSettlesCanStop(t *testing.T) {
	s := start(t, paysim.Options{})
	if code, answer := post(t, s.AdminURL()+"/faults", `{"service":"card-auth","settlement_stop":true}`); code != http.StatusBadRequest {
		t.Errorf("%d %s", code, answer)
	}
}
