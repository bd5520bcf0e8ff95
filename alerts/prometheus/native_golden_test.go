package prometheus

import (
	"testing"
	"time"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/internal/testkit/golden"
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
	golden.Want(t, *update, "testdata/native/native-card-auth.yaml", Encode(files[0]))
}
