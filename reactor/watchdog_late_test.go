package reactor

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/petermattis/goid"
)

// TestWatchdogLooks drives a watchdog on a clock of the test's own.
func TestWatchdogLooks(t *testing.T) {
	var log bytes.Buffer
	l := &EventLoop{name: "slow", slow: 100 * ms, logger: slog.New(slog.NewTextHandler(&log, nil))}
	l.owner.Store(goid.Get())
	w := watchdog{loops: map[*EventLoop]*watched{l: {since: time.Now()}}}
	now := time.Now()
	look := func(after time.Duration) (reports int) {
		log.Reset()
		now = now.Add(after)
		w.look(now)
		return strings.Count(log.String(), "a callback holds its event loop")
	}
	expect := func(when string, after time.Duration, want int) {
		t.Helper()
		if got := look(after); got != want {
			t.Errorf("%s: %d reports, want %d", when, got, want)
		}
	}
	expect("a loop that has not begun", time.Hour, 0)
	l.pulse.beat()
	expect("a callback that has just begun", ms, 0)
	expect("not late yet", 99*ms, 0)
	expect("late", ms, 1)
	if !strings.Contains(log.String(), "TestWatchdogLooks") {
		t.Errorf("the stack is not the loop's:\n%s", log.String())
	}
	expect("later", time.Hour, 0) // once only
	l.pulse.beat()
	expect("the next callback", time.Hour, 0)
	for range 10 {
		l.pulse.beat()
		expect("one fast callback after the other", 60*ms, 0)
	}
	expect("the last of them is late", 100*ms, 1)
	l.pulse.rest()
	expect("the loop rests", time.Hour, 0)
	expect("for long", time.Hour, 0)
	l.pulse.beat()
	expect("awake again", 99*ms, 0)
	l.pulse.rest()
	l.pulse.beat()
	expect("another callback since", 99*ms, 0)
}

func TestWatchdogIsThereOnlyWhileItIsNeeded(t *testing.T) {
	watching := func() (loops int, running bool) {
		watchdogs.mu.Lock()
		defer watchdogs.mu.Unlock()
		return len(watchdogs.loops), watchdogs.stop != nil
	}
	if n, running := watching(); n != 0 || running {
		t.Fatalf("%d loops are watched before any runs, by a goroutine: %v", n, running)
	}
	off := NewEventLoopThread(WithWatchdog(0))
	if _, err := off.StartLoop(); err != nil {
		t.Fatal(err)
	}
	if n, running := watching(); n != 0 || running {
		t.Errorf("WithWatchdog(0): %d loops are watched, by a goroutine: %v", n, running)
	}
	on := NewEventLoopThread()
	if _, err := on.StartLoop(); err != nil {
		t.Fatal(err)
	}
	if n, running := watching(); n != 1 || !running {
		t.Errorf("by default: %d loops are watched, by a goroutine: %v", n, running)
	}
	for _, thread := range []*EventLoopThread{off, on} {
		if err := thread.Stop(); err != nil {
			t.Error(err)
		}
	}
	if n, running := watching(); n != 0 || running {
		t.Errorf("at the end %d loops are watched, by a goroutine: %v", n, running)
	}
}

// Loops that come and go must not keep the watchdog from ever looking: its rhythm
// changes only with the shortest threshold.
func TestWatchdogKeepsItsRhythm(t *testing.T) {
	w := watchdog{loops: make(map[*EventLoop]*watched)}
	slow, other, quick := &EventLoop{slow: time.Hour}, &EventLoop{slow: 2 * time.Hour}, &EventLoop{slow: time.Minute}
	w.watch(slow)
	first := w.stop
	w.watch(other)
	w.forget(other)
	if w.stop != first {
		t.Error("a loop with a longer threshold began the wait anew")
	}
	w.watch(quick)
	if w.stop == first {
		t.Error("a loop with a shorter threshold is looked at too seldom")
	}
	w.forget(quick)
	w.forget(slow)
	if w.stop != nil {
		t.Error("the goroutine runs on without a loop")
	}
}

func TestCallbackName(t *testing.T) {
	const run = "github.com/carillon-go/carillon/reactor.(*EventLoop).run(0xc000)\n\t/x/event_loop.go:1\n"
	for _, c := range []struct{ name, stack, want string }{
		{"a functor", "main.work(...)\n\t/x/main.go:1\nmain.main.func1()\n\t/x/main.go:2\n" + run, "main.main.func1"},
		{"through the reactor", "time.Sleep(0x1)\n\t/x\nmain.(*chat).message(0xc0, {0x1, 0x2})\n\t/x\n" +
			"github.com/carillon-go/carillon/reactor.(*TcpConnection).deliver(0xc0)\n\t/x\n" + run, "main.(*chat).message"},
		{"not beyond run", run + "main.main()\n\t/x\n", "unknown"},
		{"nothing known", "", "unknown"},
	} {
		if got := callbackName("goroutine 7 [running]:\n" + c.stack); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
