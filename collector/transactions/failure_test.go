package transactions

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/collector/transactions/journal"
	"github.com/assayer-io/assayer/slo/reason"
)

// A transaction that the disk refuses leaves nothing behind: told again, all of it counts once.
func TestDiskRefuses(t *testing.T) {
	r := newRig(t, func(rules *Rules) {
		rules.Config.Reconcile = map[string]time.Duration{"sct-inst": time.Hour}
		rules.Reporting = "EUR"
	})
	r.put(r.event("before", "sct-inst", "received"))
	refused := strings.Repeat("x", 2<<20) // no position is so long
	begin, end, outside := r.event("a", "sct-inst", "received"), r.event("a", "sct-inst", "rejected"), r.event("before", "sct-inst", "settled")
	begin.Parties, begin.Counterparty = "anna>ben", "NEWBANKX"
	end.Reason, outside.External = reason.Key{Code: "ZZ99"}, true
	batch := Batch{Events: []Event{begin, end, outside}, Source: "feed", Position: refused}
	before := fmt.Sprint(r.counts())
	for range 3 {
		if _, err := r.try(batch); err == nil {
			t.Fatal("the disk takes everything")
		}
		if after := fmt.Sprint(r.counts()); after != before || len(r.Unmapped()) != 0 || r.Position("feed") != "" {
			t.Fatalf("%s became %s, %v", before, after, r.Unmapped())
		}
	}
	batch.Position = "1"
	if _, err := r.try(batch); err != nil {
		t.Fatal(err)
	}
	r.shows(total("sct-inst", "technical_unknown", "excluded", "bad", 1), gauge("open", "sct-inst", 1))
	if got := r.Unmapped(); len(got) != 1 || got[0].Count != 1 {
		t.Errorf("unmapped: %+v", got)
	}
}

// More than the journal takes at once is refused as a whole, and told so: nothing of it counts.
func TestMoreThanOneTransaction(t *testing.T) {
	r := newRig(t, nil)
	r.put(r.event("before", "sct-inst", "received"))
	events := make([]Event, 1<<16+1)
	for i := range events {
		events[i] = r.event(fmt.Sprint("a", i), "sct-inst", "received")
	}
	if _, err := r.try(Batch{Events: events}); !errors.Is(err, journal.ErrTooMuch) {
		t.Fatalf("got %v, want %v", err, journal.ErrTooMuch)
	}
	r.shows(gauge("open", "sct-inst", 1))
	if _, err := r.try(Batch{Events: events[:10]}); err != nil {
		t.Fatal(err)
	}
	r.shows(gauge("open", "sct-inst", 11))
}

// Whatever identifies a payment or a person shows nowhere, even when it is told in the wrong place.
func TestIdentifiersShowNowhere(t *testing.T) {
	canaries := []string{"eb6305c9-1f7f-49de-aed0-16487c27b42d", "DE89370400440532013000", "4111111111111111", "Anna Canary", "E2E-20261120-4711"}
	var log bytes.Buffer
	r := newRig(t, nil)
	r.log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var shown strings.Builder
	for _, c := range canaries {
		for i := range 14 {
			e := r.event("x", "sct-inst", "received")
			fields := []*string{&e.ID, &e.UETR, &e.EndToEndID, &e.Reference, &e.Rail, &e.State, &e.Amount, &e.Currency, &e.Direction, &e.Role, &e.Counterparty, &e.Parties, &e.Reason.Code, &e.Reason.List}
			if *fields[i] = c; i >= 12 {
				e.ID, e.State = c, "rejected"
				e.Reason.Code += "9"
			}
			e.Original = &Event{ID: c, EndToEndID: c}
			for _, rejected := range r.put(e).Rejected {
				fmt.Fprintln(&shown, rejected.Err)
			}
		}
	}
	r.tick(time.Minute)
	_, _ = r.try(Batch{Events: []Event{r.event(canaries[0], "sct-inst", "received")}, Source: "feed", Position: strings.Repeat("x", 2<<20)})
	for _, m := range r.Metrics() {
		fmt.Fprintln(&shown, m)
	}
	must(t, json.NewEncoder(&shown).Encode([]any{r.Summaries(), r.Unmapped()}))
	all := shown.String() + log.String()
	r.close()
	files, err := filepath.Glob(filepath.Join(r.dir, "*"))
	must(t, err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		must(t, err)
		all += string(data)
	}
	r.open()
	for _, c := range canaries {
		if strings.Contains(strings.ToLower(all), strings.ToLower(c)) {
			i := strings.Index(strings.ToLower(all), strings.ToLower(c))
			t.Errorf("%s shows: …%.80q", c, all[max(0, i-40):])
		}
	}
}

// One movement whose record the disk gives back otherwise than it was written stops nothing but itself: deadlines
// fire and events are taken of all others, it is counted, and what is told of it is refused.
func TestDamagedRecord(t *testing.T) {
	r := newRig(t, nil)
	for _, id := range []string{"a", "b", "c"} {
		r.put(r.event(id, "sct-inst", "received"))
	}
	r.close()
	r.open()
	f, err := os.OpenFile(filepath.Join(r.dir, "slots"), os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	_, err = f.WriteAt([]byte{0xff}, 2*128+60) // in the second record
	must(t, err)
	got := r.put(r.event("b", "sct-inst", "settled"), r.event("c", "sct-inst", "settled"))
	if len(got.Rejected) != 1 || got.Rejected[0].Index != 0 || !strings.Contains(got.Rejected[0].Err.Error(), "damaged") {
		t.Errorf("%+v", got)
	}
	r.tick(time.Minute)
	r.put(r.event("d", "sct-inst", "received"))
	r.shows(total("sct-inst", "good", "good", "good", 1), total("sct-inst", "late", "bad", "bad", 1), gauge("open", "sct-inst", 3), gauge("overdue", "sct-inst", 1))
	if r.Damaged() != 1 {
		t.Errorf("%d are damaged", r.Damaged())
	}
	r.tick(time.Minute) // and again, without end
	if n := r.counts()["assayer_transactions_damaged{}"]; n != 1 {
		t.Errorf("the series says %v", n)
	}
}

// A counter that begins while a look at it is under way began no later than the look, for the engine as well: else what
// it has counted by then would count for nothing.
func TestCounterThatBeginsDuringALook(t *testing.T) {
	r := newRig(t, nil)
	p := NewProvider(r.Tracker, time.Minute)
	p.SetInterest(collector.Interest{AllNames: true, Match: func(ls labels.Labels) bool {
		return ls.Get("class") == "good" && ls.Get("__name__") == "assayer_transactions_total"
	}})
	begun := r.clock
	r.clock = begun.Add(2 * time.Second)
	r.put(r.event("a", "sct-inst", "received"), r.event("a", "sct-inst", "settled"))
	for range 3 {
		p.Collect(t.Context(), begun, func(c collector.Cycle) {
			if len(c.Samples) != 1 || c.Samples[0].Value != 1 || c.Samples[0].FromMs != noon.UnixMilli() {
				t.Errorf("at %s: %+v", begun, c.Samples)
			}
		})
		begun = begun.Add(time.Minute)
	}
}
