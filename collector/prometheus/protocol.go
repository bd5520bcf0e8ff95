package prometheus

import (
	"fmt"
	"mime"
	"strings"

	"github.com/assayer-io/assayer/internal/problem"
)

// ScrapeProtocol is one of Prometheus' names for an exposition format.
type ScrapeProtocol string

// The protocols a target can be asked for.
const (
	PrometheusProto   ScrapeProtocol = "PrometheusProto"
	PrometheusText004 ScrapeProtocol = "PrometheusText0.0.4"
	PrometheusText100 ScrapeProtocol = "PrometheusText1.0.0"
	OpenMetrics001    ScrapeProtocol = "OpenMetricsText0.0.1"
	OpenMetrics100    ScrapeProtocol = "OpenMetricsText1.0.0"
)

// format is how a body is to be read.
type format int

const (
	formatText format = iota + 1
	formatOpenMetrics
	formatProto
)

const (
	mediaText        = "text/plain"
	mediaOpenMetrics = "application/openmetrics-text"
	mediaProto       = "application/vnd.google.protobuf"
	protoMessage     = "io.prometheus.client.MetricFamily"
)

// details gives a protocol's Accept value and the format of its bodies; ok is false for a name
// that is none.
func (p ScrapeProtocol) details() (accept string, f format, ok bool) {
	switch p {
	case PrometheusProto:
		return mediaProto + ";proto=" + protoMessage + ";encoding=delimited", formatProto, true
	case PrometheusText004:
		return mediaText + ";version=0.0.4", formatText, true
	case PrometheusText100:
		return mediaText + ";version=1.0.0;escaping=allow-utf-8", formatText, true
	case OpenMetrics001:
		return mediaOpenMetrics + ";version=0.0.1", formatOpenMetrics, true
	case OpenMetrics100:
		return mediaOpenMetrics + ";version=1.0.0;escaping=allow-utf-8", formatOpenMetrics, true
	}
	return "", 0, false
}

const protocolNames = "PrometheusProto, PrometheusText0.0.4, PrometheusText1.0.0, OpenMetricsText0.0.1, OpenMetricsText1.0.0"

// defaultProtocols are what Prometheus asks for when nothing is written, in its order.
func defaultProtocols() []ScrapeProtocol {
	return []ScrapeProtocol{OpenMetrics100, OpenMetrics001, PrometheusText100, PrometheusText004}
}

func protocolProblems(ps []ScrapeProtocol, fallback ScrapeProtocol) (out problem.List) {
	seen := map[ScrapeProtocol]bool{}
	if ps != nil && len(ps) == 0 {
		out = append(out, problem.Problem{Path: "scrape_protocols", Message: "is empty", Allowed: protocolNames})
	}
	for i, p := range ps {
		path := fmt.Sprintf("scrape_protocols[%d]", i)
		if _, _, ok := p.details(); !ok {
			out = append(out, problem.Problem{Path: path, Got: string(p), Allowed: protocolNames})
		} else if seen[p] {
			out = append(out, problem.Problem{Path: path, Message: "listed twice", Got: string(p)})
		}
		seen[p] = true
	}
	if _, _, ok := fallback.details(); !ok && fallback != "" {
		out = append(out, problem.Problem{Path: "fallback_scrape_protocol", Got: string(fallback), Allowed: protocolNames})
	}
	return out
}

// acceptHeader asks for the protocols in order of preference, and failing them for anything.
func acceptHeader(ps []ScrapeProtocol) string {
	var b strings.Builder
	weight := 6
	for _, p := range ps {
		accept, _, _ := p.details()
		fmt.Fprintf(&b, "%s;q=0.%d,", accept, weight)
		weight--
	}
	fmt.Fprintf(&b, "*/*;q=0.%d", weight)
	return b.String()
}

// formatOf decides by the answer's Content-Type how to read it, or by fallback where the type is
// missing or none of ours. A web page is thus never taken for metrics.
func formatOf(contentType string, fallback ScrapeProtocol) (format, error) {
	media, params, err := mime.ParseMediaType(contentType)
	if err == nil {
		switch media {
		case mediaText:
			return formatText, nil
		case mediaOpenMetrics:
			if v := params["version"]; v == "" || strings.HasPrefix(v, "0.") || strings.HasPrefix(v, "1.") {
				return formatOpenMetrics, nil
			}
		case mediaProto:
			enc, proto := params["encoding"], params["proto"]
			if (enc == "" || enc == "delimited") && (proto == "" || proto == protoMessage) {
				return formatProto, nil
			}
		}
	}
	if _, f, ok := fallback.details(); ok {
		return f, nil
	}
	return 0, fmt.Errorf("target answers with Content-Type %.100q, which is no metrics format, and fallback_scrape_protocol is not set", contentType)
}
