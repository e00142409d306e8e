package reactor

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

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

// A loop that nobody runs is freed by Close, and then refuses tasks and Loop.
func TestCloseFreesALoopThatNeverRan(t *testing.T) {
	await(t, endOf(quitLoop(t))) // the runtime opens fds of its own the first time
	before := loopFDs(t)
	for range 20 {
		loop, err := NewEventLoop()
		if err != nil {
			t.Fatal(err)
		}
		if err := loop.Close(); err != nil {
			t.Error(err)
		}
		if err := loop.QueueInLoop(func() { t.Error("a task of a closed loop ran") }); !errors.Is(err, ErrLoopClosed) {
			t.Errorf("QueueInLoop: %v", err)
		}
		if err := loop.Loop(); !errors.Is(err, ErrLoopOwned) {
			t.Errorf("Loop: %v", err)
		}
	}
	if now := loopFDs(t); now != before {
		t.Errorf("%d fds are left by 20 loops", now-before)
	}
	running := startLoop(t)
	if err := running.Close(); !errors.Is(err, ErrLoopOwned) {
		t.Errorf("Close of a loop that runs: %v", err)
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
