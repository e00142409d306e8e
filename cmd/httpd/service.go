package main

import (
	"github.com/spf13/cobra"

	"github.com/carillon-go/carillon/http"
)

// service is a serving command without a config file: one handler, and the settings of listeners, log and end.
type service struct{ settingFlags }

func (s *service) addFlags(cmd *cobra.Command) {
	s.add(cmd, "listen", "log", "drain", "tls_self_signed", "tls_cert", "tls_key")
}

// run serves what handler returns until a signal stops it. It prints what it serves and every URL, in that order, when all
// of them can be used.
func (s *service) run(cmd *cobra.Command, what string, handler func(*http.Server) http.Handler) error {
	source := s.source("", "")
	source.File = "" // a demo has nothing that a file could say
	d := &daemon{cmd: cmd, source: source, what: what, handler: handler}
	return d.run()
}
