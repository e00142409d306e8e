package main

import (
	"bytes"
	"context"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/carillon-go/carillon/cmd/httpd/internal/listener"
	"github.com/carillon-go/carillon/cmd/httpd/internal/monitor"
	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
)

// admin is a server of its own beside the daemon's, for the operator: health, metrics, and a page with the figures of the
// last minutes.
type admin struct {
	d        *daemon
	app      *http.App
	set      *metrics.Set
	recorder *monitor.Recorder
	sampler  *monitor.Sampler // once it listens
}

func newAdmin(d *daemon) *admin {
	a := &admin{d: d, app: http.New(), set: metrics.NewSet(), recorder: &monitor.Recorder{}}
	a.app.Server.Loops = 1
	a.app.Server.Logger = d.access.logger
	if d.secure != nil {
		a.app.Server.TLS = d.secure.Server()
	}
	a.set.NewGauge("http_connections", func() float64 { return float64(d.server.ConnectionCount()) })
	return a
}

// around counts the requests of the sites.
func (a *admin) around() []http.Middleware {
	return []http.Middleware{a.recorder.Middleware, middleware.Metrics(a.set)}
}

// listen opens the admin's addresses and serves there what concerns those that are bound.
func (a *admin) listen(ctx context.Context, bound []listener.Bound) error {
	var where []string
	for _, b := range bound {
		where = append(where, b.String())
	}
	a.sampler = monitor.NewSampler(a.recorder, a.d.server, moduleVersion(), where)
	a.app.Use(middleware.Health("/-/health"))
	a.app.Get("/-/metrics", a.metrics)
	a.sampler.Register(a.app)
	for _, addr := range a.d.config.Admin {
		at, err := a.d.listeners.Open(ctx, &a.app.Server, addr)
		if err != nil {
			return err
		}
		for _, b := range at {
			a.d.access.logger.Info("admin", "address", b.String())
		}
	}
	return a.app.Start()
}

// metrics answers with what was counted, and with what the process is.
func (a *admin) metrics(c *http.Ctx) error {
	var b bytes.Buffer
	a.set.WritePrometheus(&b)
	metrics.WriteProcessMetrics(&b)
	if err := c.SetHeader("Cache-Control", "no-store"); err != nil {
		return err
	}
	return c.Blob(200, "text/plain; version=0.0.4; charset=utf-8", b.Bytes())
}

// close ends it. A page that is open finds the next process by itself.
func (a *admin) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = a.app.Shutdown(ctx) // nothing that it does could be lost
	if a.sampler != nil {
		a.sampler.Close()
	}
}
