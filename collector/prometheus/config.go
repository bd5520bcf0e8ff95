package prometheus

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/units"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery"
	sddns "github.com/prometheus/prometheus/discovery/dns"
	sdfile "github.com/prometheus/prometheus/discovery/file"
	sdhttp "github.com/prometheus/prometheus/discovery/http"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
)

// Config is the section collectors.prometheus of the agent file. Its scrape_configs are
// Prometheus' own, key for key; what this version does not do is refused by name.
type Config struct {
	ScrapeConfigs []ScrapeConfig `yaml:"scrape_configs"`

	// ScrapeInterval and ScrapeTimeout stand in where a scrape config sets none; they come from the
	// agent file's global section. A timeout of 0 means 10s or the interval, whichever is shorter.
	ScrapeInterval time.Duration `yaml:"-"`
	ScrapeTimeout  time.Duration `yaml:"-"`
	// ExtraDiscovery adds kinds of discovery this package does not know, by their YAML key
	// ("kubernetes_sd_configs").
	ExtraDiscovery map[string]DiscoveryKind `yaml:"-"`
}

// DiscoveryKind reads one entry of the list under a discovery kind's key.
type DiscoveryKind func(strictyaml.Node) (discovery.Config, problem.List)

// ScrapeConfig is one of Prometheus' scrape configs. In code, start from DefaultScrapeConfig.
type ScrapeConfig struct {
	JobName                string           `yaml:"job_name"`
	HonorLabels            bool             `yaml:"honor_labels"`
	HonorTimestamps        bool             `yaml:"honor_timestamps"`
	Params                 url.Values       `yaml:"params"`
	ScrapeInterval         model.Duration   `yaml:"scrape_interval"`
	ScrapeTimeout          model.Duration   `yaml:"scrape_timeout"`
	ScrapeProtocols        []ScrapeProtocol `yaml:"scrape_protocols"`
	FallbackScrapeProtocol ScrapeProtocol   `yaml:"fallback_scrape_protocol"`
	MetricsPath            string           `yaml:"metrics_path"`
	Scheme                 string           `yaml:"scheme"`
	// EnableCompression asks for gzip. When it is not written, targets on a loopback address are
	// asked for plain text, which costs about a third of the CPU, and all others for gzip.
	EnableCompression *bool `yaml:"enable_compression"`

	BodySizeLimit         units.Base2Bytes `yaml:"body_size_limit"`          // after decompression; 0: 256 MiB
	SampleLimit           uint             `yaml:"sample_limit"`             // 0: only the bound of 200,000 wanted series, which a larger limit raises
	LabelLimit            uint             `yaml:"label_limit"`              // 0: none
	LabelNameLengthLimit  uint             `yaml:"label_name_length_limit"`  // bytes; 0: none
	LabelValueLengthLimit uint             `yaml:"label_value_length_limit"` // bytes; 0: none
	TargetLimit           uint             `yaml:"target_limit"`             // 0: 10,000

	HTTPClient promconfig.HTTPClientConfig `yaml:",inline"`

	StaticConfigs []*targetgroup.Group `yaml:"static_configs"`
	FileSDConfigs []*sdfile.SDConfig   `yaml:"file_sd_configs"`
	DNSSDConfigs  []*sddns.SDConfig    `yaml:"dns_sd_configs"`
	HTTPSDConfigs []*sdhttp.SDConfig   `yaml:"http_sd_configs"`

	RelabelConfigs       []*relabel.Config `yaml:"relabel_configs"`
	MetricRelabelConfigs []*relabel.Config `yaml:"metric_relabel_configs"`

	// Others holds every other key, for Validate to refuse or to hand to ExtraDiscovery.
	Others map[string]strictyaml.Node `yaml:",inline"`
}

// Limits that hold where a scrape config sets none.
const (
	defaultBodySizeLimit = 256 << 20
	defaultTargetLimit   = 10_000
	defaultTimeout       = 10 * time.Second
)

// Default scrapes nothing, every 5 seconds.
func Default() Config { return Config{ScrapeInterval: 5 * time.Second} }

// DefaultScrapeConfig has the values Prometheus starts from.
func DefaultScrapeConfig() ScrapeConfig {
	return ScrapeConfig{
		HonorTimestamps: true, MetricsPath: "/metrics", Scheme: "http",
		HTTPClient: promconfig.DefaultHTTPClientConfig,
	}
}

