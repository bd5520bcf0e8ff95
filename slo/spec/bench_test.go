package spec_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/slo/spec"
)

// BenchmarkLoad reads 10,000 objectives in the short form, in files of 100.
func BenchmarkLoad(b *testing.B) {
	var files []spec.File
	for f := range 100 {
		var text strings.Builder
		for i := range 100 {
			fmt.Fprintf(&text, `---
apiVersion: assayer.dev/v1
kind: GoldenSignals
metadata: {name: s%[1]d}
spec:
  errors: {bad: 'requests_total{service="s%[1]d",code="500"}', total: 'requests_total{service="s%[1]d"}', objective: 99.9%%}
`, 100*f+i)
		}
		files = append(files, spec.File{Name: fmt.Sprintf("slo%03d.yaml", f), Data: []byte(text.String())})
	}
	b.ReportAllocs()
	for b.Loop() {
		set, problems := spec.Load(files, spec.Options{})
		if len(set.Objectives) != 10_000 || len(problems) > 0 {
			b.Fatal(len(set.Objectives), problems)
		}
	}
}
