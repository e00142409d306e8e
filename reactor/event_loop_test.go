package reactor

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
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

func TestPromise6TasksBeforeQuitRun(t *testing.T) {
	for name, quit := range map[string]func(l *EventLoop){
		"from another goroutine": func(l *EventLoop) { l.Quit() },
		"from inside":            func(l *EventLoop) { l.QueueInLoop(l.Quit) },
		"twice":                  func(l *EventLoop) { l.Quit(); l.Quit() },
	} {
		for _, when := range []string{"before Loop", "while it waits"} {
			t.Run(name+", "+when, func(t *testing.T) {
				loop := newLoop(t)
				var ended <-chan error
				if when == "while it waits" {
					ended = endOf(loop)
					do(t, loop, func() {})
				}
				const tasks = 100
				ran := 0
				for range tasks {
					if err := loop.QueueInLoop(func() { ran++ }); err != nil {
						t.Fatal(err)
					}
				}
				quit(loop)
				if ended == nil {
					ended = endOf(loop)
				}
				if err := await(t, ended); err != nil {
					t.Errorf("Loop returned %v", err)
				}
				if ran != tasks {
					t.Errorf("%d of %d tasks ran", ran, tasks)
				}
			})
		}
	}
}

// What was queued by the functor that quits, before it quits, runs as well.
func TestPromise6TasksOfTheQuittingTaskRun(t *testing.T) {
	loop := newLoop(t)
	ran := false
	loop.QueueInLoop(func() {
		if err := loop.QueueInLoop(func() { ran = true }); err != nil {
			t.Error(err)
		}
		loop.Quit()
	})
	if err := await(t, endOf(loop)); err != nil || !ran {
		t.Errorf("ran: %v, %v", ran, err)
	}
}

func TestPromise6TasksAfterQuitAreRefused(t *testing.T) {
	loop := newLoop(t)
	never := func() { t.Error("a task that was refused ran") }
	refused := func(when string) {
		for name, queue := range map[string]func(func()) error{"QueueInLoop": loop.QueueInLoop, "RunInLoop": loop.RunInLoop} {
			if name == "RunInLoop" && loop.IsInLoopThread() {
				continue
			}
			if err := queue(never); !errors.Is(err, ErrLoopClosed) {
				t.Errorf("%s, %s: got %v", when, name, err)
			}
		}
		if loop.IsInLoopThread() {
			return
		}
		if err := loop.queueFlush(nil); !errors.Is(err, ErrLoopClosed) {
			t.Errorf("%s, queueFlush: got %v", when, err)
		}
	}
	loop.QueueInLoop(func() {
		loop.Quit()
		refused("after Quit, inside")
	})
	ended := endOf(loop)
	if err := await(t, ended); err != nil {
		t.Fatal(err)
	}
	refused("after Loop")
	loop.Quit() // harmless
}

// TestPromise6EveryAcceptedTaskRuns: goroutines queue while others quit. Each task
// runs, or its queueing returned ErrLoopClosed: never both and never neither.
func TestPromise6EveryAcceptedTaskRuns(t *testing.T) {
	for range 50 {
		loop := newLoop(t)
		ended := endOf(loop)
		var accepted, ran atomic.Int64
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for i := 0; ; i++ {
					if g == 0 && i == 100 {
						loop.Quit()
					}
					err := loop.QueueInLoop(func() { ran.Add(1) })
					if err != nil {
						if !errors.Is(err, ErrLoopClosed) {
							t.Error(err)
						}
						return
					}
					accepted.Add(1)
				}
			})
		}
		wg.Wait()
		if err := await(t, ended); err != nil {
			t.Fatal(err)
		}
		if accepted.Load() != ran.Load() {
			t.Fatalf("%d tasks were accepted, %d ran", accepted.Load(), ran.Load())
		}
	}
}

