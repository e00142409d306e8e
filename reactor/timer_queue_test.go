package reactor

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

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
