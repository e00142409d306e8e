package reactor

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestStartLoopHandsOutARunningLoop: not one that is still to begin.
func TestStartLoopHandsOutARunningLoop(t *testing.T) {
	for range 50 {
		thread := NewEventLoopThread()
		loop, err := thread.StartLoop()
		if err != nil {
			t.Fatal(err)
		}
		if loop.owner.Load() == 0 {
			t.Error("nobody runs the loop that was handed out")
		}
		if again, err := thread.StartLoop(); again != loop || err != nil {
			t.Errorf("called again: %p instead of %p, %v", again, loop, err)
		}
		if err := thread.Stop(); err != nil {
			t.Error(err)
		}
		if loop.owner.Load() != 0 {
			t.Error("the loop runs after Stop has returned")
		}
	}
}

func TestEventLoopThreadStop(t *testing.T) {
	thread := NewEventLoopThread()
	if err := thread.Stop(); err != nil {
		t.Errorf("Stop before StartLoop: %v", err)
	}
	loop, err := thread.StartLoop()
	if err != nil {
		t.Fatal(err)
	}
	ran := false
	loop.QueueInLoop(func() { ran = true })
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := thread.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if !ran {
		t.Error("a task queued before Stop did not run")
	}
	if err := loop.QueueInLoop(func() {}); !errors.Is(err, ErrLoopClosed) {
		t.Errorf("after Stop: %v", err)
	}
}

// Stop on the thread's own loop would wait for itself.
func TestStopOnItsOwnLoopIsRefused(t *testing.T) {
	thread := NewEventLoopThread()
	loop, err := thread.StartLoop()
	if err != nil {
		t.Fatal(err)
	}
	do(t, loop, func() {
		if err := thread.Stop(); !errors.Is(err, ErrOnLoop) {
			t.Errorf("EventLoopThread: got %v", err)
		}
	})
	if err := thread.Stop(); err != nil {
		t.Error(err)
	}
	pool := NewEventLoopThreadPool(nil, 2)
	if err := pool.Start(); err != nil {
		t.Fatal(err)
	}
	do(t, pool.Loops()[1], func() {
		if err := pool.Stop(); !errors.Is(err, ErrOnLoop) {
			t.Errorf("EventLoopThreadPool: got %v", err)
		}
	})
	do(t, pool.Loops()[0], func() {}) // none was stopped
	if err := pool.Stop(); err != nil {
		t.Error(err)
	}
}

func TestEventLoopThreadErrors(t *testing.T) {
	thread := NewEventLoopThread(WithPoller("kqueue"))
	loop, err := thread.StartLoop()
	if loop != nil || err == nil || !strings.Contains(err.Error(), "kqueue") {
		t.Errorf("got %v, %v", loop, err)
	}
	if err := thread.Stop(); err != nil {
		t.Errorf("Stop after a StartLoop that failed: %v", err)
	}
	// What Loop returned is what Stop returns.
	thread = NewEventLoopThread()
	if loop, err = thread.StartLoop(); err != nil {
		t.Fatal(err)
	}
	do(t, loop, func() { loop.poller = &failingPoller{loop.poller, 0} })
	for range 2 {
		if err := thread.Stop(); !errors.Is(err, errPoller) {
			t.Errorf("Stop returned %v", err)
		}
	}
}

func startPool(t testing.TB, base *EventLoop, n int, opts ...LoopOption) *EventLoopThreadPool {
	t.Helper()
	pool := NewEventLoopThreadPool(base, n, opts...)
	if err := pool.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pool.Stop(); err != nil {
			t.Error(err)
		}
	})
	return pool
}

func TestPoolLoopsRun(t *testing.T) {
	pool := startPool(t, nil, 3)
	if err := pool.Start(); err != nil || len(pool.Loops()) != 3 {
		t.Errorf("started again it has %d loops, %v", len(pool.Loops()), err)
	}
	for i, loop := range pool.Loops() {
		if loop.owner.Load() == 0 {
			t.Errorf("loop %d does not run", i)
		}
		if want := fmt.Sprintf("loop-%d", i); loop.Name() != want {
			t.Errorf("loop %d is named %q", i, loop.Name())
		}
		do(t, loop, func() {
			for j, other := range pool.Loops() {
				if other.IsInLoopThread() != (i == j) {
					t.Errorf("loops %d and %d share a goroutine", i, j)
				}
			}
		})
	}
}

