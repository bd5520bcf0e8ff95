package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/internal/app"
	"github.com/assayer-io/assayer/internal/artifact"
	"github.com/assayer-io/assayer/internal/deploy"
	"github.com/assayer-io/assayer/internal/deploy/directory"
	"github.com/assayer-io/assayer/internal/generate"
	"github.com/assayer-io/assayer/internal/problem"
)

// generateFlags say what to generate; diff and apply have them too.
type generateFlags struct {
	objectives, parts                     []string
	config, form, receivers               string
	selector, folder, datasource          string
	runbooks, dashboards, agent, alertsAt string
	namespace                             string
	labels                                map[string]string
	scrape, interval                      time.Duration
	strict                                bool
	whole                                 bool // a pattern that names no file is an error
}

func (f *generateFlags) register(flags *pflag.FlagSet) {
	flags.StringSliceVar(&f.objectives, "objectives", nil, "files of objectives, as patterns; default: those of --config")
	flags.StringVar(&f.config, "config", "", "agent file: its objectives, burn_alerts, rails and section generate hold; flags change that section")
	flags.StringSliceVar(&f.parts, "parts", nil, "what to make, of: "+names(generate.Parts())+"; default: all, and alertmanager with --receivers")
	flags.StringVar(&f.form, "form", "", "how rules and dashboards are wrapped, one of: "+names(generate.Forms())+" (default files)")
	flags.StringVar(&f.receivers, "receivers", "", "file of receivers in Alertmanager's own form, for the part alertmanager")
	flags.DurationVar(&f.scrape, "scrape-interval", 0, "of the raw series in the Prometheus that evaluates the rules; default: that of the agent, else 15s")
	flags.DurationVar(&f.interval, "interval", 0, "between evaluations of rules that page (default 30s)")
	flags.StringVar(&f.selector, "agent-selector", "", `matchers of the agent's own series, such as job="assayer"`)
	flags.StringVar(&f.runbooks, "runbook-url", "", "folder of the runbooks, for links")
	flags.StringVar(&f.dashboards, "dashboard-url", "", "Grafana's address, for links")
	flags.StringVar(&f.agent, "agent-url", "", "address of the agent's page, for links")
	flags.StringVar(&f.alertsAt, "alerts-url", "", "Alertmanager's address, for links")
	flags.StringVar(&f.folder, "folder", "", "Grafana's folder (default Assayer)")
	flags.StringVar(&f.datasource, "datasource", "", "uid in Grafana of the Prometheus that its own alert rules ask (default prometheus)")
	flags.StringVar(&f.namespace, "namespace", "", "of Kubernetes objects")
	flags.StringToStringVar(&f.labels, "label", nil, "label of Kubernetes objects, name=value; may be given several times")
	flags.BoolVar(&f.strict, "strict", false, "refuse what OpenSLO's schema forbids instead of warning")
}

func names[T ~string](all []T) string {
	var out []string
	for _, x := range all {
		out = append(out, string(x))
	}
	return strings.Join(out, ", ")
}

// change lays what was said on the command line over the agent file's section.
func (f *generateFlags) change(c *generate.Config) {
	receivers := f.receivers // of the working directory, as --objectives is; those that the section names, of its file
	if abs, err := filepath.Abs(receivers); err == nil && receivers != "" {
		receivers = abs
	}
	if len(f.parts) > 0 {
		c.Parts = nil
		for _, p := range f.parts {
			c.Parts = append(c.Parts, generate.Part(p))
		}
	}
	for _, one := range []struct {
		said string
		of   *string
	}{
		{receivers, &c.Alertmanager.Receivers}, {f.selector, &c.AgentSelector}, {f.folder, &c.Grafana.Folder}, {f.datasource, &c.Grafana.Datasource},
		{f.runbooks, &c.Links.Runbooks}, {f.dashboards, &c.Links.Dashboards}, {f.agent, &c.Links.Agent}, {f.alertsAt, &c.Links.Alerts},
		{f.namespace, &c.Kubernetes.Namespace},
	} {
		if one.said != "" {
			*one.of = one.said
		}
	}
	if f.form != "" {
		c.Form = generate.Form(f.form)
	}
	if f.scrape > 0 {
		c.ScrapeInterval = f.scrape
	}
	if f.interval > 0 {
		c.Interval = f.interval
	}
	if len(f.labels) > 0 {
		c.Kubernetes.Labels = f.labels
	}
}

// output generates, and tells what is wrong with what was read.
func (f *generateFlags) output(s Streams) (generate.Output, error) {
	if f.config == "" && len(f.objectives) == 0 {
		return generate.Output{}, fmt.Errorf("nothing to generate from: give --objectives 'slo/*.yaml' or --config assayer.yaml")
	}
	in, problems := app.LoadGenerate(app.GenerateOptions{Config: f.config, Objectives: f.objectives, Strict: f.strict, Whole: f.whole, Now: time.Now(), Change: f.change})
	if err := say(s, problems); err != nil {
		return generate.Output{}, err
	}
	if len(in.Objectives) == 0 {
		return generate.Output{}, fmt.Errorf("nothing to generate from: no objective in %s", strings.Join(append(f.objectives, f.config), " "))
	}
	out, err := generate.Generate(in)
	if l, ok := errors.AsType[problem.List](err); ok {
		return out, say(s, l)
	}
	return out, err
}

