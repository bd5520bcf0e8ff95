package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	promconfig "github.com/prometheus/common/config"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/assayer-io/assayer/internal/app"
	"github.com/assayer-io/assayer/internal/artifact"
	"github.com/assayer-io/assayer/internal/deploy"
	"github.com/assayer-io/assayer/internal/deploy/alertmanager"
	"github.com/assayer-io/assayer/internal/deploy/directory"
	"github.com/assayer-io/assayer/internal/deploy/grafana"
	"github.com/assayer-io/assayer/internal/deploy/prometheus"
	"github.com/assayer-io/assayer/internal/generate"
	"github.com/assayer-io/assayer/internal/problem"
)

// defaultConfig is the agent file when none is named.
const defaultConfig = "assayer.yaml"

// deployFlags say what is deployed where. Flags for one destination stand in for the agent file's section deploy.
type deployFlags struct {
	generateFlags
	from               string
	targets            []string
	dir                string
	rulesDir, rulesURL string
	grafanaURL, token  string
	amFile, amURL      string

	said *pflag.FlagSet // which flags were given
}

func (f *deployFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	f.said = flags
	f.register(flags)
	flags.StringVar(&f.from, "from", "", "deploy the files of this folder, as assayer generate wrote them, instead of generating")
	flags.StringArrayVar(&f.targets, "target", nil, "name of an entry of deploy; may be repeated (default: all)")
	flags.StringVar(&f.dir, "dir", "", "deploy to this folder alone")
	flags.StringVar(&f.rulesDir, "prometheus-rules-dir", "", "deploy to this folder of rule files alone; needs --prometheus-url")
	flags.StringVar(&f.rulesURL, "prometheus-url", "", "address of the Prometheus or vmalert that loads them")
	flags.StringVar(&f.grafanaURL, "grafana-url", "", "deploy to this Grafana alone")
	flags.StringVar(&f.token, "grafana-token-file", "", "file with the token of a service account")
	flags.StringVar(&f.amFile, "alertmanager-file", "", "deploy to this configuration file alone; needs --alertmanager-url")
	flags.StringVar(&f.amURL, "alertmanager-url", "", "address of the Alertmanager that loads it")
}

// one makes the destination that flags name; nil: they name none.
func (f *deployFlags) one() (*app.Destination, error) {
	kinds := map[string]string{"directory": f.dir, "prometheus": f.rulesDir + f.rulesURL, "grafana": f.grafanaURL + f.token, "alertmanager": f.amFile + f.amURL}
	kind := ""
	for _, k := range []string{"directory", "prometheus", "grafana", "alertmanager"} {
		if kinds[k] == "" {
			continue
		}
		if kind != "" {
			return nil, fmt.Errorf("flags for %s and %s: name one place, or write both into the agent file's section deploy", kind, k)
		}
		kind = k
	}
	if (f.rulesDir == "") != (f.rulesURL == "") || (f.amFile == "") != (f.amURL == "") {
		return nil, errors.New("--prometheus-rules-dir and --prometheus-url go together, and so do --alertmanager-file and --alertmanager-url")
	}
	var target deploy.Target
	var err error
	switch kind {
	case "":
		return nil, nil
	case "directory":
		target, err = directory.New(directory.Config{Dir: f.dir})
	case "prometheus":
		c := prometheus.Default()
		c.Dir, c.Server.URL = f.rulesDir, f.rulesURL
		target, err = prometheus.New(c)
	case "grafana":
		c := grafana.Default()
		c.Server.URL = f.grafanaURL
		c.Folder = cmp.Or(f.folder, c.Folder)
		if f.token != "" {
			c.Server.HTTP.Authorization = &promconfig.Authorization{Type: "Bearer", CredentialsFile: f.token}
		}
		target, err = grafana.New(c)
	case "alertmanager":
		c := alertmanager.Default()
		c.File, c.Server.URL = f.amFile, f.amURL
		target, err = alertmanager.New(c)
	}
	if problems, ok := errors.AsType[problem.List](err); ok {
		for i := range problems {
			problems[i].File = "command line"
		}
	}
	if err != nil {
		return nil, err
	}
	if len(f.targets) > 0 {
		return nil, errors.New("--target names entries of the agent file, and other flags name a place of their own: use one of the two")
	}
	to := app.NewDestination(kind, kind, target)
	return &to, nil
}

// placement is a destination with what belongs there.
type placement struct {
	app.Destination
	files []artifact.File
}

// read gives what is to be deployed, and where.
func (f *deployFlags) read(s Streams) ([]placement, error) {
	one, err := f.one()
	if err != nil {
		return nil, err
	}
	if err := f.idle(); err != nil {
		return nil, err
	}
	// Objectives, or generated files, and a place by flags need no agent file.
	if f.config == "" && (one == nil || f.from == "" && len(f.objectives) == 0) {
		f.config = defaultConfig
	}
	var destinations []app.Destination
	if one != nil {
		destinations = append(destinations, *one)
	} else {
		loaded, problems := app.Load(app.LoadOptions{Path: f.config, Folder: f.folder})
		if problems.Errors() > 0 {
			return nil, say(s, problems)
		}
		if destinations, err = loaded.Destinations(f.targets); err != nil {
			return nil, err
		}
	}
	if len(destinations) == 0 {
		return nil, fmt.Errorf("%s has no section deploy: write one, or name a place with --dir, --prometheus-rules-dir, --grafana-url or --alertmanager-file", f.config)
	}
	if destinations, err = f.taking(destinations); err != nil {
		return nil, err
	}
	if f.form != "" && !slices.ContainsFunc(destinations, func(d app.Destination) bool { return d.Form == "" }) {
		return nil, fmt.Errorf("--form %s: servers take the form files alone; leave it out, or deploy to a folder", f.form)
	}
	made := map[generate.Form][]artifact.File{}
	var places []placement
	for _, d := range destinations {
		if _, there := made[d.Form]; !there {
			if made[d.Form], err = f.files(d.Form, s); err != nil {
				return nil, err
			}
		}
		places = append(places, placement{d, made[d.Form]})
	}
	return places, nil
}