func TestPoolWithoutThreadsUsesTheBase(t *testing.T) {
	base := startLoop(t)
	for _, n := range []int{0, -1} {
		pool := startPool(t, base, n)
		for name, got := range map[string]*EventLoop{
			"NextLoop": pool.NextLoop(), "LeastConnections": pool.LeastConnections(), "LoopForHash": pool.LoopForHash("x"),
		} {
			if got != base {
				t.Errorf("n = %d: %s does not return the base loop", n, name)
			}
		}
	}
	do(t, base, func() {}) // Stop leaves it alone
}

func TestPoolPicksInTurn(t *testing.T) {
	pool := startPool(t, nil, 3)
	for i := range 9 {
		if got := slices.Index(pool.Loops(), pool.NextLoop()); got != i%3 {
			t.Errorf("pick %d is loop %d", i, got)
		}
	}
	var counts [3]int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for range 50 {
				i := slices.Index(pool.Loops(), pool.NextLoop())
				mu.Lock()
				counts[i]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if counts != [3]int{100, 100, 100} {
		t.Errorf("300 picks from many goroutines are spread as %v", counts)
	}
}

func TestPoolPicksTheLeastLoaded(t *testing.T) {
	pool := startPool(t, nil, 3)
	loops := pool.Loops()
	for _, step := range []struct {
		loop, change, want int
	}{
		{0, +1, 1}, {1, +1, 2}, {2, +2, 0}, {0, +3, 1}, {1, +3, 2}, {0, -4, 0},
	} {
		pool.count(loops[step.loop], int64(step.change))
		if got := slices.Index(loops, pool.LeastConnections()); got != step.want {
			t.Errorf("%+v: picked loop %d", step, got)
		}
	}
	pool.count(&EventLoop{}, 100) // not one of the pool's
	if pool.LeastConnections() != loops[0] {
		t.Error("a connection of another loop was counted")
	}
}

func TestPoolPicksByHash(t *testing.T) {
	pool := startPool(t, nil, 4)
	counts := make(map[*EventLoop]int)
	for i := range 400 {
		key := fmt.Sprintf("10.0.%d.%d", i/256, i%256)
		loop := pool.LoopForHash(key)
		counts[loop]++
		if pool.LoopForHash(key) != loop {
			t.Fatalf("%s has two loops", key)
		}
	}
	for i, loop := range pool.Loops() {
		if n := counts[loop]; n < 40 || n > 200 {
			t.Errorf("%d of 400 keys belong to loop %d of 4", n, i)
		}
	}
}

// TestPoolStartFails: what had started is stopped, and the pool can be started
// when the reason is gone.
func TestPoolStartFails(t *testing.T) {
	await(t, endOf(quitLoop(t)))
	before := loopFDs(t)
	created, broken := 0, true
	pool := NewEventLoopThreadPool(nil, 3, func(o *loopOptions) {
		if created++; broken && created == 3 {
			o.poller = "broken"
		}
	})
	if err := pool.Start(); err == nil || !strings.Contains(err.Error(), "loop 2 of 3") || !strings.Contains(err.Error(), "broken") {
		t.Errorf("got %v", err)
	}
	if now := loopFDs(t); now != before {
		t.Errorf("%d fds are left", now-before)
	}
	if n := len(pool.Loops()); n != 0 {
		t.Errorf("the pool offers %d loops that do not run", n)
	}
	broken = false
	if err := pool.Start(); err != nil {
		t.Fatalf("second try: %v", err)
	}
	for i, loop := range pool.Loops() {
		if loop.owner.Load() == 0 {
			t.Errorf("loop %d does not run", i)
		}
	}
	for range 2 {
		if err := pool.Stop(); err != nil {
			t.Errorf("Stop: %v", err)
		}
	}
}
