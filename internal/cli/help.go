package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/assayer-io/assayer/internal/strictyaml"
)

// explain makes every command say what to write instead when it is called wrongly.
func explain(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	root.SetFlagErrorFunc(explainFlag)
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			walk(sub)
		}
		if c.HasSubCommands() {
			c.Args = explainCommand
			c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
			return
		}
		check := c.Args
		c.Args = func(cmd *cobra.Command, args []string) error {
			if check != nil && check(cmd, args) != nil {
				return fmt.Errorf("%s: got %s, allowed: %s", cmd.CommandPath(), count(len(args), "argument"), cmd.UseLine())
			}
			return nil
		}
	}
	walk(root)
}

// explainCommand refuses what stands where a command belongs.
func explainCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var known []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			known = append(known, c.Name())
		}
	}
	return fmt.Errorf("unknown command %q of %s%s, allowed: %s", args[0], cmd.CommandPath(), strictyaml.DidYouMean(args[0], known), strings.Join(known, ", "))
}

// explainFlag adds to what is wrong with a flag which flags there are.
func explainFlag(cmd *cobra.Command, err error) error {
	hint := ""
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		var known []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, "--"+f.Name) })
		hint = strictyaml.DidYouMean(unknown.GetSpecifiedName(), known)
	}
	return fmt.Errorf("%w%s (all flags: %s --help)", err, hint, cmd.CommandPath())
}

// row writes one line of a table. What cells hold came from elsewhere, in part from servers that
// hooks call; it must not move the cursor or break the columns.
func row(w io.Writer, cells ...string) error {
	for i, cell := range cells {
		cells[i] = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return ' '
			}
			return r
		}, cell)
	}
	_, err := fmt.Fprintln(w, strings.Join(cells, "\t"))
	return err
}