func TestLoopRunsOnce(t *testing.T) {
	loop := newLoop(t)
	ended := endOf(loop)
	do(t, loop, func() {
		if err := loop.Loop(); !errors.Is(err, ErrLoopOwned) {
			t.Errorf("Loop inside Loop: got %v", err)
		}
	})
	if err := loop.Loop(); !errors.Is(err, ErrLoopOwned) {
		t.Errorf("Loop on a second goroutine: got %v", err)
	}
	loop.Quit()
	if err := await(t, ended); err != nil {
		t.Fatal(err)
	}
	if err := loop.Loop(); !errors.Is(err, ErrLoopOwned) {
		t.Errorf("Loop after Quit: got %v", err)
	}
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

// TestWakeUpsAreNotLost: each producer waits for its task to run before it queues
// the next, so that the loop goes to sleep all the time. A lost wake-up would
// leave a producer waiting for good.
func TestWakeUpsAreNotLost(t *testing.T) {
	loop := startLoop(t)
	const goroutines, each = 4, 2000
	var wg sync.WaitGroup
	ran := 0
	for range goroutines {
		wg.Go(func() {
			done := make(chan struct{})
			for range each {
				if err := loop.QueueInLoop(func() { ran++; done <- struct{}{} }); err != nil {
					t.Error(err)
					return
				}
				<-done
			}
		})
	}
	all := make(chan struct{})
	go func() { wg.Wait(); close(all) }()
	await(t, all)
	do(t, loop, func() {
		if ran != goroutines*each {
			t.Errorf("%d tasks ran, want %d", ran, goroutines*each)
		}
	})
}

// TestWakeUpIsWrittenOnlyWhenNeeded: not while the loop is awake, and once however
// many ask while it sleeps.
func TestWakeUpIsWrittenOnlyWhenNeeded(t *testing.T) {
	loop := stillLoop(t)
	queue := func() uint64 {
		for range 100 {
			if err := loop.QueueInLoop(func() {}); err != nil {
				t.Fatal(err)
			}
		}
		return eventCount(t, loop.wake.fd)
	}
	loop.sleep.Store(loopAwake)
	if n := queue(); n != 0 {
		t.Errorf("an awake loop was woken %d times", n)
	}
	loop.sleep.Store(loopAsleep)
	if n := queue(); n != 1 {
		t.Errorf("a sleeping loop was woken %d times by 100 tasks, want once", n)
	}
	if n := queue(); n != 0 {
		t.Errorf("a loop that is being woken was woken %d times more", n)
	}
	loop.sleep.Store(loopAwake)
}

// A task that is queued when the loop has decided to poll, but is not yet known
// to sleep, keeps it from waiting.
func TestPollDoesNotWaitWithTasksPending(t *testing.T) {
	loop := stillLoop(t)
	loop.sleep.Store(loopAwake)
	if err := loop.QueueInLoop(func() {}); err != nil {
		t.Fatal(err)
	}
	polled := make(chan struct{})
	go func() {
		defer close(polled)
		if _, err := loop.poll(); err != nil {
			t.Error(err)
		}
	}()
	await(t, polled)
}

// TestWakeUpAfterTheEnd: the eventfd's number has a new owner by then.
func TestWakeUpAfterTheEnd(t *testing.T) {
	loop := newLoop(t)
	fd := loop.wake.fd
	loop.Quit()
	if err := loop.Loop(); err != nil {
		t.Fatal(err)
	}
	heir := eventFD(t, 0)
	if heir != fd {
		if err := unix.Dup3(heir, fd, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
	}
	loop.sleep.Store(loopAsleep) // as if the wake-up had been decided before the end
	loop.wakeUp()
	if n := eventCount(t, heir); n != 0 {
		t.Errorf("the fd's next owner was written to %d times", n)
	}
}

// TestQuitWhileOthersQueue: whatever the moment, no wake-up reaches an fd that the
// loop has closed. Eventfds that take over the loop's fd numbers would count it.
func TestQuitWhileOthersQueue(t *testing.T) {
	for range 100 {
		loop := newLoop(t)
		ended := endOf(loop)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for loop.QueueInLoop(func() {}) == nil {
					runtime.Gosched()
				}
			})
		}
		loop.Quit()
		if err := await(t, ended); err != nil {
			t.Fatal(err)
		}
		var heirs []int
		for range 4 {
			fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
			if err != nil {
				t.Fatal(err)
			}
			heirs = append(heirs, fd)
		}
		wg.Wait()
		for _, fd := range heirs {
			if n := eventCount(t, fd); n != 0 {
				t.Errorf("a closed eventfd's number was written to %d times", n)
			}
			unix.Close(fd)
		}
	}
}

