// Package exporters says what sending results out means. One folder below this one is one
// destination: exporters/prometheus is scraped, the others push.
package exporters

import (
	"context"

	"github.com/assayer-io/assayer/slo"
)

// Exporter takes the result of one evaluation to one destination. The slice and what it holds must
// not be changed afterwards by either side. Export honours ctx and returns when the statuses are
// delivered, published or given up; it is called by one goroutine at a time.
type Exporter interface {
	Export(ctx context.Context, statuses []slo.Status) error
}
