package gen

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// patience is how long a connection, or an answer that is due, may take.
const patience = 20 * time.Second

// Engine is a loop that runs jobs, one after the other. One goroutine uses it.
type Engine struct {
	thread   *reactor.EventLoopThread
	loop     *reactor.EventLoop
	patience time.Duration
}

// New starts the loop. Whoever calls it calls Close.
func New() (*Engine, error) {
	e := &Engine{thread: reactor.NewEventLoopThread(reactor.WithLoopName("load"),
		reactor.WithWatchdog(0), reactor.WithLoopLogger(slog.New(slog.DiscardHandler))), patience: patience}
	var err error
	if e.loop, err = e.thread.StartLoop(); err != nil {
		return nil, fmt.Errorf("start the loop: %w", err)
	}
	return e, nil
}

// Close ends the loop.
func (e *Engine) Close() error { return e.thread.Stop() }

// Level is called when that many idle connections are there, and they stay until it
// returns.
type Level func(connections int) error

// Run does one job. When it returns all connections are closed. level may be nil for
// the kinds that have no levels.
func (e *Engine) Run(ctx context.Context, j Job, level Level) (Result, error) {
	if err := j.prepare(); err != nil {
		return Result{}, err
	}
	addr, err := reactor.ParseInetAddress(j.Addr)
	if err != nil {
		return Result{}, err
	}
	r, err := newRun(e.loop, addr, j, e.patience)
	if err != nil {
		return Result{}, err
	}
	result, err := r.measure(ctx, level)
	return result, errors.Join(err, r.close())
}

// measure opens the connections and has the load of its kind on them.
func (r *run) measure(ctx context.Context, level Level) (Result, error) {
	switch {
	case r.job.idles():
		return Result{}, r.hold(ctx, level)
	case r.job.Kind != Churn:
		if err := r.grow(ctx, r.job.Connections+r.job.Silent); err != nil {
			return Result{}, err
		}
	}
	if err := r.drive(ctx); err != nil {
		return Result{}, err
	}
	return r.result()
}

// hold opens idle connections level by level.
func (r *run) hold(ctx context.Context, level Level) error {
	for _, n := range r.job.Levels {
		if err := r.grow(ctx, n); err != nil {
			return err
		}
		if level == nil {
			continue
		}
		if err := level(n); err != nil {
			return err
		}
		select {
		case <-r.failed: // meanwhile
			return r.failure
		default:
		}
	}
	return nil
}
