package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/carillon-go/carillon/cmd/httpd/internal/config"
	"github.com/carillon-go/carillon/cmd/httpd/internal/listener"
	"github.com/carillon-go/carillon/cmd/httpd/internal/live"
	"github.com/carillon-go/carillon/cmd/httpd/internal/secure"
	"github.com/carillon-go/carillon/cmd/httpd/internal/vhost"
	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/proxyproto"
)

// daemon is a process that serves: from its settings to its end by a signal. One goroutine.
type daemon struct {
	cmd    *cobra.Command
	source *config.Source
	what   string // for people; "" for what the config says
	// handler makes what is served; nil for the sites of the config.
	handler func(*http.Server) http.Handler
	extras  extras

	config    *config.Config
	access    *accessLog
	server    *http.Server
	sites     servedSites
	listeners *listener.Set
	secure    *secure.TLS    // nil without
	port      int            // of HTTPS, that is redirected to
	admin     *admin         // nil without
	reloader  *live.Reloader // nil without
}

// extras are for a person who works with httpd.
type extras struct{ live, qr, open bool }

// drainIdle is how long a connection that waits for a request is left open when another process takes over: a request that is just on
// its way must not be lost.
const drainIdle = 3 * time.Second

func (d *daemon) run() (err error) {
	// Before anything is announced, so that no signal is lost.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR2)
	defer signal.Stop(signals)
	// Go ends a process that writes to a closed stdout or stderr, unless SIGPIPE is
	// ignored. Losing the reader of a log is no reason to stop serving.
	signal.Ignore(syscall.SIGPIPE)

	d.listeners = listener.Inherit()
	if d.config, err = d.source.Load(); err != nil {
		return err
	}
	d.access = newAccessLog(d.config.Log.Value, d.cmd.ErrOrStderr())
	defer d.access.close()
	d.server = d.newServer()
	bound, err := d.start()
	if err != nil {
		d.closeExtras()
		d.listeners.Close(false)
		return errors.Join(err, stopNow(d.server))
	}
	d.announce(bound)
	d.ready()
	return d.serve(signals)
}

// newServer makes the server of the settings; what it serves comes later.
func (d *daemon) newServer() *http.Server {
	c := d.config
	loops := int(c.Loops)
	if loops == 0 {
		loops = runtime.GOMAXPROCS(0)
	}
	return &http.Server{
		Limits: http.Limits{MaxBody: maxBody}, Logger: d.access.logger, Loops: loops, Refused: d.access.refused(),
		MaxConnections: int(c.MaxConnections), ErrorHandler: errorAnswer,
		HeaderTimeout: time.Duration(c.HeaderTimeout), BodyTimeout: time.Duration(c.BodyTimeout),
		IdleTimeout: time.Duration(c.IdleTimeout), WriteTimeout: time.Duration(c.WriteTimeout),
	}
}

// maxBody bounds the body of a request, in bytes, where no site says otherwise: a form's worth is let through to the 405 or
// the answer that the method has; what is larger is refused by 413.
const maxBody = 4 << 10

// errorAnswer answers for an upstream by a problem document, which programs ask for, and for all else by a line.
func errorAnswer(c *http.Ctx, e *http.Error) error {
	if e.Code == 502 || e.Code == 504 {
		return http.ProblemErrors(c, e)
	}
	return http.TextErrors(c, e)
}

// start opens everything that a request needs, and begins to serve.
func (d *daemon) start() ([]listener.Bound, error) {
	if d.extras.live {
		d.reloader = live.New(d.access.logger)
	}
	if err := d.openTLS(); err != nil {
		return nil, err
	}
	if d.handler == nil && len(d.config.Admin) > 0 {
		d.admin = newAdmin(d)
	}
	if d.handler != nil {
		d.server.Handler = d.access.wrap(d.handler(d.server), d.secure.Middleware(d.config, d.redirectPort(d.config))...)
	} else if err := d.setSites(d.config); err != nil {
		return nil, err
	}
	var opts []http.ListenOption
	if p := d.config.ProxyProtocol; len(p) > 0 {
		opts = append(opts, proxyproto.Accept(p...))
	}
	var bound []listener.Bound
	for _, addr := range d.config.Listen {
		at, err := d.listeners.Open(d.cmd.Context(), d.server, addr, opts...)
		if err != nil {
			return nil, err
		}
		bound = append(bound, at...)
	}
	if d.admin != nil {
		if err := d.admin.listen(d.cmd.Context(), bound); err != nil {
			return nil, err
		}
	}
	for _, name := range d.listeners.Unused() {
		d.access.logger.Warn("a socket that was handed over is not in the config, and is closed", "address", name)
	}
	for _, b := range bound {
		if b.Secure && d.port == 0 && !b.IsUnix() {
			d.port = int(b.AddrPort().Port())
		}
	}
	d.startTLS()
	return bound, d.server.Start()
}

