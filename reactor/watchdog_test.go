package reactor_test

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/reactor"
)

// lateLog is a slog.Handler that keeps what the watchdog says, and can be waited for.
type lateLog struct {
	mu      sync.Mutex
	reports []map[string]string
	first   chan struct{}
}

func newLateLog() *lateLog { return &lateLog{first: make(chan struct{})} }

func (h *lateLog) Enabled(context.Context, slog.Level) bool { return true }
func (h *lateLog) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h *lateLog) WithGroup(string) slog.Handler            { return h }

func (h *lateLog) Handle(_ context.Context, r slog.Record) error {
	report := map[string]string{"message": r.Message, "level": r.Level.String()}
	r.Attrs(func(a slog.Attr) bool {
		report[a.Key] = a.Value.String()
		return true
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reports = append(h.reports, report)
	if len(h.reports) == 1 {
		close(h.first)
	}
	return nil
}

func (h *lateLog) all() []map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reports
}

// holdTheLoop is what the watchdog must name. It ends when it has been reported:
// only a report that comes while it runs lets the test go on.
func holdTheLoop(reported <-chan struct{}) {
	select {
	case <-reported:
	case <-time.After(20 * time.Second):
	}
}

// TestPromise8LateCallbackIsReportedWhileItRuns, whichever way it was called.
func TestPromise8LateCallbackIsReportedWhileItRuns(t *testing.T) {
	for _, c := range []struct {
		name, named string
		hold        func(t *testing.T, loop *reactor.EventLoop, f func())
	}{
		{"functor", "TestPromise8", func(t *testing.T, loop *reactor.EventLoop, f func()) {
			if err := loop.QueueInLoop(f); err != nil {
				t.Error(err)
			}
		}},
		{"timer", "TestPromise8", func(t *testing.T, loop *reactor.EventLoop, f func()) { loop.RunAfter(0, f) }},
		{"channel", "holdByChannel", holdByChannel},
		{"connection at the loop's end", "holdByLastConnection", holdByLastConnection},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := newLateLog()
			thread := reactor.NewEventLoopThread(reactor.WithLoopName("slow loop"),
				reactor.WithWatchdog(20*time.Millisecond), reactor.WithLoopLogger(slog.New(log)))
			loop, err := thread.StartLoop()
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			c.hold(t, loop, func() { defer close(ended); holdTheLoop(log.first) })
			<-ended
			select {
			case <-log.first:
			default:
				t.Error("the callback was not reported while it ran")
			}
			if err := thread.Stop(); err != nil {
				t.Fatal(err)
			}
			reports := log.all()
			if len(reports) != 1 {
				t.Fatalf("reported %d times, want once: %v", len(reports), reports)
			}
			r := reports[0]
			if r["loop"] != "slow loop" || r["longer_than"] != "20ms" || r["level"] != "WARN" {
				t.Errorf("reported as %v", r)
			}
			if !strings.Contains(r["callback"], c.named) {
				t.Errorf("the callback is named %q, want %s", r["callback"], c.named)
			}
			if !strings.Contains(r["stack"], "reactor_test.holdTheLoop") {
				t.Errorf("the stack does not show what holds the loop:\n%s", r["stack"])
			}
		})
	}
}

func holdByChannel(t *testing.T, loop *reactor.EventLoop, f func()) {
	fd, err := unix.Eventfd(1, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC) // readable at once
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	err = loop.QueueInLoop(func() {
		var channel *reactor.Channel
		channel = reactor.NewChannel(loop, fd, reactor.ReadHandler(func() {
			if err := channel.Remove(); err != nil {
				t.Error(err)
			}
			f()
		}))
		if err := channel.EnableReading(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// holdByLastConnection has a connection that the loop closes when it quits.
func holdByLastConnection(t *testing.T, loop *reactor.EventLoop, f func()) {
	addr, err := reactor.ParseInetAddress("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	up := make(chan struct{})
	server, err := reactor.NewTcpServer(loop, addr, &reactor.Callbacks{
		Connection: func(c *reactor.TcpConnection) {
			if c.Connected() {
				close(up)
				return
			}
			f()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("tcp", server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	<-up
	t.Cleanup(func() {
		client.Close()
		if err := server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	loop.Quit()
}

// A log handler that needs the loops' own bookkeeping, here by starting a loop
// with a watchdog, does not stand in its own way.
func TestWatchdogReportsWithoutALock(t *testing.T) {
	reported := make(chan struct{})
	handler := handlerFunc(func() {
		other := reactor.NewEventLoopThread()
		if _, err := other.StartLoop(); err != nil {
			t.Error(err)
		}
		if err := other.Stop(); err != nil {
			t.Error(err)
		}
		close(reported)
	})
	thread := reactor.NewEventLoopThread(reactor.WithWatchdog(10*time.Millisecond), reactor.WithLoopLogger(slog.New(handler)))
	loop, err := thread.StartLoop()
	if err != nil {
		t.Fatal(err)
	}
	if err := loop.RunInLoop(func() { holdTheLoop(reported) }); err != nil {
		t.Error(err)
	}
	<-reported
	if err := thread.Stop(); err != nil {
		t.Error(err)
	}
}

type handlerFunc func()

func (f handlerFunc) Enabled(context.Context, slog.Level) bool { return true }
func (f handlerFunc) WithAttrs([]slog.Attr) slog.Handler       { return f }
func (f handlerFunc) WithGroup(string) slog.Handler            { return f }
func (f handlerFunc) Handle(context.Context, slog.Record) error {
	f()
	return nil
}
