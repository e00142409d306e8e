package reactor

import (
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"
)

const ms = time.Millisecond

// virtual drives a TimerQueue without a loop, on a clock that the test moves.
type virtual struct {
	*TimerQueue
	fired []string
}

func newVirtual(t testing.TB) *virtual { return &virtual{TimerQueue: stillLoop(t).timers} }

func (v *virtual) add(name string, when, interval time.Duration, also ...func()) TimerID {
	timer := &Timer{when: when, interval: interval}
	timer.callback = func() {
		v.fired = append(v.fired, name)
		for _, f := range also {
			f()
		}
	}
	v.addInLoop(timer)
	return TimerID{timer}
}

// at moves the clock to now and returns what fires.
func (v *virtual) at(now time.Duration) string {
	v.fired = nil
	v.runDue(now, func() {})
	return strings.Join(v.fired, " ")
}

func (v *virtual) expect(t *testing.T, now time.Duration, want string) {
	t.Helper()
	if got := v.at(now); got != want {
		t.Errorf("at %v: fired %q, want %q", now, got, want)
	}
}

// TestTimerNextAfter: RunEvery fires at multiples of the interval, however late
// the loop was.
func TestTimerNextAfter(t *testing.T) {
	for _, c := range []struct{ when, interval, now, want time.Duration }{
		{100, 10, 100, 110}, // on time
		{100, 10, 101, 110}, // late by a little: no drift
		{100, 10, 109, 110}, // by nearly an interval
		{100, 10, 110, 120}, // by a whole one: 110 is left out
		{100, 10, 155, 160}, // by many: they do not pile up
		{100, 1, 1e12, 1e12 + 1},
	} {
		timer := Timer{when: c.when, interval: c.interval}
		if got := timer.nextAfter(c.now); got != c.want {
			t.Errorf("%+v: got %d", c, got)
		}
	}
}

func TestCancelBeforeDue(t *testing.T) {
	v := newVirtual(t)
	id := v.add("never", 10*ms, 0)
	v.add("other", 10*ms, 0)
	if !v.cancel(id.timer) {
		t.Error("Cancel of a pending timer returned false")
	}
	if v.cancel(id.timer) {
		t.Error("a second Cancel returned true")
	}
	v.expect(t, time.Hour, "other")
}

// TestCancelSiblingOfTheSameBatch: both are due, and the first cancels the second.
func TestCancelSiblingOfTheSameBatch(t *testing.T) {
	v := newVirtual(t)
	var second TimerID
	v.add("first", 10*ms, 0, func() {
		if !v.cancel(second.timer) {
			t.Error("Cancel of a sibling that is due returned false")
		}
	})
	second = v.add("second", 11*ms, 0)
	third := v.add("third", 12*ms, 10*ms)
	v.add("fourth", 13*ms, 0, func() {
		if !v.cancel(third.timer) {
			t.Error("Cancel of a repeating sibling that has fired returned false")
		}
	})
	v.expect(t, 15*ms, "first third fourth")
	v.expect(t, time.Hour, "")
}

func TestCancelInsideItsOwnCallback(t *testing.T) {
	v := newVirtual(t)
	var once, every TimerID
	once = v.add("once", 10*ms, 0, func() {
		if v.cancel(once.timer) {
			t.Error("a timer that fires once was cancelled by itself: there was nothing left to stop")
		}
	})
	ticks := 0
	every = v.add("every", 10*ms+1, 10*ms, func() {
		if ticks++; ticks == 3 {
			if !v.cancel(every.timer) {
				t.Error("a repeating timer could not cancel itself")
			}
			if v.cancel(every.timer) {
				t.Error("a second Cancel returned true")
			}
		}
	})
	v.expect(t, 11*ms, "once every")
	v.expect(t, 21*ms, "every")
	v.expect(t, 31*ms, "every")
	v.expect(t, time.Hour, "")
	if v.cancel(once.timer) || v.cancel(every.timer) {
		t.Error("Cancel after the end returned true")
	}
	if len(v.heap) != 0 {
		t.Errorf("%d timers are left", len(v.heap))
	}
}

