package main

import (
	"path/filepath"

	"github.com/spf13/cobra"
)

// newServeCommand is the root command: httpd without a subcommand serves. Under its own name it does the same.
func newServeCommand(use string) *cobra.Command {
	var f settingFlags
	var file string
	var more extras
	cmd := &cobra.Command{
		Use:   use + " [DIR]",
		Short: "Serve a folder, or the sites of a config, over HTTP",
		Long: `Serve the files of DIR (by default, the current folder) over HTTP/1.1, or the
sites of a config file: see httpd help config.

Hidden files are not served, and no link or path leads out of DIR. One line is
logged for each request. Every flag can be set by the environment as well:
--header-timeout is HTTPD_HEADER_TIMEOUT; a flag counts more than the
environment, and that more than a file.

The first Ctrl-C (or SIGTERM) stops accepting and lets running downloads end; the
second stops at once. SIGHUP reads the config anew, SIGUSR2 starts the binary
anew and hands it the listeners; neither loses a connection or a request.

A folder that is named like a subcommand is served as ./NAME.`,
		Example: `  httpd                                    serve this folder on port 8080
  httpd -l 127.0.0.1:3000 ~/public         another folder and address
  httpd -l :8080 -l unix:/run/httpd.sock   two listeners
  httpd --live --open site                 while one works on the pages
  httpd --upload=/incoming --archives      let files be added and folders be fetched
  httpd --fallback index.html dist         an application of one page
  httpd -c /etc/httpd.toml                 the sites of a config`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: running(func(cmd *cobra.Command, args []string) error {
			d := &daemon{cmd: cmd, source: f.source(file, folderOf(args)), extras: more}
			return d.run()
		}),
	}
	f.add(cmd)
	flags := cmd.Flags()
	addConfigFlag(cmd, &file)
	flags.BoolVar(&more.live, "live", false, "reload pages in the browser when a file changes")
	flags.BoolVar(&more.open, "open", false, "open the first address in a browser")
	flags.BoolVar(&more.qr, "qr", false, "show a QR code of the address for phones in the same network")
	return cmd
}

func addConfigFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVarP(file, "config", "c", "", "read the settings of `FILE`, a TOML file; HTTPD_CONFIG names one as well")
	_ = cmd.RegisterFlagCompletionFunc("config", cobra.FixedCompletions([]string{"toml"}, cobra.ShellCompDirectiveFilterFileExt))
}

func folderOf(args []string) string {
	if len(args) == 1 {
		return args[0]
	}
	return ""
}

// absolute is a path for people; where it cannot be made so, as it is.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
