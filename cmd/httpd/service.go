package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/reactor"
	"github.com/spf13/cobra"
)

// service is what every serving command has in common: the listeners, the log,
// and how it stops. Its fields are flags.
type service struct {
	listen listenFlag
	log    logFormat
	drain  time.Duration
}

func (s *service) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	s.log = logText
	flags.VarP(&s.listen, "listen", "l", "listen on `ADDR`: HOST:PORT, :PORT or unix:/path; may be repeated (default "+defaultListen+")")
	flags.Var(&s.log, "log", "`format` of the request log on stderr: text or off")
	flags.DurationVar(&s.drain, "drain", 10*time.Second, "how long running requests may take to end when httpd stops")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if s.drain < 0 {
			return fmt.Errorf("--drain %v is below zero", s.drain)
		}
		return nil
	}
	_ = cmd.RegisterFlagCompletionFunc("listen", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("drain", cobra.NoFileCompletions)
	_ = cmd.RegisterFlagCompletionFunc("log", cobra.FixedCompletions(logFormats, cobra.ShellCompDirectiveNoFileComp))
}

// maxBody bounds the body of a request, in bytes: none that httpd serves has a
// use for one. A form's worth is let through to the 405 or the answer that the
// method has; what is larger is refused by 413.
const maxBody = 4 << 10

// run serves what handler returns until a signal stops it. It prints what it
// serves and every URL, in that order, when all of them can be used.
func (s *service) run(cmd *cobra.Command, what string, handler func(*http.Server) http.Handler) error {
	// Before anything is announced, so that no signal is lost.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	// Go ends a process that writes to a closed stdout or stderr, unless SIGPIPE is
	// ignored. Losing the reader of a log is no reason to stop serving.
	signal.Ignore(syscall.SIGPIPE)

	access := newAccessLog(s.log, cmd.ErrOrStderr())
	defer access.close()

	server := &http.Server{
		Limits:  http.Limits{MaxBody: maxBody},
		Logger:  access.logger,
		Loops:   runtime.GOMAXPROCS(0),
		Refused: access.refused(),
	}
	server.Handler = access.wrap(handler(server))
	bound, err := s.listenAll(cmd.Context(), server)
	if err != nil {
		return errors.Join(err, stopNow(server))
	}
	if err := server.Start(); err != nil {
		return err
	}
	announce(cmd.OutOrStdout(), what, bound)

	<-signals
	return s.stop(server, signals, access.logger)
}

func (s *service) listenAll(ctx context.Context, server *http.Server) ([]reactor.InetAddress, error) {
	wanted := s.listen
	if len(wanted) == 0 {
		wanted = listenFlag{defaultListen}
	}
	var bound []reactor.InetAddress
	for _, addr := range wanted {
		resolved, err := reactor.ResolveInetAddress(ctx, addr)
		if err != nil {
			return nil, fmt.Errorf("cannot listen on %s: %w", addr, err)
		}
		at, err := server.Listen(resolved.String())
		if err != nil {
			return nil, fmt.Errorf("cannot listen on %s: %w", addr, plainCause(err))
		}
		bound = append(bound, at)
	}
	return bound, nil
}

// stop lets running requests end for s.drain; a second signal ends them.
func (s *service) stop(server *http.Server, signals <-chan os.Signal, logger *slog.Logger) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.drain)
	defer cancel()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-signals:
			cancel()
		case <-ended:
		}
	}()
	logger.Info("stopping", "connections", server.ConnectionCount())
	err := server.Shutdown(ctx)
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("stopped by a second signal before all requests had ended")
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("stopped before all requests had ended: they took longer than %v (--drain)", s.drain)
	}
	return err
}

// stopNow gives back what a server that was never started holds.
func stopNow(server *http.Server) error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := server.Shutdown(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func announce(w io.Writer, what string, bound []reactor.InetAddress) {
	text := fmt.Sprintf("Carillon serves %s\n", what)
	for _, addr := range bound {
		for _, url := range urls(addr) {
			text += "  " + url + "\n"
		}
	}
	io.WriteString(w, text+"Ctrl-C stops.\n")
}