// setSites has the server serve the sites of c from the next request on. After an error it serves what it did before.
func (d *daemon) setSites(c *config.Config) error {
	o := vhost.Options{Around: d.access.around(), Behind: d.secure.Middleware(c, d.redirectPort(c))}
	if d.admin != nil {
		o.Around = append(o.Around, d.admin.around()...)
	}
	if d.reloader != nil {
		o.Live = d.reloader.Middleware
	}
	sites, err := vhost.Build(c, o)
	if err != nil {
		return d.source.Locate(err)
	}
	if d.reloader != nil { // behind what else can be wrong: the folders of before are watched until there are others
		if err := d.reloader.Watch(roots(c)...); err != nil {
			sites.Close()
			return fmt.Errorf("cannot watch for changes: %w", vhost.Plain(err))
		}
	}
	d.sites.set(d.server, sites)
	return nil
}

func roots(c *config.Config) (list []string) {
	if c.Root != "" {
		list = append(list, string(c.Root))
	}
	for i := range c.Sites {
		if r := c.Sites[i].Root; r != "" {
			list = append(list, string(r))
		}
	}
	return list
}

// serve waits for signals and does what they ask for.
func (d *daemon) serve(signals <-chan os.Signal) error {
	for s := range signals {
		switch s {
		case syscall.SIGHUP:
			d.reload()
		case syscall.SIGUSR2:
			if d.replace() {
				return d.retire(signals)
			}
		default:
			return d.stop(signals)
		}
	}
	return nil
}

// stop lets running requests end for as long as the settings say; a second signal ends them.
func (d *daemon) stop(signals <-chan os.Signal) error {
	notify("STOPPING=1")
	d.access.logger.Info("stopping", "connections", d.server.ConnectionCount())
	d.listeners.Close(false) // first: as long as one descriptor is open, the kernel accepts what nobody will serve
	return d.end(signals, 0)
}

// retire does the same for a process that another has taken over from.
func (d *daemon) retire(signals <-chan os.Signal) error {
	d.listeners.Close(true)
	return d.end(signals, drainIdle)
}

func (d *daemon) end(signals <-chan os.Signal, idle time.Duration) error {
	drain := time.Duration(d.config.Drain)
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for {
			select {
			case s := <-signals:
				if s == os.Interrupt || s == syscall.SIGTERM {
					cancel()
					return
				}
			case <-ended:
				return
			}
		}
	}()
	err := d.server.Retire(ctx, min(idle, drain/2))
	d.sites.close()
	d.closeExtras()
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("stopped by a second signal before all requests had ended")
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("stopped before all requests had ended: they took longer than %v (--drain)", drain)
	}
	return err
}

func (d *daemon) closeExtras() {
	if d.admin != nil {
		d.admin.close()
	}
	if d.reloader != nil {
		_ = d.reloader.Close() // it only ends watching
	}
	if d.secure != nil {
		d.secure.Close()
	}
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

// announce prints what is served and where.
func (d *daemon) announce(bound []listener.Bound) {
	var list []string
	for _, addr := range bound {
		list = append(list, urls(addr)...)
	}
	text := fmt.Sprintf("Carillon serves %s\n", d.describe())
	for _, url := range list {
		text += "  " + url + "\n"
	}
	if d.secure != nil && d.secure.Fingerprint() != "" {
		text += "Self-signed certificate, SHA-256 " + d.secure.Fingerprint() + "\n"
	}
	if d.extras.qr {
		text += qrCode(outermost(list))
	}
	_, _ = io.WriteString(d.cmd.OutOrStdout(), text+"Ctrl-C stops.\n") // nobody may be listening
	if d.extras.open {
		if err := openBrowser(list[0]); err != nil {
			d.access.logger.Warn("cannot open a browser", "error", err)
		}
	}
}

// describe says what is served, for people.
func (d *daemon) describe() string {
	c := d.config
	switch {
	case d.what != "":
		return d.what
	case len(c.Sites) == 0 && c.Root != "":
		return absolute(string(c.Root))
	case len(c.Sites) == 0:
		return "what " + d.source.File + " says"
	}
	var hosts []string
	for i := range c.Sites {
		hosts = append(hosts, c.Sites[i].Hosts...)
	}
	return strings.Join(hosts, ", ")
}
