package prometheus

import (
	"os"
	"testing"
	"time"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/spec"
)

// TestGoldenNative shows in review what a change does to the rules of a service.
func TestGoldenNative(t *testing.T) {
	set, problems := spec.LoadGlobs([]string{"testdata/native/objectives.yaml"}, "", spec.Options{ScrapeInterval: 15 * time.Second})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	var objs []alerts.Objective
	for _, o := range set.Objectives {
		objs = append(objs, alerts.Objective{Objective: o, Tiers: slo.TiersFor(o.Window.Length, 0, nil)})
	}
	files, refused := Native(objs, alerts.Options{})
	if len(files) != 1 || len(refused) != 0 {
		t.Fatalf("got %d files and refused %v, want the one of the service", len(files), refused)
	}
	const golden = "testdata/native/native-card-auth.yaml"
	got := Encode(files[0])
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("rules differ from %s (refresh with -update):\n%s", golden, got)
	}
}
