package prometheus

import (
	"maps"
	"slices"
	"strings"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
)

// refusedKeys are keys of Prometheus' scrape_config that this collector does not act on, and why.
// They are refused rather than ignored: a configuration never does less than it says.
func refusedKeys() map[string]string {
	return map[string]string{
		"track_timestamps_staleness":         "a series that is gone simply stops counting here; there are no staleness markers to track",
		"scrape_native_histograms":           "native histograms are asked for as soon as an objective reads one",
		"always_scrape_classic_histograms":   "classic buckets are always read",
		"convert_classic_histograms_to_nhcb": "classic buckets are read as they are",
		"native_histogram_bucket_limit":      "the bound is 10,000 buckets, and a histogram with more is not read",
		"native_histogram_min_bucket_factor": "native histograms are read at the resolution they have",
		"scrape_failure_log_file":            "the last failure of each target is on the page and in the API",
		"keep_dropped_targets":               "targets that relabelling dropped are not kept",
		"metric_name_validation_scheme":      "names are always UTF-8",
		"metric_name_escaping_scheme":        "names are always asked for as they are (allow-utf-8)",
		"extra_scrape_metrics":               "the agent's own metrics say this of every target",
	}
}

// knownKeys are suggested when a key is misspelt.
func knownKeys() []string {
	return []string{
		"job_name", "honor_labels", "honor_timestamps", "params", "scrape_interval", "scrape_timeout",
		"scrape_protocols", "fallback_scrape_protocol", "metrics_path", "scheme", "enable_compression",
		"body_size_limit", "sample_limit", "label_limit", "label_name_length_limit", "label_value_length_limit",
		"target_limit", "basic_auth", "authorization", "oauth2", "tls_config", "follow_redirects", "enable_http2",
		"proxy_url", "no_proxy", "proxy_from_environment", "proxy_connect_header", "http_headers",
		"static_configs", "file_sd_configs", "dns_sd_configs", "http_sd_configs",
		"relabel_configs", "metric_relabel_configs",
	}
}

const discoverySuffix = "_sd_configs"

// refusals says of every key that is not read why it is not.
func (sc *ScrapeConfig) refusals(extra map[string]DiscoveryKind) (ps problem.List) {
	reasons := refusedKeys()
	for _, key := range slices.Sorted(maps.Keys(sc.Others)) {
		if _, ok := extra[key]; ok {
			continue
		}
		p := problem.Problem{Path: key}
		reason, known := reasons[key]
		switch {
		case known:
			p.Message = "not supported by this version: " + reason
		case strings.HasSuffix(key, discoverySuffix):
			p.Message, p.Allowed = "not supported by this version", discoveryKinds(extra)
		default:
			p.Message = "unknown field" + strictyaml.DidYouMean(key, knownKeys())
			p.Allowed = strings.Join(knownKeys(), ", ")
		}
		ps = append(ps, p)
	}
	return ps
}

// discoveryKinds lists the discovery that can be asked for.
func discoveryKinds(extra map[string]DiscoveryKind) string {
	kinds := append([]string{"static_configs", "file_sd_configs", "dns_sd_configs", "http_sd_configs"}, slices.Sorted(maps.Keys(extra))...)
	return strings.Join(kinds, ", ")
}
