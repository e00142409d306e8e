package reactor

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// pulse tells a watchdog what a loop does: the count is odd while a callback runs
// and changes with each one; it is even while the loop waits. One goroutine
// writes, so it needs no read-modify-write.
type pulse struct{ count atomic.Uint64 }

func (p *pulse) beat() { p.count.Store((p.count.Load() + 2) | 1) }
func (p *pulse) rest() { p.count.Store((p.count.Load() + 2) &^ 1) }

// watchdog looks at the pulse of every running loop. It is one goroutine for the
// process, there only while a loop is watched, and it wakes four times within the
// shortest threshold.
type watchdog struct {
	mu    sync.Mutex
	loops map[*EventLoop]*watched
	every time.Duration // how often the goroutine looks; 0: there is none
	stop  chan struct{}
}

type watched struct {
	seen     uint64
	since    time.Time
	reported bool
}

var watchdogs = watchdog{loops: make(map[*EventLoop]*watched)}

const watchesPerThreshold = 4

func (w *watchdog) watch(l *EventLoop) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loops[l] = &watched{since: time.Now()}
	w.adjustLocked()
}

func (w *watchdog) forget(l *EventLoop) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.loops, l)
	w.adjustLocked()
}

// adjustLocked replaces the goroutine by one that wakes as often as the loops of
// now need, or by none. Where that is as often as before it is left alone: loops
// that come and go would keep it from ever looking.
func (w *watchdog) adjustLocked() {
	shortest := neverArmed
	for l := range w.loops {
		shortest = min(shortest, l.slow)
	}
	every := max(shortest/watchesPerThreshold, time.Millisecond)
	if len(w.loops) == 0 {
		every = 0
	}
	if every == w.every {
		return
	}
	if w.stop != nil {
		close(w.stop)
		w.stop = nil
	}
	if w.every = every; every > 0 {
		w.stop = make(chan struct{})
		go w.run(every, w.stop)
	}
}

func (w *watchdog) run(every time.Duration, stop chan struct{}) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case now := <-ticker.C:
			w.look(now)
		}
	}
}

func (w *watchdog) look(now time.Time) {
	for _, l := range w.late(now) {
		report(l)
	}
}

// late returns the loops that have been in one callback for too long and were not
// reported for it yet.
func (w *watchdog) late(now time.Time) []*EventLoop {
	w.mu.Lock()
	defer w.mu.Unlock()
	var late []*EventLoop
	for l, seen := range w.loops {
		count := l.pulse.count.Load()
		switch {
		case count != seen.seen:
			*seen = watched{seen: count, since: now}
		case count&1 == 1 && !seen.reported && now.Sub(seen.since) >= l.slow:
			seen.reported = true
			late = append(late, l)
		}
	}
	return late
}

// report logs the callback that holds l, by name, with its stack.
func report(l *EventLoop) {
	stack := goroutineStack(l.owner.Load())
	l.logger.Warn("a callback holds its event loop",
		"loop", l.name, "longer_than", l.slow, "callback", callbackName(stack), "stack", stack)
}

// goroutineStack returns the stack of a goroutine of this process, or "" when it
// cannot be found: it stops the world, once for each late callback.
func goroutineStack(id int64) string {
	const largest = 64 << 20
	header := fmt.Appendf(nil, "goroutine %d [", id)
	for size := 256 << 10; size <= largest; size *= 4 {
		buf := make([]byte, size)
		n := runtime.Stack(buf, true)
		for one := range bytes.SplitSeq(buf[:n], []byte("\n\n")) {
			if bytes.HasPrefix(one, header) && (n < size || !bytes.HasSuffix(buf[:n], one)) {
				return string(one)
			}
		}
		if n < size {
			break
		}
	}
	return ""
}

// callbackName is the function that the loop called: the outermost frame within
// EventLoop.run, or EventLoop.finish, that is not the reactor's own.
func callbackName(stack string) string {
	var frames []string
	for line := range strings.SplitSeq(stack, "\n") {
		if line == "" || line[0] == '\t' || strings.HasPrefix(line, "goroutine ") {
			continue
		}
		frame := line[:max(strings.LastIndexByte(line, '('), 0)]
		if frame == reactorPrefix+"(*EventLoop).run" || frame == reactorPrefix+"(*EventLoop).finish" {
			break
		}
		frames = append(frames, frame)
	}
	for _, frame := range slices.Backward(frames) {
		if !strings.HasPrefix(frame, reactorPrefix) {
			return frame
		}
	}
	return "unknown"
}

const reactorPrefix = "github.com/carillon-go/carillon/reactor."
