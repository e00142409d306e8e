package reactor

import (
	"io"
	"log/slog"
	"time"
)

// LoopOption sets an option of NewEventLoop and of what creates loops.
type LoopOption func(*loopOptions)

type loopOptions struct {
	name       string
	poller     PollerKind
	lockThread bool
	watchdog   time.Duration
	logger     *slog.Logger
}

// DefaultWatchdog is how long a callback may hold its loop before it is reported.
const DefaultWatchdog = time.Second

func (o *loopOptions) apply(opts []LoopOption) {
	*o = loopOptions{name: "loop", watchdog: DefaultWatchdog, logger: slog.Default()}
	for _, opt := range opts {
		opt(o)
	}
}

// WithLoopName names the loop in logs. Default: "loop", and in a pool "loop-0",
// "loop-1" and so on.
func WithLoopName(name string) LoopOption { return func(o *loopOptions) { o.name = name } }

// WithPoller chooses the poller. Default: what the environment variable
// CARILLON_POLLER says, else epoll.
func WithPoller(kind PollerKind) LoopOption { return func(o *loopOptions) { o.poller = kind } }

// WithLockOSThread locks the loop's goroutine to its OS thread, for callbacks
// that need that (thread-local state of a C library, a CPU affinity). Off by
// default: a locked goroutine costs a thread switch each time it waits and each
// time it hands work to another goroutine.
func WithLockOSThread() LoopOption { return func(o *loopOptions) { o.lockThread = true } }

// WithWatchdog sets how long a callback may hold the loop before it is logged,
// once, with its stack, while it still runs. 0 switches the watchdog off.
// Default: DefaultWatchdog.
func WithWatchdog(d time.Duration) LoopOption { return func(o *loopOptions) { o.watchdog = d } }

// WithLoopLogger sets where the loop and what runs on it report. Default:
// slog.Default(); nil discards.
func WithLoopLogger(logger *slog.Logger) LoopOption {
	return func(o *loopOptions) { o.logger = orDiscard(logger) }
}

func orDiscard(logger *slog.Logger) *slog.Logger {
	if logger == nil {
		return slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	return logger
}
