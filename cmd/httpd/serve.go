package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"syscall"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/static"
	"github.com/spf13/cobra"
)

// newServeCommand is the root command: httpd without a subcommand serves files.
func newServeCommand() *cobra.Command {
	var s service
	cmd := &cobra.Command{
		Use:   "httpd [DIR]",
		Short: "Serve a folder over HTTP",
		Long: `Serve the files of DIR (by default, the current folder) over HTTP/1.1.

Hidden files are not served, and no link or path leads out of DIR. One line is
logged for each request. The first Ctrl-C (or SIGTERM) stops accepting and lets
running downloads end; the second stops at once.

A folder that is named like a subcommand is served as ./NAME.`,
		Example: `  httpd                                    serve this folder on port 8080
  httpd -l 127.0.0.1:3000 ~/public         another folder and address
  httpd -l :8080 -l unix:/run/httpd.sock   two listeners`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: running(func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			return serveFolder(cmd, &s, dir)
		}),
	}
	s.addFlags(cmd)
	return cmd
}

func serveFolder(cmd *cobra.Command, s *service, dir string) error {
	files, err := static.New(dir)
	if err != nil {
		return fmt.Errorf("cannot serve %s: %w", dir, plainCause(err))
	}
	defer files.Close()
	shown := dir
	if abs, err := filepath.Abs(dir); err == nil {
		shown = abs
	}
	return s.run(cmd, shown, func(*http.Server) http.Handler { return files.Serve })
}

// plainCause takes the system's own words out of an error, without the calls and
// paths that were put around them: the caller names those once, and better.
func plainCause(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}