// idle refuses flags that would do nothing: what --from names was generated before.
func (f *deployFlags) idle() error {
	if f.from == "" {
		return nil
	}
	var made pflag.FlagSet
	(&generateFlags{}).register(&made)
	var idle []string
	f.said.Visit(func(flag *pflag.Flag) {
		if made.Lookup(flag.Name) != nil && flag.Name != "config" && flag.Name != "folder" { // those say where to, too
			idle = append(idle, "--"+flag.Name)
		}
	})
	if len(idle) > 0 {
		return fmt.Errorf("%s: nothing is generated with --from; leave one of the two out", strings.Join(idle, ", "))
	}
	return nil
}

// taking leaves out the places that take none of the parts that --parts names.
func (f *deployFlags) taking(all []app.Destination) ([]app.Destination, error) {
	if len(f.parts) == 0 {
		return all, nil
	}
	var out []app.Destination
	for _, d := range all {
		if slices.ContainsFunc(app.PartsOf(d.Kind), f.asks) {
			out = append(out, d)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("--parts %s: no place takes it; rules belong to Prometheus, dashboards and grafana-rules to Grafana, alertmanager to Alertmanager, and everything to a folder", strings.Join(f.parts, ","))
	}
	return out, nil
}

func (f *deployFlags) asks(p generate.Part) bool { return slices.Contains(f.parts, string(p)) }

// keeps reports whether something deployed stays though nothing was generated for it: --parts named others.
func (f *deployFlags) keeps(to app.Destination, kind, name string) bool {
	if len(f.parts) == 0 {
		return false
	}
	var of []generate.Part
	switch {
	case kind == grafana.KindDashboard:
		of = []generate.Part{generate.DashboardPart}
	case kind == grafana.KindRuleGroup:
		of = []generate.Part{generate.GrafanaRules}
	case to.Kind == "alertmanager":
		of = app.PartsOf(to.Kind)
	default:
		of = generate.PartsAt(name)
	}
	return slices.ContainsFunc(of, func(p generate.Part) bool { return !f.asks(p) })
}

// files reads or generates what is to be deployed.
func (f *deployFlags) files(form generate.Form, s Streams) ([]artifact.File, error) {
	if f.from != "" {
		return deploy.ReadFolder(f.from)
	}
	how := f.generateFlags
	how.whole = true
	if form != "" {
		how.form = string(form)
	}
	out, err := how.output(s)
	return out.Files, err
}

func newDiff(s Streams) *cobra.Command {
	var f deployFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use: "diff", Short: "Compare what is deployed with what is generated",
		Long: `Compare rule files, dashboards and Alertmanager's configuration as they are deployed with those that the
objectives give now. Nothing is changed. Secrets are not shown. Exit code 2 when there is a difference.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			places, err := f.read(s)
			if err != nil {
				return err
			}
			plans, err := f.plans(cmd.Context(), places, false)
			var told error
			if asJSON {
				told = json.NewEncoder(s.Out).Encode(map[string]any{"plans": plans})
			} else {
				told = printPlans(s.Out, plans)
			}
			if err = errors.Join(err, told); err != nil {
				return err
			}
			if slices.ContainsFunc(plans, deploy.Plan.Drifted) {
				return errNo
			}
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// plans makes the plan of every place that can be read; the others are the error.
func (f *deployFlags) plans(ctx context.Context, places []placement, pruneAll bool) ([]deploy.Plan, error) {
	plans := []deploy.Plan{}
	var errs []error
	for _, one := range places {
		p, err := deploy.Make(ctx, one.Name, one.Target, one.files)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", one.Name, err))
			continue
		}
		if !pruneAll {
			p.Keep(func(kind, name string) bool { return f.keeps(one.Destination, kind, name) })
		}
		p.Explain()
		plans = append(plans, p)
	}
	return plans, errors.Join(errs...)
}

// printPlans writes a table of what differs, then each difference.
func printPlans(out io.Writer, plans []deploy.Plan) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	var errs []error
	unchanged := 0
	for i, p := range plans {
		if i == 0 {
			errs = append(errs, row(w, "TARGET", "DO", "KIND", "NAME", "WHY"))
		}
		for _, s := range p.Steps {
			switch s.Op {
			case deploy.Unchanged:
				unchanged++
			case deploy.Kept:
			default:
				errs = append(errs, row(w, p.Target, string(s.Op), s.Kind, s.Name, s.Why))
			}
		}
		if p.Pending != "" {
			errs = append(errs, row(w, p.Target, "reload", "-", "-", p.Pending))
		}
	}
	drifted := slices.ContainsFunc(plans, deploy.Plan.Drifted)
	if drifted {
		errs = append(errs, w.Flush())
	}
	for _, p := range plans {
		for _, s := range p.Steps {
			if s.Diff != "" {
				fmt.Fprintln(out)
				errs = append(errs, row(out, p.Target+": "+string(s.Op)+" "+s.Kind+" "+s.Name))
				_, err := io.WriteString(out, s.Diff)
				errs = append(errs, err)
			}
		}
	}
	if len(plans) > 0 && !drifted {
		_, err := fmt.Fprintf(out, "no difference: %s as generated\n", count(unchanged, "object"))
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
