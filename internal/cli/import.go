package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/assayer-io/assayer/internal/convert"
	"github.com/assayer-io/assayer/internal/convert/openslo"
	"github.com/assayer-io/assayer/internal/convert/pyrra"
	"github.com/assayer-io/assayer/internal/convert/sloth"
	"github.com/assayer-io/assayer/internal/deploy"
	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/slo/spec"
)

type importFlags struct {
	from, out, window   string
	force, strict, json bool
}

func newImport(s Streams) *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use: "import FILE... --out DIR|-", Short: "Convert objectives of sloth, pyrra and OpenSLO into ours",
		Long: `Convert objectives of sloth (prometheus/v1, PrometheusServiceLevel), pyrra (ServiceLevelObjective) and OpenSLO (v1, v1alpha,
v2alpha) into OpenSLO v1 documents whose queries are streamed. What they do not say is told with the name of the loss. An objective that
cannot be converted is left out, and the others are written: exit code 2. With --strict any loss fails and nothing is written.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return importFiles(f, args, s) },
	}
	cmd.Flags().StringVar(&f.from, "from", "auto", "what the files are: sloth, pyrra, openslo or auto")
	cmd.Flags().StringVar(&f.out, "out", "-", "folder to write one file a document to, or - for standard output")
	cmd.Flags().StringVar(&f.window, "window", convert.DefaultWindow, "window of objectives that name none, as sloth's --default-slo-period")
	cmd.Flags().BoolVar(&f.force, "force", false, "write over files that are there")
	cmd.Flags().BoolVar(&f.strict, "strict", false, "fail on any loss")
	cmd.Flags().BoolVar(&f.json, "json", false, "print what was done as JSON; needs --out DIR")
	return cmd
}

// formats are those that --from allows.
func formats(from string) ([]convert.Format, error) {
	switch from {
	case "auto":
		return []convert.Format{sloth.Format(), pyrra.Format(), openslo.Format()}, nil
	case "sloth": // which reads one version of OpenSLO too
		return []convert.Format{sloth.Format(), openslo.V1Alpha()}, nil
	case "pyrra":
		return []convert.Format{pyrra.Format()}, nil
	case "openslo":
		return []convert.Format{openslo.Format()}, nil
	}
	return nil, fmt.Errorf("--from: got %q, allowed: sloth, pyrra, openslo, auto", from)
}

func importFiles(f importFlags, args []string, s Streams) error {
	known, err := formats(f.from)
	if err != nil {
		return err
	}
	if f.json && f.out == "-" {
		return errors.New("--json: standard output has the documents, allowed: with --out DIR")
	}
	files, problems := spec.ReadGlobs(args, "")
	for i := range problems {
		problems[i].Warning = false // what is named here is meant
	}
	result := convert.Convert(files, known, convert.Options{Window: f.window})
	result.Problems = append(problems, result.Problems...)
	failed := result.Problems.Err() != nil || f.strict && len(result.Notices) > 0 || result.Converted() == 0
	if !failed {
		if err := write(f, result.Outputs, s.Out); err != nil {
			return err
		}
	}
	if f.json {
		if err := reportImport(s.Out, result, !failed); err != nil {
			return err
		}
	} else {
		tellImport(s.Err, result, f.strict, !failed)
	}
	switch {
	case failed:
		return errSaid
	case result.Refused > 0:
		return errNo
	}
	return nil
}

func whyNothing(r convert.Result) string {
	switch {
	case r.Problems.Err() != nil:
		return count(r.Problems.Errors(), "error")
	case r.Converted() == 0:
		return "no document could be converted"
	}
	return count(len(r.Notices), "thing") + " would be lost, which --strict forbids"
}

// mostTold is how many problems and losses are printed: nobody reads more.
const mostTold = 1000

// tellImport prints every problem and loss, one a line, and what came of it if that is not all. In strict mode losses are
// errors.
func tellImport(w io.Writer, r convert.Result, strict, written bool) {
	all := append(problem.List{}, r.Problems...)
	for _, n := range r.Notices {
		n.Warning = !strict
		all = append(all, n.Problem)
	}
	all.Sort()
	for _, p := range all[:min(len(all), mostTold)] {
		fmt.Fprintln(w, p)
	}
	if len(all) > mostTold {
		fmt.Fprintf(w, "assayer: and %d more; --json lists all\n", len(all)-mostTold)
	}
	switch {
	case !written:
		fmt.Fprintln(w, "assayer: nothing was written: "+whyNothing(r))
	case r.Refused > 0:
		fmt.Fprintf(w, "assayer: %s written, and %s could not be converted\n", count(len(r.Objectives), "objective"), count(r.Refused, "document"))
	}
}

// reportImport prints the same as JSON, with all objectives' old and new names.
func reportImport(w io.Writer, r convert.Result, written bool) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(struct {
		Written    bool             `json:"written"`
		Refused    int              `json:"refused"` // documents, or parts of one, that could not be converted
		Objectives []convert.Made   `json:"objectives"`
		Losses     []convert.Notice `json:"losses"`
		Problems   problem.List     `json:"problems"`
	}{written, r.Refused, append([]convert.Made{}, r.Objectives...), append([]convert.Notice{}, r.Notices...), append(problem.List{}, r.Problems...)})
}

// write puts the documents to standard output or into a folder, where one that cannot be written leaves none.
func write(f importFlags, outputs []convert.Output, stdout io.Writer) error {
	if f.out == "-" {
		for i, o := range outputs {
			if i > 0 {
				if _, err := io.WriteString(stdout, "---\n"); err != nil {
					return err
				}
			}
			if _, err := stdout.Write(o.Data); err != nil {
				return err
			}
		}
		return nil
	}
	files := deploy.Files{Dir: f.out}
	names := make([]string, len(outputs))
	for i, o := range outputs {
		names[i] = o.File
	}
	objects, err := files.Objects(names, func(i int) []byte { return outputs[i].Data })
	if err == nil {
		err = files.WriteAll(objects, f.force)
	}
	if taken, ok := errors.AsType[*fs.PathError](err); ok && errors.Is(taken, fs.ErrExist) {
		return fmt.Errorf("nothing was written: %s is there already, allowed: another folder, or --force to write over it", taken.Path)
	}
	if err != nil {
		return fmt.Errorf("writing objectives: %w", err)
	}
	return nil
}
