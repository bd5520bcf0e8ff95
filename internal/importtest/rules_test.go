package importtest

const module = "github.com/assayer-io/assayer"

// everything marks a package that may import all others of the module.
const everything = "**"

// leaves are imported by anybody, and themselves import only what their own row says.
var leaves = []string{
	"slo/metricname", "slo/burnrate", "slo/calendar", "slo/money", "slo/reason", "slo/rail",
	"internal/problem", "internal/strictyaml", "internal/secret", "internal/version", "internal/parallel",
}

// mayImport says for each package which others of the module its production code may import,
// beside the leaves. A * stands for one path element: the variants of a kind.
var mayImport = map[string][]string{
	"cmd/assayer":      {"internal/cli"},
	"internal/cli":     {everything},
	"internal/app":     {everything},
	"internal/demo":    {"internal/paysim", "internal/hooks", "slo", "slo/spec"},
	"internal/config":  {"slo/spec"},
	"internal/problem": {},

	"internal/strictyaml": {"internal/problem"},
	"internal/secret":     {},
	"internal/version":    {},
	"internal/audit":      {},
	"internal/health":     {},
	"internal/paysim":     {},
	"internal/kube":       {},
	"internal/storage":    {},
	"internal/backup":     {"internal/storage", "internal/audit", "collector/transactions/journal"},
	"internal/storage/*":  {"internal/storage"},
	"internal/importtest": {},

	"slo":            {"collector", "slo/spec", "slo/histogram"},
	"slo/policy":     {"slo", "slo/spec"},
	"slo/spec":       {},
	"slo/burnrate":   {},
	"slo/calendar":   {},
	"slo/histogram":  {},
	"slo/metricname": {},
	"slo/money":      {},
	"slo/reason":     {"internal/problem", "internal/strictyaml"},
	"slo/rail":       {"slo/calendar", "slo/reason", "slo/money", "internal/problem", "internal/strictyaml"},

	"collector":   {},
	"collector/*": {"collector"},
	// What feeds the transactions collector: formats read, sources carry, the journal keeps.
	"collector/transactions":            {"collector", "collector/transactions/journal"},
	"collector/transactions/journal":    {"slo/money"},
	"collector/transactions/ndjson":     {"collector/transactions"},
	"collector/transactions/iso20022":   {"collector/transactions"},
	"collector/transactions/nacha":      {"collector/transactions"},
	"collector/transactions/fixlog":     {"collector/transactions"},
	"collector/transactions/iso8583":    {"collector/transactions"},
	"collector/transactions/httpin":     {"collector/transactions"},
	"collector/transactions/files":      {"collector/transactions"},
	"collector/transactions/kafka":      {"collector/transactions"},
	"collector/transactions/nats":       {"collector/transactions"},
	"collector/transactions/postgresql": {"collector/transactions"},

	"exporters":   {"slo", "slo/spec"},
	"exporters/*": {"exporters", "slo", "slo/spec"},

	"alerts":          {"slo/spec"},
	"alerts/*":        {"alerts", "slo/spec"},
	"alerts/promtool": {"alerts", "alerts/prometheus", "slo/spec"},
	"alerts/runbook":  {"alerts", "alerts/prometheus", "slo/spec"},
	"dashboards":      {"alerts", "slo/spec"},
	"dashboards/*":    {"dashboards", "alerts", "slo/spec"},

	"internal/artifact": {},
	"internal/parallel": {},
	"internal/discover": {"collector", "collector/prometheus", "slo/spec", "slo/histogram"},
	"internal/generate": {"internal/artifact", "slo", "slo/spec", "alerts", "alerts/alertmanager", "alerts/prometheus", "alerts/promtool", "alerts/runbook", "alerts/grafana", "dashboards", "dashboards/grafana"},

	"internal/convert":   {"slo/spec"},
	"internal/convert/*": {"internal/convert", "slo/spec"},

	"internal/deploy":   {"internal/artifact"},
	"internal/deploy/*": {"internal/deploy", "internal/artifact"},

	"internal/hooks":   {"slo", "slo/spec", "slo/policy", "internal/audit", "internal/storage"},
	"internal/hooks/*": {"internal/hooks", "slo", "slo/spec"},

	"internal/exclusions": {"slo", "internal/audit", "internal/storage"},

	"internal/web":                {"slo", "slo/spec", "slo/policy", "internal/hooks", "internal/audit", "internal/health", "internal/exclusions", "slo/money"},
	"internal/replay":             {"collector", "slo", "slo/spec", "internal/hooks", "internal/audit", "internal/storage"},
	"internal/replay/recording":   {"collector"},
	"internal/replay/openmetrics": {"collector", "internal/replay/recording"},
	"internal/replay/tsdb":        {"collector", "internal/replay/recording"},
	"internal/replay/promapi":     {"collector", "slo/spec", "internal/replay/recording"},

	"internal/report": {"slo", "slo/spec", "internal/audit"},

	"internal/testkit/*": {everything},
}

// pure packages are functions of their arguments: no clock, no files, no network.
var pure = []string{"slo", "slo/*", "alerts", "alerts/*", "dashboards", "dashboards/*"}

// readsFiles are the files of pure packages that may open files, and nothing else of what pure
// packages may not do.
var readsFiles = []string{"slo/spec/load.go"}

// onlyIn names imports that one package alone may have: client-go slows every build that sees it.
var onlyIn = map[string]string{
	"k8s.io": "internal/kube",
}

// tooHeavy are imports that production code must not have: each brings the SDKs of several clouds
// into an agent that runs on every node.
var tooHeavy = []string{
	"github.com/prometheus/prometheus/config",
	"github.com/prometheus/prometheus/discovery/install",
	"github.com/prometheus/prometheus/notifier",
	"github.com/prometheus/prometheus/rules",
	"github.com/prometheus/prometheus/scrape",
	"github.com/prometheus/prometheus/storage/remote",
	"github.com/prometheus/prometheus/tsdb",
	"github.com/prometheus/prometheus/web",
}

// light are packages below those that bring nothing of what makes them too heavy; readsTSDB, with what is
// below it, may import them. Not among them is tsdb/wlog, which imports testing libraries.
const readsTSDB = "internal/replay"

var light = []string{
	"github.com/prometheus/prometheus/tsdb/chunkenc",
	"github.com/prometheus/prometheus/tsdb/chunks",
	"github.com/prometheus/prometheus/tsdb/index",
	"github.com/prometheus/prometheus/tsdb/record",
	"github.com/prometheus/prometheus/tsdb/tombstones",
}

// variantRoots hold one folder for each variant of a kind; kindsFile lists the variants by hand.
var variantRoots = []string{"collector", "exporters", "internal/hooks", "internal/deploy"}

const kindsFile = "internal/app/kinds.go"

// clockAndTimers are what a pure package must take as an argument instead.
var clockAndTimers = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer"}
