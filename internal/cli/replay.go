package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/spf13/cobra"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/app"
	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/internal/replay"
	"github.com/assayer-io/assayer/internal/replay/openmetrics"
	"github.com/assayer-io/assayer/internal/replay/promapi"
	"github.com/assayer-io/assayer/internal/replay/recording"
	"github.com/assayer-io/assayer/internal/replay/tsdb"
	"github.com/assayer-io/assayer/internal/version"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/spec"
)

// replayFlags are the command line as written.
type replayFlags struct {
	objectives, compare        []string
	config                     string
	openmetrics, tsdb          string
	prometheus, httpConfig     string
	changes                    string
	start, end                 string
	interval, evaluation, temp string
	targetLabels               []string
	asJSON, backfill           bool
}

func newReplay(s Streams) *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use: "replay --objectives GLOB... (--from-openmetrics FILE | --from-tsdb DIR | --from-prometheus URL --start T --end T)", Short: "Tell what would have come of recorded samples: which alerts, how soon, at what cost",
		Long: `Feed recorded samples through the engine that judges live ones, and tell which burn alerts would have
fired when, how long until they did and until they stopped, and how much budget was spent. Further
arguments are files of objectives as well, so that a shell may expand --objectives slo/*.yaml.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.objectives = append(f.objectives, args...)
			r := replaying{flags: f, streams: s}
			return r.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.objectives, "objectives", nil, "files of objectives, as patterns; default: those of --config")
	flags.StringVar(&f.openmetrics, "from-openmetrics", "", "recording: OpenMetrics text with timestamps, plain or gzipped")
	flags.StringVar(&f.tsdb, "from-tsdb", "", "recording: the data directory of a Prometheus")
	flags.StringVar(&f.prometheus, "from-prometheus", "", "recording: the URL of a server with Prometheus' HTTP API; needs --start and --end")
	flags.StringVar(&f.httpConfig, "http-config", "", "file with basic_auth, authorization, tls_config and so on for --from-prometheus, as in Prometheus' HTTP client configuration")
	flags.StringVar(&f.start, "start", "", "replay from this time on, RFC 3339 or Unix seconds")
	flags.StringVar(&f.end, "end", "", "replay up to this time, RFC 3339 or Unix seconds")
	flags.StringVar(&f.config, "config", "", "agent file: its burn_alerts, min_coverage_ratio and intervals hold, and its hooks decide without calling anybody")
	flags.StringVar(&f.changes, "changes", "", "file of recorded changes for the hooks, as /api/v1/changes answers")
	flags.StringSliceVar(&f.compare, "compare", nil, "files with another definition of the objectives, as patterns: replay both and tell the differences")
	flags.StringVar(&f.interval, "interval", "", "how often targets were looked at; default: the median of the recording, for each target")
	flags.StringVar(&f.evaluation, "evaluation-interval", "", "how often objectives are judged; default: that of --config, else the shortest interval of the targets")
	flags.StringSliceVar(&f.targetLabels, "target-labels", []string{"job", "instance"}, "labels that name a target together")
	flags.StringVar(&f.temp, "temp", "", "folder for temporary files; default: the system's")
	flags.BoolVar(&f.backfill, "backfill", false, "write what was counted into the store of the agent of --config, which must not run, for its objectives that have no counts yet")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	return cmd
}

// replaying is one replay with what its flags mean.
type replaying struct {
	flags      replayFlags
	streams    Streams
	start, end time.Time
	interval   time.Duration // 0: measured
	evaluation time.Duration // 0: the shortest interval
	loaded     *app.Loaded   // nil: no --config
	sets       [][]spec.Objective
	dry        *replay.Dry // nil: no hooks
	store      *agentStore // nil: no --backfill
	bar        *progress
}

func (r *replaying) run(ctx context.Context) error {
	if err := r.read(); err != nil {
		return err
	}
	r.bar = newProgress(r.streams.Err)
	defer r.bar.clear()
	if r.flags.backfill {
		var err error
		if r.store, err = r.openStore(); err != nil {
			return err
		}
		defer r.store.close()
		if len(r.sets[0]) == 0 {
			return fmt.Errorf("there is nothing to fill: the agent has counts of every objective: %s", strings.Join(r.store.filled.Kept, ", "))
		}
	}
	wanted, err := r.wanted()
	if err != nil {
		return err
	}
	parts, err := r.open(ctx, wanted)
	if err != nil {
		return err
	}
	reader, err := recording.NewReader(ctx, parts, wanted, recording.Options{TargetLabels: r.flags.targetLabels, Interval: r.interval, From: r.start, To: r.end})
	if err != nil {
		return err
	}
	results, err := r.judge(ctx, reader)
	if err := errors.Join(err, reader.Close()); err != nil {
		return err
	}
	r.bar.clear()
	return r.print(results)
}

// judge replays the recording.
func (r *replaying) judge(ctx context.Context, reader *recording.Reader) ([]replay.Result, error) {
	o := replay.Options{Engine: r.engineOptions(), EvaluationInterval: r.evaluation}
	shortest, err := r.fit(reader)
	if err != nil {
		return nil, err
	}
	if o.EvaluationInterval == 0 {
		o.EvaluationInterval = shortest
	}
	from, to := reader.Bounds()
	o.Progress = func(at time.Time) { r.bar.show("replaying", at.Sub(from).Seconds(), to.Sub(from).Seconds()) }
	if r.dry != nil {
		o.Evaluated = r.dry.Evaluated
	}
	results, engines, err := replay.Run(ctx, reader, r.sets, o)
	if r.dry != nil {
		err = errors.Join(err, r.dry.Close(ctx))
	}
	if err == nil && r.store != nil {
		err = r.store.fill(engines[0], r.flags.source())
	}
	return results, err
}

// read understands the flags and reads what they name.
func (r *replaying) read() error {
	f := r.flags
	sources := 0
	for _, from := range []string{f.openmetrics, f.tsdb, f.prometheus} {
		if from != "" {
			sources++
		}
	}
	if sources != 1 {
		return fmt.Errorf("got %s, allowed: exactly one of --from-openmetrics FILE, --from-tsdb DIR and --from-prometheus URL", count(sources, "recording"))
	}
	var err error
	if r.start, err = parseTime("--start", f.start); err != nil {
		return err
	}
	if r.end, err = parseTime("--end", f.end); err != nil {
		return err
	}
	if !r.start.IsZero() && !r.end.IsZero() && !r.start.Before(r.end) {
		return fmt.Errorf("--start: got %s, allowed: a time before --end %s", f.start, f.end)
	}
	if f.prometheus != "" && (r.start.IsZero() || r.end.IsZero()) {
		return errors.New("--from-prometheus needs --start and --end")
	}
	if r.interval, err = parseDuration("--interval", f.interval); err != nil {
		return err
	}
	if r.evaluation, err = parseDuration("--evaluation-interval", f.evaluation); err != nil {
		return err
	}
	if err := r.readObjectives(); err != nil {
		return err
	}
	return r.readHooks()
}

// readHooks makes the hooks of the agent file, if it has any.
func (r *replaying) readHooks() error {
	if r.loaded == nil || r.loaded.HookCount() == 0 {
		if r.flags.changes != "" {
			return errors.New("--changes: there are no hooks that could heed them; allowed: with --config and an agent file that has hooks")
		}
		return nil
	}
	var recorded struct {
		Changes []hooks.Change `json:"changes"`
	}
	if r.flags.changes != "" {
		data, err := readBounded(r.flags.changes, maxAnswer)
		if err == nil {
			err = json.Unmarshal(data, &recorded)
		}
		if err != nil {
			return fmt.Errorf("reading --changes %s: %w", r.flags.changes, err)
		}
	}
	var err error
	r.dry, err = replay.NewDry(r.loaded.HookPolicies(), recorded.Changes)
	return err
}

// readBounded reads a file of so many bytes at most.
func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("it is longer than %d bytes", most)
	}
	return data, err
}

// source names the recording.
func (f *replayFlags) source() string { return cmp.Or(f.openmetrics, f.tsdb, f.prometheus) }

func (r *replaying) readObjectives() error {
	if r.flags.backfill && (r.flags.config == "" || len(r.flags.objectives)+len(r.flags.compare) > 0) {
		return errors.New("--backfill fills the budgets of an agent's own objectives; allowed: with --config, and without --objectives and --compare")
	}
	if r.flags.config != "" {
		loaded, problems := app.Load(app.LoadOptions{Path: r.flags.config})
		if err := say(r.streams, problems); err != nil {
			return err
		}
		r.loaded = &loaded
		if r.evaluation == 0 {
			r.evaluation = loaded.Config.Global.EvaluationInterval
		}
	}
	var first []spec.Objective
	switch {
	case len(r.flags.objectives) > 0:
		var err error
		if first, err = r.load(r.flags.objectives); err != nil {
			return err
		}
	case r.loaded != nil:
		first = r.loaded.Objectives
	}
	if len(first) == 0 {
		return errors.New("there are no objectives to replay for; allowed: --objectives GLOB, or --config with an agent file that names some")
	}
	r.sets = append(r.sets, first)
	if len(r.flags.compare) == 0 {
		return nil
	}
	second, err := r.load(r.flags.compare)
	r.sets = append(r.sets, second)
	return err
}

// load reads files of objectives. How often targets were looked at is not known yet, so no window is
// refused for holding too few looks.
func (r *replaying) load(globs []string) ([]spec.Objective, error) {
	set, problems := spec.LoadGlobs(globs, "", spec.Options{ScrapeInterval: time.Millisecond})
	return set.Objectives, say(r.streams, problems)
}

func parseTime(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	s, err := strconv.ParseFloat(text, 64)
	if err != nil || math.Abs(s) > 1e11 || s != s {
		return time.Time{}, fmt.Errorf("%s: got %q, allowed: a time such as 2026-11-01T00:00:00Z, or Unix seconds", flag, text)
	}
	return time.UnixMilli(int64(s * 1000)), nil
}

func parseDuration(flag, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := model.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%s: got %q, allowed: a duration such as 15s or 1m", flag, text)
	}
	return time.Duration(d), nil
}

func (r *replaying) engineOptions() slo.Options {
	if r.loaded == nil {
		return slo.Options{}
	}
	return r.loaded.EngineOptions()
}

// wanted says which series any of the objectives reads.
func (r *replaying) wanted() (recording.Wanted, error) {
	union := collector.Interest{Names: map[string]struct{}{}}
	var matches []func(labels.Labels) bool
	for _, set := range r.sets {
		in, err := r.interest(set)
		if err != nil {
			return recording.Wanted{}, err
		}
		maps.Copy(union.Names, in.Names)
		union.AllNames = union.AllNames || in.AllNames
		matches = append(matches, in.Match)
	}
	union.Match = func(ls labels.Labels) bool {
		return slices.ContainsFunc(matches, func(match func(labels.Labels) bool) bool { return match(ls) })
	}
	return recording.Wanted{Interest: union}, nil
}

func (r *replaying) interest(objectives []spec.Objective) (collector.Interest, error) {
	e := slo.New(slo.Options{})
	if err := e.Apply(objectives, time.UnixMilli(0), nil); err != nil {
		return collector.Interest{}, fmt.Errorf("putting objectives in force: %w", err)
	}
	return e.Interest(), nil
}

// minLooks is how many looks the shortest window of a burn alert has to hold, as in the agent.
const minLooks = 4

// fit tells each objective how often the fastest target that feeds it was looked at, unless the agent
// file has told it, and returns the shortest interval of all.
func (r *replaying) fit(reader *recording.Reader) (time.Duration, error) {
	shortest := time.Duration(0)
	reader.Series(func(_ labels.Labels, interval time.Duration) {
		if shortest == 0 || interval < shortest {
			shortest = interval
		}
	})
	for _, set := range r.sets {
		for i := range set {
			if set[i].MinTierWindow > 0 {
				continue
			}
			in, err := r.interest(set[i : i+1])
			if err != nil {
				return 0, err
			}
			fastest := time.Duration(0)
			reader.Series(func(ls labels.Labels, interval time.Duration) {
				if (fastest == 0 || interval < fastest) && in.Match(ls) {
					fastest = interval
				}
			})
			set[i].MinTierWindow = minLooks * fastest
		}
	}
	return shortest, nil
}

// open opens the recording.
func (r *replaying) open(ctx context.Context, w recording.Wanted) ([]recording.Part, error) {
	f := r.flags
	if f.openmetrics != "" {
		spool, err := openmetrics.Load(ctx, f.openmetrics, f.temp, w, func(read, size int64) { r.bar.show("reading", float64(read), float64(size)) })
		if err != nil {
			return nil, err
		}
		return []recording.Part{spool}, nil
	}
	parts, warnings, err := r.fetchOrOpen(ctx, w)
	for _, w := range warnings {
		r.bar.clear()
		fmt.Fprintf(r.streams.Err, "warning: %s\n", w)
	}
	return parts, err
}

// fetchOrOpen opens a recording that is more than a file.
func (r *replaying) fetchOrOpen(ctx context.Context, w recording.Wanted) ([]recording.Part, []string, error) {
	f := r.flags
	if f.prometheus != "" {
		o := promapi.Options{
			URL: f.prometheus, HTTP: promconfig.DefaultHTTPClientConfig, Wanted: w, Queries: promapi.Queries(r.sets), Start: r.start, End: r.end, Temp: f.temp,
			UserAgent: "assayer/" + version.Version, Progress: func(done, whole float64) { r.bar.show("fetching", done, whole) },
		}
		if f.httpConfig != "" {
			cfg, _, err := promconfig.LoadHTTPConfigFile(f.httpConfig)
			if err != nil {
				return nil, nil, fmt.Errorf("reading --http-config %s: %w", f.httpConfig, err)
			}
			o.HTTP = *cfg
		}
		spool, warnings, err := promapi.Load(ctx, o)
		if err != nil {
			return nil, warnings, err
		}
		return []recording.Part{spool}, warnings, nil
	}
	o := tsdb.Options{Wanted: w, From: math.MinInt64, To: math.MaxInt64, Temp: f.temp}
	if !r.start.IsZero() {
		o.From = r.start.UnixMilli()
	}
	if !r.end.IsZero() {
		o.To = r.end.UnixMilli()
	}
	return tsdb.Open(ctx, f.tsdb, o)
}