// UnmarshalNode lays n over DefaultScrapeConfig.
func (sc *ScrapeConfig) UnmarshalNode(n strictyaml.Node) problem.List {
	type plain ScrapeConfig
	*sc = DefaultScrapeConfig()
	problems := n.Decode((*plain)(sc))
	sc.forget(n, problems)
	return problems
}

// forget drops what stands half read because of the problems, so that it is not judged: a timeout
// beside an interval that is not known, and rules, whose place in their list stays.
func (sc *ScrapeConfig) forget(n strictyaml.Node, problems problem.List) {
	wrong := func(path string) bool { return problems.HasAt(n.File(), n.At(path).Path()) }
	if wrong("scrape_interval") {
		sc.ScrapeInterval, sc.ScrapeTimeout = 0, 0
	}
	for key, rules := range map[string][]*relabel.Config{"relabel_configs": sc.RelabelConfigs, "metric_relabel_configs": sc.MetricRelabelConfigs} {
		for i := range rules {
			if wrong(fmt.Sprintf("%s[%d]", key, i)) {
				rules[i] = nil
			}
		}
	}
}

// SetDirectory makes relative file paths relative to dir.
func (c *Config) SetDirectory(dir string) {
	for i := range c.ScrapeConfigs {
		sc := &c.ScrapeConfigs[i]
		sc.HTTPClient.SetDirectory(dir)
		for _, sd := range sc.FileSDConfigs {
			sd.SetDirectory(dir)
		}
		for _, sd := range sc.HTTPSDConfigs {
			sd.SetDirectory(dir)
		}
	}
}

// Validate returns a problem.List of all that is wrong, with paths relative to the section, or nil.
func (c *Config) Validate() error {
	var ps problem.List
	jobs := map[string]int{}
	for i := range c.ScrapeConfigs {
		sc := &c.ScrapeConfigs[i]
		at := fmt.Sprintf("scrape_configs[%d]", i)
		if first, twice := jobs[sc.JobName]; twice && sc.JobName != "" {
			ps = append(ps, problem.Problem{Path: at + ".job_name", Got: sc.JobName, Allowed: "a name of its own", Message: fmt.Sprintf("also the job of scrape_configs[%d]", first)})
		}
		jobs[sc.JobName] = i
		for _, p := range sc.problems(c) {
			if p.Path = at + "." + p.Path; strings.HasSuffix(p.Path, ".") {
				p.Path = at
			}
			ps = append(ps, p)
		}
	}
	return ps.Err()
}

// problems lists what is wrong with one scrape config, paths relative to it.
func (sc *ScrapeConfig) problems(c *Config) problem.List {
	ps := sc.refusals(c.ExtraDiscovery)
	told := len(ps)
	add := func(path, message, got, allowed string) {
		ps = append(ps, problem.Problem{Path: path, Message: message, Got: got, Allowed: allowed})
	}
	if sc.JobName == "" {
		add("job_name", "has no value", "", "a name")
	}
	if interval, timeout := sc.interval(c), sc.timeout(c); interval <= 0 {
		add("scrape_interval", "", interval.String(), "a positive duration")
	} else if timeout <= 0 || timeout > interval {
		add("scrape_timeout", "", timeout.String(), "a positive duration up to the interval, "+interval.String())
	}
	if sc.Scheme != "http" && sc.Scheme != "https" {
		add("scheme", "", sc.Scheme, "http, https")
	}
	if sc.BodySizeLimit < 0 {
		add("body_size_limit", "", sc.BodySizeLimit.String(), "a size such as 10MB; 0 for the default of 256MiB")
	}
	ps = append(ps, protocolProblems(sc.ScrapeProtocols, sc.FallbackScrapeProtocol)...)
	if err := sc.HTTPClient.Validate(); err != nil {
		add("", err.Error(), "", "")
	}
	for key, rules := range map[string][]*relabel.Config{"relabel_configs": sc.RelabelConfigs, "metric_relabel_configs": sc.MetricRelabelConfigs} {
		for i, rule := range rules {
			if rule == nil {
				continue // told of when it was read
			}
			if err := rule.Validate(model.UTF8Validation); err != nil {
				add(fmt.Sprintf("%s[%d]", key, i), err.Error(), "", "")
			}
		}
	}
	ps = append(ps, sc.staticProblems()...)
	_, more := sc.otherDiscovery(c.ExtraDiscovery)
	ps = append(ps, more...)
	ps = ps[:told].Merge(ps[told:])
	slices.SortStableFunc(ps, func(a, b problem.Problem) int { return strings.Compare(a.Path, b.Path) })
	return ps
}

