// Httpd serves folders, and what other servers have, over HTTP/1.1 with Carillon.
//
//	httpd [--listen ADDR]... [DIR]
//	httpd -c httpd.toml
//	httpd demo
//
// Here is what a process does with its settings: daemon.go, from the start to the end, reload.go, on signals, admin.go, for the
// operator, and the commands, a file each. What the settings are is in internal/config, what is made of them in internal/vhost,
// and what they open in internal/listener.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// Exit codes, as getopt's users have them: the command could not do its work,
// or it was not called as it must be.
const (
	exitFailed = 1
	exitUsage  = 2
)

// run executes the command line and returns the exit code. Every failure is one
// line on stderr.
func run(args []string, stdout, stderr io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteC()
	if err == nil {
		return 0
	}
	text := strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", " ")
	var failed *runError
	if errors.As(err, &failed) {
		fmt.Fprintf(stderr, "httpd: %s\n", text)
		return exitFailed
	}
	fmt.Fprintf(stderr, "httpd: %s (see %s --help)\n", text, cmd.CommandPath())
	return exitUsage
}

// runError marks what failed while a command ran. What cobra finds in the
// arguments before is not marked, and so a usage error.
type runError struct{ error }

func (e *runError) Unwrap() error { return e.error }

// running adapts a command's function to cobra and marks its errors.
func running(f func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := f(cmd, args); err != nil {
			return &runError{err}
		}
		return nil
	}
}

func newRootCommand() *cobra.Command {
	root := newServeCommand("httpd")
	root.Version = version()
	root.SetVersionTemplate("httpd {{.Version}}\n")
	root.SilenceUsage = true
	root.SilenceErrors = true
	root.AddCommand(newServeCommand("serve"), newDemoCommand(), newCheckCommand(), newCompletionCommand(), newManCommand(), newVersionCommand(), newConfigHelp())
	root.SetHelpCommand(newHelpCommand())
	return root
}
