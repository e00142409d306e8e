package reactor

import (
	"fmt"
	"sync"
	"testing"
)

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
