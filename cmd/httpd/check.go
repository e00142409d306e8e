package main

import (
	"github.com/spf13/cobra"

	"github.com/carillon-go/carillon/cmd/httpd/internal/config"
	"github.com/carillon-go/carillon/cmd/httpd/internal/vhost"
)

// newCheckCommand says whether httpd could start with these settings, and what they are.
func newCheckCommand() *cobra.Command {
	var f settingFlags
	var file string
	cmd := &cobra.Command{
		Use:   "check [DIR]",
		Short: "Check a config, and print what holds",
		Long: `Read the settings as httpd would, from flags, the environment and the config,
check them, folders, password files and upstreams included, and print what holds
as a config that says the same. Nothing is listened on.`,
		Example: `  httpd check -c /etc/httpd.toml && systemctl reload httpd`,
		Args:    cobra.MaximumNArgs(1),
		RunE: running(func(cmd *cobra.Command, args []string) error {
			source := f.source(file, folderOf(args))
			c, err := source.Load()
			if err != nil {
				return err
			}
			sites, err := vhost.Build(c, vhost.Options{})
			if err != nil {
				return source.Locate(err)
			}
			sites.Close()
			return c.Print(cmd.OutOrStdout())
		}),
	}
	f.add(cmd)
	addConfigFlag(cmd, &file)
	return cmd
}

// newConfigHelp is the topic "config" of the help.
func newConfigHelp() *cobra.Command {
	text := `A config is a TOML file. What stands outside of a [[site]] is for all hosts that no
site has, and for the process as a whole. Paths are relative to the file.

  listen = [":80"]
  admin  = ["127.0.0.1:9090"]

  [[site]]
  hosts = ["example.com", "*.example.com"]
  root  = "/srv/www"

  fallback = "index.html"    # for an application of one page
  upload   = ["/incoming"]   # where files may be put

  [[site.cache_control]]
  files = ["/assets/"]
  value = "public, max-age=31536000, immutable"

  [[site.error_page]]
  codes = [404, "5xx"]
  file  = "/error.html"

  [[site.redirect]]
  from = "/blog/{path...}"
  to   = "/news/{path}"

  [[site.header]]
  path = "/app/"
  set  = { "X-Frame-Options" = "DENY" }

  [[site.auth]]
  path  = "/admin/"
  users = { "alice" = "$2y$10$..." }    # htpasswd -nB alice

  [[site.proxy]]
  path  = "/api/"
  to    = ["http://127.0.0.1:3000"]
  strip = "/api"

Patterns are those of Go's ServeMux: /a/ is all below /a, {name} a segment,
{name...} the rest, {$} the end. All keys:

`
	for _, k := range config.Keys() {
		text += "  " + k.Path + "\n        " + k.Doc + "\n"
	}
	return &cobra.Command{Use: "config", Short: "How a config is written", Long: text}
}
