package reactor

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"golang.org/x/sys/unix"
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

func TestTimersFireInTheOrderOfTheirTimes(t *testing.T) {
	v := newVirtual(t)
	for _, i := range rand.Perm(100) {
		v.add(fmt.Sprint(i), time.Duration(i)*ms, 0)
	}
	next := 0
	for _, now := range []time.Duration{-ms, 0, 9 * ms, 9*ms + ms/2, 10 * ms, 99 * ms, time.Hour} {
		v.at(now)
		for _, name := range v.fired {
			if name != fmt.Sprint(next) {
				t.Fatalf("at %v: %s fired, want %d", now, name, next)
			}
			next++
		}
		if want := int(now/ms) + 1; now >= 0 && next != min(want, 100) {
			t.Fatalf("at %v: %d have fired, want %d", now, next, want)
		}
	}
	if len(v.heap) != 0 {
		t.Errorf("%d timers are left", len(v.heap))
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

func TestRunEveryDoesNotDrift(t *testing.T) {
	v := newVirtual(t)
	v.add("tick", 10*ms, 10*ms)
	for i := 1; i <= 1000; i++ {
		late := time.Duration(rand.Int64N(int64(10 * ms))) // the loop is always late
		v.expect(t, time.Duration(i)*10*ms-1, "")
		v.expect(t, time.Duration(i)*10*ms+late, "tick")
	}
}

func TestRunEveryLeavesOutMissedTicks(t *testing.T) {
	v := newVirtual(t)
	v.add("tick", 10*ms, 10*ms)
	v.expect(t, 57*ms, "tick") // five are due, one fires
	v.expect(t, 59*ms, "")
	v.expect(t, 60*ms, "tick")
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

func TestTimerHeap(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, size := range []int{0, 1, 2, 3, 4, 5, 6, 21, 22, 500} {
		var h timerHeap
		var want []time.Duration
		for range size {
			when := time.Duration(rnd.IntN(200))
			h.push(timerEntry{when, &Timer{when: when}})
			if when%3 != 0 {
				want = append(want, when)
			}
		}
		h.keep(func(t *Timer) bool { return t.when%3 != 0 })
		slices.Sort(want)
		var got []time.Duration
		for len(h) > 0 {
			e := h.pop()
			if e.when != e.timer.when {
				t.Fatalf("time %d beside a timer of time %d", e.when, e.timer.when)
			}
			got = append(got, e.when)
		}
		if !slices.Equal(got, want) {
			t.Errorf("size %d: got %v, want %v", size, got, want)
		}
	}
}

// TestCancelledTimersAreSweptOut: timers that are added and cancelled, as a
// timeout for each request is, do not pile up until their time comes.
func TestCancelledTimersAreSweptOut(t *testing.T) {
	loop := startLoop(t)
	const live, rounds = 1000, 100_000
	do(t, loop, func() {
		for range live {
			loop.RunAfter(time.Hour, func() {})
		}
		largest := 0
		for range rounds {
			loop.Cancel(loop.RunAfter(time.Hour, func() {}))
			largest = max(largest, len(loop.timers.heap))
		}
		if largest > 3*live {
			t.Errorf("%d entries for %d live timers", largest, live)
		}
		alive := 0
		for _, e := range loop.timers.heap {
			if e.timer.state.Load() == timerPending {
				alive++
			}
		}
		if alive != live {
			t.Errorf("%d of %d live timers are left", alive, live)
		}
	})
}

// A cancelled timer does not wake the loop: when the earliest are all cancelled,
// the timerfd is set to the first that is not.
func TestCancelledTimersDoNotWake(t *testing.T) {
	v := newVirtual(t)
	now := monotonic()
	v.add("due", now, 0)
	for i := range 50 {
		v.cancel(v.add("never", now+time.Duration(i+1)*ms, 0).timer)
	}
	v.add("far", now+time.Hour, 0)
	v.handleRead()
	v.expect(t, now, "due")
	if v.armed != now+time.Hour {
		t.Errorf("armed for %v from now, want an hour", v.armed-now)
	}
	if n := v.cancelled.Load(); n != 0 || len(v.heap) != 1 {
		t.Errorf("%d entries, %d of them counted as cancelled; want 1 and 0", len(v.heap), n)
	}
}

// TestIdleTimersCostNothing: 100,000 timers that are far away set the timerfd
// once, and no iteration of the loop is theirs.
func TestIdleTimersCostNothing(t *testing.T) {
	loop, counter := startCountedLoop(t)
	var first time.Duration
	do(t, loop, func() {
		first = loop.Now() + time.Hour
		loop.runAtInLoop(first, func() {})
		for i := range 100_000 {
			loop.RunAfter(2*time.Hour+time.Duration(i)*ms, func() { t.Error("fired hours early") })
		}
		if loop.timers.armed != first {
			t.Errorf("the timerfd is set to %v, want %v", loop.timers.armed, first)
		}
	})
	before := counter.polls.Load()
	fired := make(chan struct{})
	loop.RunAfter(30*ms, func() { close(fired) })
	await(t, fired)
	const allowed = 10 // one to add the timer, one to fire it; signals may interrupt poll(2)
	if polls := counter.polls.Load() - before; polls > allowed {
		t.Errorf("%d iterations in 30 ms with 100,000 idle timers", polls)
	}
}

// The kernel hears of a timer only when it becomes the earliest. The test switches
// the timerfd off behind the queue's back, to see who touches it.
func TestTimerFDIsSetOnlyForAnEarlierTime(t *testing.T) {
	v := newVirtual(t)
	now := monotonic()
	left := func() time.Duration {
		var spec unix.ItimerSpec
		if err := unix.TimerfdGettime(v.fd, &spec); err != nil {
			t.Fatal(err)
		}
		return time.Duration(spec.Value.Nano())
	}
	v.add("first", now+time.Hour, 0)
	if left() == 0 {
		t.Fatal("the first timer did not set the timerfd")
	}
	if err := unix.TimerfdSettime(v.fd, 0, &unix.ItimerSpec{}, nil); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		v.cancel(v.add("later", now+time.Hour+time.Duration(i)*ms, 0).timer)
		v.add("later", now+time.Hour+time.Duration(i)*ms, 0)
	}
	if left() != 0 {
		t.Error("a timer that is not the earliest set the timerfd")
	}
	v.add("earlier", now+time.Minute, 0)
	if got := left(); got == 0 || got > time.Minute {
		t.Errorf("the timerfd is set to %v from now, want a minute", got)
	}
}

// The kernel's clock of the queue is CLOCK_MONOTONIC, and the time is absolute.
func TestTimerFDIsMonotonic(t *testing.T) {
	v := newVirtual(t)
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", v.fd))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(info), fmt.Sprintf("clockid: %d\n", unix.CLOCK_MONOTONIC)) {
		t.Errorf("the timerfd is on another clock:\n%s", info)
	}
	v.add("far", monotonic()+time.Hour, 0)
	var spec unix.ItimerSpec
	if err := unix.TimerfdGettime(v.fd, &spec); err != nil {
		t.Fatal(err)
	}
	if left := time.Duration(spec.Value.Nano()); left < 59*time.Minute || left > time.Hour+time.Second {
		t.Errorf("the kernel wakes us in %v, want an hour", left)
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

// "Never" is often written as the longest duration, or as a far year: neither may
// overflow into the past.
func TestTimersFarAway(t *testing.T) {
	loop := startLoop(t)
	never := func() { t.Error("a timer that is centuries away fired") }
	fired := make(chan struct{})
	do(t, loop, func() {
		loop.RunAfter(math.MaxInt64, never)
		loop.RunAt(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), never)
		loop.RunEvery(math.MaxInt64, never)
		loop.runAtInLoop(math.MaxInt64, never)
		loop.RunAfter(ms, func() { close(fired) })
	})
	await(t, fired)
	settle(t, loop)
	do(t, loop, func() {
		if armed := loop.timers.armed; armed != neverArmed && armed < 100*365*24*time.Hour {
			t.Errorf("the timerfd is set to %v", armed)
		}
	})
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

// BenchmarkTimerAddCancel adds and cancels one timer among others that are
// pending. The cost among a million should be at most three times that among a
// thousand.
func BenchmarkTimerAddCancel(b *testing.B) {
	for _, others := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprint(others), func(b *testing.B) {
			loop := startLoop(b, WithWatchdog(0))
			do(b, loop, func() {
				rnd := rand.New(rand.NewPCG(6, 7))
				far := func() time.Duration { return time.Hour + time.Duration(rnd.Int64N(int64(time.Hour))) }
				callback := func() {}
				for range others {
					loop.RunAfter(far(), callback)
				}
				b.ReportAllocs()
				for b.Loop() {
					loop.Cancel(loop.RunAfter(far(), callback))
				}
			})
		})
	}
}
