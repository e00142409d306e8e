package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// shells are those that httpd completion writes a script for.
var shells = []string{"bash", "zsh", "fish", "powershell"}

// newCompletionCommand stands in for cobra's own, which answers a shell that it
// does not know, and none at all, by its help and exit code 0.
func newCompletionCommand() *cobra.Command {
	return &cobra.Command{
		Use:                   "completion SHELL",
		DisableFlagsInUseLine: true,
		Short:                 "Print a completion script for " + oneOf(shells),
		Long: `Print a script that has SHELL (` + oneOf(shells) + `) complete httpd's
commands and flags.`,
		Example: `  source <(httpd completion bash)               in this bash
  httpd completion fish | source                in this fish
  httpd completion zsh > "${fpath[1]}/_httpd"   in every zsh that starts from now on`,
		ValidArgs: shells,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return errors.New("completion needs a shell: " + oneOf(shells))
			case !slices.Contains(shells, args[0]):
				return fmt.Errorf("no completion for %q: want %s", args[0], oneOf(shells))
			case len(args) > 1:
				return errors.New("completion is for one shell at a time")
			}
			return nil
		},
		RunE: running(func(cmd *cobra.Command, args []string) error {
			return writeCompletion(cmd.Root(), args[0], cmd.OutOrStdout())
		}),
	}
}

func writeCompletion(root *cobra.Command, shell string, w io.Writer) error {
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(w, true)
	case "zsh":
		return root.GenZshCompletion(w)
	case "fish":
		return root.GenFishCompletion(w, true)
	default:
		return root.GenPowerShellCompletionWithDesc(w)
	}
}

// oneOf joins names for a sentence: "a, b or c".
func oneOf(names []string) string {
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