func newGenerate(s Streams) *cobra.Command {
	var f generateFlags
	var to string
	var asJSON, quiet bool
	cmd := &cobra.Command{
		Use: "generate --objectives GLOB... --out DIR", Short: "Write alert rules, their tests, routing, runbooks and dashboards for objectives",
		Long: `Write all that follows from objectives: Prometheus rules on the agent's series and, for when it is gone, on raw
series; promtool unit tests for them; Alertmanager's configuration; Grafana's alert rules and dashboards; a runbook for
each objective. No agent is needed and nothing is connected to. The same input gives the same bytes.
Files of an earlier run that are no longer made are deleted, and no others. Further arguments are files of objectives.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.objectives = append(f.objectives, args...)
			if to == "-" && asJSON {
				return errors.New("--json tells what was written to a folder, and --out - writes the files themselves: use one of the two")
			}
			out, err := f.output(s)
			if err != nil {
				return err
			}
			warnOfSecrets(s, out.Files)
			if to == "-" {
				return writeAll(s, out.Files)
			}
			changed, err := writeTree(cmd.Context(), s, to, out.Files)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(s.Out).Encode(map[string]any{"files": listed(out.Files), "changed": changed, "refused": refused(out.Refusals)})
			}
			tellGenerated(s, to, out, changed, quiet)
			return nil
		},
	}
	f.register(cmd.Flags())
	cmd.Flags().StringVar(&to, "out", "generated", "folder to write to, or - for everything on standard output")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&quiet, "quiet", false, "do not list what has no native rules")
	return cmd
}

// warnOfSecrets tells of files that are not for everybody to read, since receivers are taken over as they are written.
func warnOfSecrets(s Streams, files []artifact.File) {
	for _, f := range files {
		if f.Kind == artifact.Alertmanager && deploy.HoldsSecrets(f.Data) {
			fmt.Fprintf(s.Err, "warning: %s holds the secrets or addresses of receivers in plain text: keep it out of version control, or have the receivers name files, such as url_file or routing_key_file\n", f.Path)
		}
	}
}

// writeAll writes all files one after the other, each after a line with its name: YAML documents where they are YAML.
func writeAll(s Streams, files []artifact.File) error {
	for _, f := range files {
		if _, err := fmt.Fprintf(s.Out, "---\n# %s\n%s", f.Path, f.Data); err != nil {
			return err
		}
	}
	return nil
}

// tellGenerated sums up what was written, by folder.
func tellGenerated(s Streams, to string, out generate.Output, changed int, quiet bool) {
	type folder struct {
		name         string
		files, bytes int
	}
	var folders []folder
	for _, f := range out.Files {
		name := path.Dir(f.Path)
		i := slices.IndexFunc(folders, func(x folder) bool { return x.name == name })
		if i < 0 {
			i, folders = len(folders), append(folders, folder{name: name})
		}
		folders[i].files++
		folders[i].bytes += len(f.Data)
	}
	for _, x := range folders {
		fmt.Fprintf(s.Out, "%-28s %10s %12s\n", path.Join(to, x.name), count(x.files, "file"), group(fmt.Sprint(x.bytes))+" B")
	}
	fmt.Fprintf(s.Out, "%s, %d changed\n", count(len(out.Files), "file"), changed)
	if len(out.Refusals) == 0 || quiet {
		return
	}
	fmt.Fprintln(s.Err, "Not watched by native rules when no agent is there:")
	for _, r := range out.Refusals {
		what := r.Objective
		if r.Leg != "" {
			what += ", leg " + r.Leg
		}
		fmt.Fprintf(s.Err, "  %s: %s\n", what, r.Reason)
	}
}

// listedFile is one file in the JSON answer.
type listedFile struct {
	Path  string        `json:"path"`
	Kind  artifact.Kind `json:"kind"`
	Bytes int           `json:"bytes"`
}

func listed(files []artifact.File) []listedFile {
	out := []listedFile{}
	for _, f := range files {
		out = append(out, listedFile{f.Path, f.Kind, len(f.Data)})
	}
	return out
}

type refusedRule struct {
	Objective string `json:"objective"`
	Leg       string `json:"leg,omitempty"`
	Reason    string `json:"reason"`
}

func refused(all []alerts.Refusal) []refusedRule {
	out := []refusedRule{}
	for _, r := range all {
		out = append(out, refusedRule{r.Objective, r.Leg, r.Reason})
	}
	return out
}

// writeTree makes the folder hold the files, and says how many it changed. What is there and was never made by it is
// not touched.
func writeTree(ctx context.Context, s Streams, to string, files []artifact.File) (changed int, err error) {
	target, err := directory.New(directory.Config{Dir: to})
	if err != nil {
		return 0, err
	}
	plan, err := deploy.Make(ctx, to, target, files)
	if err != nil {
		return 0, fmt.Errorf("writing to %s: %w", to, err)
	}
	bar := newProgress(s.Err)
	defer bar.clear()
	err = deploy.Apply(ctx, target, plan, deploy.ApplyOptions{PruneAll: true, Progress: func(done, all int, _ *deploy.Step) {
		changed = done
		bar.show("writing", float64(done), float64(all))
	}})
	if err != nil {
		return changed, fmt.Errorf("writing to %s: %w", to, err)
	}
	return changed, nil
}
