package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// newManCommand writes the manual pages, of the same texts as the help.
func newManCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man [DIR]",
		Short: "Print the manual page, or write those of all commands to a folder",
		Example: `  httpd man | man -l -
  httpd man /usr/local/share/man/man1`,
		Args: cobra.MaximumNArgs(1),
		RunE: running(func(cmd *cobra.Command, args []string) error {
			header := &doc.GenManHeader{Section: "1", Source: "httpd " + moduleVersion(), Manual: "Carillon"}
			root := cmd.Root()
			root.DisableAutoGenTag = true // a page that was made of the same binary is the same
			if len(args) == 0 {
				return doc.GenMan(root, header, cmd.OutOrStdout())
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("cannot write manual pages: %w", err)
			}
			return doc.GenManTree(root, header, args[0])
		}),
	}
}

// newVersionCommand prints what --version does.
func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "version",
		Short:             "Print the version",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: running(func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "httpd %s\n", version())
			return err
		}),
	}
}