// staticProblems finds URLs written where an address belongs. Relabelling might still mend them.
func (sc *ScrapeConfig) staticProblems() (ps problem.List) {
	if len(sc.RelabelConfigs) > 0 {
		return nil
	}
	for i, g := range sc.StaticConfigs {
		for k, t := range g.Targets {
			if err := checkAddress(string(t[model.AddressLabel])); err != nil {
				ps = append(ps, problem.Problem{Path: fmt.Sprintf("static_configs[%d].targets[%d]", i, k), Message: err.Error(), Allowed: "host:port"})
			}
		}
	}
	return ps
}

var errAddress = errors.New("not an address: a scheme, a path or a user does not belong here")

// checkAddress refuses what would end up outside the host part of the target's URL.
func checkAddress(address string) error {
	if address == "" || strings.ContainsAny(address, "/@?#") {
		return errAddress
	}
	return nil
}

// interval is how often the config's targets are scraped unless a label says otherwise.
func (sc *ScrapeConfig) interval(c *Config) time.Duration {
	if sc.ScrapeInterval != 0 {
		return time.Duration(sc.ScrapeInterval)
	}
	return c.ScrapeInterval
}

func (sc *ScrapeConfig) timeout(c *Config) time.Duration {
	if sc.ScrapeTimeout != 0 {
		return time.Duration(sc.ScrapeTimeout)
	}
	if c.ScrapeTimeout != 0 {
		return min(c.ScrapeTimeout, sc.interval(c))
	}
	return min(defaultTimeout, sc.interval(c))
}

// compress says whether to ask the target at host:port for gzip.
func (sc *ScrapeConfig) compress(address string) bool {
	if sc.EnableCompression != nil {
		return *sc.EnableCompression
	}
	u := url.URL{Host: address}
	ip, err := netip.ParseAddr(u.Hostname())
	return !(u.Hostname() == "localhost" || err == nil && ip.IsLoopback())
}

// discovery lists where the config's targets come from.
func (sc *ScrapeConfig) discovery(extra map[string]DiscoveryKind) discovery.Configs {
	var out discovery.Configs
	if len(sc.StaticConfigs) > 0 {
		groups := make(discovery.StaticConfig, len(sc.StaticConfigs))
		for i, g := range sc.StaticConfigs {
			named := *g
			named.Source = fmt.Sprint(i)
			groups[i] = &named
		}
		out = append(out, groups)
	}
	for _, sd := range sc.FileSDConfigs {
		out = append(out, sd)
	}
	for _, sd := range sc.DNSSDConfigs {
		out = append(out, sd)
	}
	for _, sd := range sc.HTTPSDConfigs {
		out = append(out, sd)
	}
	others, _ := sc.otherDiscovery(extra) // Validate has told of its problems
	return append(out, others...)
}

// otherDiscovery reads the lists of the kinds that were handed in.
func (sc *ScrapeConfig) otherDiscovery(extra map[string]DiscoveryKind) (out discovery.Configs, ps problem.List) {
	for _, key := range slices.Sorted(maps.Keys(sc.Others)) {
		read, ok := extra[key]
		if !ok {
			continue
		}
		if node := sc.Others[key]; node.Exists() && !node.IsList() {
			ps = append(ps, problem.Problem{Path: key, Got: node.Shown(), Allowed: "a list"})
		}
		for i, item := range sc.Others[key].Items() {
			sd, wrong := read(item)
			for _, p := range wrong {
				// These know their place in the file; it is wanted relative to the scrape config.
				here := fmt.Sprintf("%s[%d]", key, i)
				if k := strings.LastIndex(p.Path, here); k >= 0 {
					p.Path = p.Path[k:]
				} else {
					p.Path = here
				}
				ps = append(ps, p)
			}
			if wrong.Errors() == 0 {
				out = append(out, sd)
			}
		}
	}
	return out, ps
}
