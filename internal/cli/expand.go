package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/assayer-io/assayer/slo/spec"
)

func newExpand(s Streams) *cobra.Command {
	return &cobra.Command{
		Use: "expand FILE...", Short: "Print the OpenSLO documents that GoldenSignals documents stand for", Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			files, problems := spec.ReadGlobs(args, "")
			out, more := spec.Expand(files, spec.Options{})
			problems = append(problems, more...)
			if err := say(s, problems); err != nil {
				return err
			}
			if len(out) == 0 {
				return fmt.Errorf("nothing to expand: no document of kind GoldenSignals in %s", strings.Join(args, ", "))
			}
			_, err := s.Out.Write(out)
			return err
		},
	}
}