func TestTimerAddedByACallback(t *testing.T) {
	v := newVirtual(t)
	v.add("first", 10*ms, 0, func() { v.add("late", 5*ms, 0) })
	v.expect(t, 10*ms, "first") // never before the call that adds it returns
	v.expect(t, 10*ms, "late")
}

// A timer that is over keeps nothing alive, however long its TimerID is kept and
// however far away its time is.
func TestFinishedTimersReleaseTheirCallbacks(t *testing.T) {
	v := newVirtual(t)
	type payload struct{ bytes [1 << 10]byte }
	held := make(map[string]weak.Pointer[payload])
	capture := func(name string) func() {
		p := new(payload)
		held[name] = weak.Make(p)
		return func() { p.bytes[0]++ }
	}
	var selfID TimerID
	cancelled := v.add("cancelled", time.Hour, 0, capture("cancelled"))
	fired := v.add("fired", ms, 0, capture("fired"))
	selfID = v.add("self", ms, time.Hour, capture("self"), func() { v.cancel(selfID.timer) })
	alive := v.add("alive", time.Hour, 0, capture("alive"))
	v.cancel(cancelled.timer)
	v.at(2 * ms)
	runtime.GC()
	for name, p := range held {
		if gone := p.Value() == nil; gone != (name != "alive") {
			t.Errorf("%s: what the callback captured is gone: %v", name, gone)
		}
	}
	runtime.KeepAlive([]TimerID{cancelled, fired, selfID, alive})
	runtime.KeepAlive(v)
}

func TestTimerIDValid(t *testing.T) {
	if (TimerID{}).Valid() {
		t.Error("the zero TimerID is valid")
	}
	loop := startLoop(t)
	if loop.Cancel(TimerID{}) {
		t.Error("the zero TimerID was cancelled")
	}
	id := loop.RunAfter(time.Hour, func() {})
	if !id.Valid() || !loop.Cancel(id) {
		t.Error("a pending timer is not valid, or cannot be cancelled")
	}
}

func TestRunAtRunAfterRunEvery(t *testing.T) {
	loop := startLoop(t)
	type shot struct {
		name   string
		inLoop bool
		when   time.Time
	}
	shots := make(chan shot, 100)
	fire := func(name string) func() {
		return func() { shots <- shot{name, loop.IsInLoopThread(), time.Now()} }
	}
	begin := time.Now()
	loop.RunAt(begin.Add(20*ms), fire("at"))
	loop.RunAfter(40*ms, fire("after"))
	loop.RunAt(begin.Add(-time.Hour), fire("past"))
	loop.RunAt(time.Time{}, fire("zero time"))
	every := loop.RunEvery(15*ms, fire("every"))
	counts := map[string]int{}
	for counts["at"] == 0 || counts["after"] == 0 || counts["past"] == 0 || counts["zero time"] == 0 || counts["every"] < 3 {
		s := await(t, shots)
		counts[s.name]++
		if !s.inLoop {
			t.Errorf("%s fired outside the loop", s.name)
		}
		least := map[string]time.Duration{"at": 20 * ms, "after": 40 * ms, "every": time.Duration(counts["every"]) * 15 * ms}[s.name]
		if took := s.when.Sub(begin); took < least {
			t.Errorf("%s fired after %v, want at least %v", s.name, took, least)
		}
	}
	if !loop.Cancel(every) {
		t.Error("RunEvery could not be cancelled")
	}
	for name, n := range counts {
		if n != 1 && name != "every" {
			t.Errorf("%s fired %d times", name, n)
		}
	}
}

func TestRunEveryNeedsAnInterval(t *testing.T) {
	loop := stillLoop(t)
	for _, d := range []time.Duration{0, -1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("RunEvery(%v) did not panic", d)
				}
			}()
			loop.RunEvery(d, func() {})
		}()
	}
}