func TestLoopFreesItsFDs(t *testing.T) {
	await(t, endOf(quitLoop(t))) // the runtime opens fds of its own the first time
	before := loopFDs(t)
	var ended []<-chan error
	for range 20 {
		loop := newLoop(t)
		ended = append(ended, endOf(loop))
		do(t, loop, func() {})
		defer loop.Quit()
		loop.RunAfter(time.Hour, func() {})
		loop.QueueInLoop(loop.Quit)
	}
	for range 20 {
		ended = append(ended, endOf(quitLoop(t))) // never ran a task
	}
	for _, e := range ended {
		if err := await(t, e); err != nil {
			t.Error(err)
		}
	}
	if now := loopFDs(t); now != before {
		t.Errorf("%d fds are left by 40 loops", now-before)
	}
}

func quitLoop(t testing.TB) *EventLoop {
	loop := newLoop(t)
	loop.Quit()
	return loop
}

// failingPoller fails after some polls.
type failingPoller struct {
	Poller
	left int
}

var errPoller = errors.New("the poller broke")

func (p *failingPoller) Poll(timeout time.Duration, active []*Channel) ([]*Channel, error) {
	if p.left--; p.left < 0 {
		return active, errPoller
	}
	return p.Poller.Poll(timeout, active)
}

// A loop that cannot wait any more ends as by Quit: it runs what was accepted and
// refuses the rest.
func TestLoopEndsWithThePollersError(t *testing.T) {
	loop := newLoop(t)
	before := loopFDs(t)
	loop.poller = &failingPoller{loop.poller, 1}
	ran := 0
	loop.QueueInLoop(func() {
		ran++
		loop.QueueInLoop(func() { ran++ })
	})
	if err := await(t, endOf(loop)); !errors.Is(err, errPoller) {
		t.Errorf("Loop returned %v", err)
	}
	if ran != 2 {
		t.Errorf("%d of 2 tasks ran", ran)
	}
	if err := loop.QueueInLoop(func() {}); !errors.Is(err, ErrLoopClosed) {
		t.Errorf("afterwards: %v", err)
	}
	if now := loopFDs(t); now >= before {
		t.Errorf("%d fds before, %d after", before, now)
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

// TestLoopsTalkToEachOther: queueing from loop to loop, both ways, without end in
// sight; neither may miss a task.
func TestLoopsTalkToEachOther(t *testing.T) {
	a, b := startLoop(t), startLoop(t)
	const rounds = 5000
	done := make(chan struct{})
	n := 0
	var ping, pong func()
	ping = func() {
		if err := b.QueueInLoop(pong); err != nil {
			t.Error(err)
		}
	}
	pong = func() {
		if n++; n == rounds {
			close(done)
			return
		}
		if err := a.QueueInLoop(ping); err != nil {
			t.Error(err)
		}
	}
	a.QueueInLoop(ping)
	await(t, done)
}

// BenchmarkLoopTask queues tasks on the loop's own goroutine and from others.
func BenchmarkLoopTask(b *testing.B) {
	b.Run("from inside", func(b *testing.B) {
		loop := startLoop(b, WithWatchdog(0))
		done := make(chan struct{})
		left := b.N
		var task func()
		task = func() {
			if left--; left <= 0 {
				close(done)
				return
			}
			loop.QueueInLoop(task)
		}
		b.ReportAllocs()
		b.ResetTimer()
		loop.QueueInLoop(task)
		<-done
	})
	for _, goroutines := range []int{1, 4} {
		b.Run(fmt.Sprintf("from %d goroutines", goroutines), func(b *testing.B) {
			loop := startLoop(b, WithWatchdog(0))
			task := func() {}
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for range goroutines {
				wg.Go(func() {
					for range b.N / goroutines {
						loop.QueueInLoop(task)
					}
				})
			}
			wg.Wait()
			do(b, loop, func() {})
		})
	}
	b.Run("there and back", func(b *testing.B) {
		loop := startLoop(b, WithWatchdog(0))
		back := make(chan struct{})
		task := func() { back <- struct{}{} }
		b.ReportAllocs()
		for b.Loop() {
			loop.QueueInLoop(task)
			<-back
		}
	})
}
