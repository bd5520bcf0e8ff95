package prometheus

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/discovery/targetgroup"
)

// pool is one scrape config with what its targets share.
type pool struct {
	cfg       ScrapeConfig
	interval  time.Duration
	timeout   time.Duration
	bodyLimit int64 // bytes
	maxWanted int   // series of one target
	accept    string
	native    string // Accept header when native histograms are wanted
	renames   bool   // metric_relabel_configs can change names
	client    *http.Client
	scratches *scratches
	revision  string
}

func newPool(c *Config, sc ScrapeConfig, scratches *scratches, revision string) (*pool, error) {
	client, err := promconfig.NewClientFromConfig(sc.HTTPClient, sc.JobName)
	if err != nil {
		return nil, fmt.Errorf("making the HTTP client of job %s: %w", sc.JobName, err)
	}
	p := &pool{
		cfg: sc, interval: sc.interval(c), timeout: sc.timeout(c), bodyLimit: int64(sc.BodySizeLimit), maxWanted: max(maxWanted, int(sc.SampleLimit)),
		accept: acceptHeader(sc.ScrapeProtocols), renames: renames(sc.MetricRelabelConfigs),
		client: client, scratches: scratches, revision: revision,
	}
	if p.bodyLimit == 0 {
		p.bodyLimit = defaultBodySizeLimit
	}
	p.native = p.accept // what is written counts
	if len(sc.ScrapeProtocols) == 0 {
		p.accept = acceptHeader(defaultProtocols())
		p.native = acceptHeader(append([]ScrapeProtocol{PrometheusProto}, defaultProtocols()...))
	}
	return p, nil
}

// bounded makes the targets of a pool and, when there are more than the limit, keeps as many as
// the limit allows and says that all must fail, as Prometheus has it.
func (p *pool) bounded(groups []*targetgroup.Group) (ts []target, over, broken error) {
	ts, broken = p.targets(groups)
	limit := int(p.cfg.TargetLimit)
	if limit == 0 {
		limit = defaultTargetLimit
	}
	if len(ts) > limit {
		over = fmt.Errorf("job %s has %d targets, above target_limit %d", p.cfg.JobName, len(ts), limit)
		slices.SortFunc(ts, func(a, b target) int { return strings.Compare(string(a.id), string(b.id)) })
		ts = ts[:limit]
	}
	return ts, over, broken
}