// TestCancelFromOtherGoroutines: each timer either fires or was cancelled, never
// both and never neither, while many goroutines race with the loop.
func TestCancelFromOtherGoroutines(t *testing.T) {
	loop := startLoop(t)
	const goroutines, each = 8, 500
	var fired, cancelled, both atomic.Int64
	var wg sync.WaitGroup
	var settled sync.WaitGroup
	settled.Add(goroutines * each)
	for g := range goroutines {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(g), 5))
			for range each {
				var state atomic.Uint32 // 1: fired, 2: cancelled
				id := loop.RunAfter(time.Duration(rnd.IntN(200))*time.Microsecond, func() {
					if !state.CompareAndSwap(0, 1) {
						both.Add(1)
						return
					}
					fired.Add(1)
					settled.Done()
				})
				for range rnd.IntN(3) {
					runtime.Gosched()
				}
				if loop.Cancel(id) {
					if !state.CompareAndSwap(0, 2) {
						both.Add(1)
						continue
					}
					cancelled.Add(1)
					settled.Done()
				}
			}
		})
	}
	wg.Wait()
	all := make(chan struct{})
	go func() { settled.Wait(); close(all) }()
	await(t, all)
	settle(t, loop)
	if both.Load() != 0 {
		t.Errorf("%d timers fired although Cancel had returned true", both.Load())
	}
	if got := fired.Load() + cancelled.Load(); got != goroutines*each {
		t.Errorf("%d fired and %d cancelled, of %d", fired.Load(), cancelled.Load(), goroutines*each)
	}
}

// TestTimerFiresOrIsCancelled lets fire and cancel of one timer meet as closely as
// they can: exactly one of them wins.
func TestTimerFiresOrIsCancelled(t *testing.T) {
	for i := range 50_000 {
		fired, cancelled := false, false
		timer := &Timer{callback: func() { fired = true }}
		var ready atomic.Int32
		meet := func() {
			ready.Add(1)
			for spins := 0; ready.Load() < 2; spins++ {
				if spins > 100 {
					runtime.Gosched() // the other has no processor yet
				}
			}
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			meet()
			cancelled = timer.cancel()
		}()
		meet()
		timer.fire()
		<-done
		if fired == cancelled {
			t.Fatalf("timer %d: fired %v, and Cancel returned %v", i, fired, cancelled)
		}
	}
}

// A timer that is cancelled between the look at its state and its turn.
func TestTimerCancelledDoesNotFire(t *testing.T) {
	for _, interval := range []time.Duration{0, ms} {
		timer := &Timer{interval: interval, callback: func() { t.Error("it fired") }}
		if !timer.cancel() {
			t.Error("a pending timer could not be cancelled")
		}
		if timer.fire() {
			t.Error("a cancelled timer repeats")
		}
	}
}

// The same for a repeating timer: after Cancel has returned, and a callback that
// was running meanwhile has ended, there is no other.
func TestCancelRepeatingFromOutside(t *testing.T) {
	loop := startLoop(t)
	for range 200 {
		var ticks atomic.Int64
		ticked := make(chan struct{}, 1)
		id := loop.RunEvery(20*time.Microsecond, func() {
			ticks.Add(1)
			select {
			case ticked <- struct{}{}:
			default:
			}
		})
		await(t, ticked)
		if !loop.Cancel(id) {
			t.Fatal("a repeating timer that ticks could not be cancelled")
		}
		do(t, loop, func() {}) // the callback that may have been running has ended
		after := ticks.Load()
		settle(t, loop)
		if now := ticks.Load(); now != after {
			t.Fatalf("it ticked %d times after Cancel", now-after)
		}
	}
}

func TestTimersOfALoopThatDoesNotRunYet(t *testing.T) {
	loop, err := NewEventLoop()
	if err != nil {
		t.Fatal(err)
	}
	fired := make(chan struct{})
	cancelled := loop.RunAfter(0, func() { t.Error("a timer that was cancelled before Loop fired") })
	if !cancelled.Valid() || !loop.Cancel(cancelled) {
		t.Error("a timer could not be cancelled before Loop")
	}
	loop.RunAfter(0, func() { close(fired); loop.Quit() })
	if err := loop.Loop(); err != nil {
		t.Fatal(err)
	}
	await(t, fired)
	if id := loop.RunAfter(0, func() { t.Error("fired after the loop's end") }); id.Valid() {
		t.Error("a timer of a loop that has quit is valid")
	}
	if id := loop.RunEvery(ms, func() { t.Error("fired after the loop's end") }); id.Valid() {
		t.Error("a repeating timer of a loop that has quit is valid")
	}
}
