package reactor

import (
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// endOf starts l on a goroutine and returns what Loop returns, later.
func endOf(l *EventLoop) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- l.Loop() }()
	return ended
}

func newLoop(t testing.TB, opts ...LoopOption) *EventLoop {
	t.Helper()
	l, err := NewEventLoop(opts...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestRunInLoop(t *testing.T) {
	loop := startLoop(t)
	ran := make(chan bool, 1)
	if err := loop.RunInLoop(func() { ran <- loop.IsInLoopThread() }); err != nil {
		t.Fatal(err)
	}
	if !await(t, ran) {
		t.Error("it ran outside the loop's thread")
	}
	do(t, loop, func() {
		inline := false
		if err := loop.RunInLoop(func() { inline = true }); err != nil || !inline {
			t.Errorf("called in the loop's thread it did not run at once: %v", err)
		}
		if err := loop.QueueInLoop(func() { inline = false }); err != nil || !inline {
			t.Errorf("QueueInLoop ran at once: %v", err)
		}
	})
}

func TestFunctorsRunInTheOrderOfQueueing(t *testing.T) {
	loop := startLoop(t)
	const n = 1000
	var got []int
	done := make(chan struct{})
	for i := range n {
		if err := loop.QueueInLoop(func() { got = append(got, i) }); err != nil {
			t.Fatal(err)
		}
	}
	loop.QueueInLoop(func() { close(done) })
	await(t, done)
	if len(got) != n || !slices.IsSorted(got) {
		t.Errorf("%d of %d ran, or not in order", len(got), n)
	}
}

// An iteration handles channels, then timers, then functors.
func TestOrderWithinAnIteration(t *testing.T) {
	loop := startLoop(t)
	fd := eventFD(t, 0)
	var order []string
	ch := watch(t, loop, fd, ReadHandler(func() { order = append(order, "channel"); eventCount(t, fd) }), false)
	do(t, loop, func() {
		loop.QueueInLoop(func() { order = append(order, "functor") })
		loop.runAtInLoop(1, func() { order = append(order, "timer") })
		eventfdAdd(fd)
		// The loop stays here until the kernel has seen that the timer is due.
		ready := []unix.PollFd{{Fd: int32(loop.timers.fd), Events: unix.POLLIN}}
		for {
			if n, err := unix.Poll(ready, -1); n == 1 {
				break
			} else if err != unix.EINTR {
				t.Error(n, err)
				break
			}
		}
	})
	settle(t, loop)
	do(t, loop, func() {
		if want := []string{"channel", "timer", "functor"}; !slices.Equal(order, want) {
			t.Errorf("got %v, want %v", order, want)
		}
		_ = ch.DisableAll()
	})
}

// TestFunctorThatRequeuesItselfStarvesNobody: one swap an iteration.
func TestFunctorThatRequeuesItselfStarvesNobody(t *testing.T) {
	loop := startLoop(t)
	near, far := socketPair(t)
	stop, rounds := false, 0
	var again func()
	again = func() {
		if rounds++; !stop {
			loop.QueueInLoop(again)
		}
	}
	read, fired := make(chan struct{}), make(chan struct{})
	watch(t, loop, near, ReadHandler(func() { drainCounter(near); close(read) }), false)
	loop.QueueInLoop(again)
	loop.RunAfter(5*ms, func() { close(fired) })
	await(t, fired)
	mustWrite(t, far, []byte("8 bytes."))
	await(t, read)
	do(t, loop, func() { stop = true })
	do(t, loop, func() {
		if rounds < 3 {
			t.Errorf("it ran %d times only", rounds)
		}
	})
}

// A timer that is due at once again and again starves nobody either.
func TestTimerThatRearmsItselfStarvesNobody(t *testing.T) {
	loop := startLoop(t)
	stop := false
	var again func()
	again = func() {
		if !stop {
			loop.RunAfter(-time.Second, again)
		}
	}
	loop.RunAfter(0, again)
	for range 10 {
		do(t, loop, func() {})
	}
	do(t, loop, func() { stop = true })
}

func TestAssertInLoopThread(t *testing.T) {
	loop := startLoop(t, WithLoopName("carol"))
	panics := func() (p any) {
		defer func() { p = recover() }()
		loop.AssertInLoopThread()
		return nil
	}
	if panics() == nil || loop.IsInLoopThread() {
		t.Error("the test's goroutine passes for the loop's")
	}
	do(t, loop, func() {
		if p := panics(); p != nil || !loop.IsInLoopThread() {
			t.Errorf("on the loop's goroutine: %v", p)
		}
	})
	other := startLoop(t)
	do(t, other, func() {
		if panics() == nil {
			t.Error("another loop's goroutine passes for the loop's")
		}
	})
	if loop.Name() != "carol" {
		t.Errorf("the name is %q", loop.Name())
	}
	idle := stillLoop(t)
	if idle.IsInLoopThread() {
		t.Error("a loop that does not run has a thread")
	}
}

func TestNowIsCachedForAnIteration(t *testing.T) {
	loop := startLoop(t)
	var first, again, next time.Duration
	do(t, loop, func() {
		first = loop.Now()
		for monotonic() == first { // until the clock has moved
		}
		again = loop.Now()
	})
	do(t, loop, func() { next = loop.Now() })
	if first <= 0 || again != first || next <= first {
		t.Errorf("%v, then %v in the same iteration, %v in the next", first, again, next)
	}
}

// TestGoYields: what is handed to a goroutine runs before the loop waits, also
// where there is one processor; and while the loop yields it is not in a callback
// as far as the watchdog can see.
func TestGoYields(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	loop := startLoop(t)
	for range 20 { // once may be spoiled by a preemption
		type seen struct {
			inLoop  bool
			polling bool
			count   uint64
		}
		result := make(chan seen, 1)
		do(t, loop, func() {
			loop.Go(func() {
				result <- seen{loop.IsInLoopThread(), loop.sleep.Load() != loopAwake, loop.pulse.count.Load()}
			})
		})
		s := await(t, result)
		if s.inLoop {
			t.Fatal("Go ran its function in the loop's thread")
		}
		if !s.polling && s.count&1 == 0 {
			return
		}
	}
	t.Error("the loop went to wait, or counted as busy, before the goroutine had its turn")
}

// TestWithLockOSThread: the loop's thread runs nothing but the loop.
func TestWithLockOSThread(t *testing.T) {
	loop := startLoop(t, WithLockOSThread())
	tid := 0
	do(t, loop, func() { tid = unix.Gettid() })
	for range 50 {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 20 {
					if unix.Gettid() == tid {
						t.Error("another goroutine runs on the loop's thread")
						return
					}
					runtime.Gosched()
				}
			})
		}
		wg.Wait()
		do(t, loop, func() {
			if now := unix.Gettid(); now != tid {
				t.Errorf("the loop moved from thread %d to %d", tid, now)
			}
		})
	}
}
