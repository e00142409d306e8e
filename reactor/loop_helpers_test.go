package reactor

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a test waits for an event that must come. It is only ever
// used up by a test that fails.
const patience = 20 * time.Second

// startLoop runs a loop for the duration of the test.
func startLoop(t testing.TB, opts ...LoopOption) *EventLoop {
	t.Helper()
	thread := NewEventLoopThread(opts...)
	loop, err := thread.StartLoop()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := thread.Stop(); err != nil {
			t.Errorf("the loop ended with: %v", err)
		}
	})
	return loop
}

// stillLoop returns a loop that does not run: its parts can be driven by the
// test, as if the test were the loop. Its fds are freed at the end.
func stillLoop(t testing.TB, opts ...LoopOption) *EventLoop {
	t.Helper()
	loop, err := NewEventLoop(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		loop.Quit()
		if err := loop.Loop(); err != nil {
			t.Error(err)
		}
	})
	return loop
}

// do runs f on the loop, as a functor, and waits for it. Functors come last in an
// iteration: when a second do returns, every event that was ready at the time of
// the first has been handled.
func do(t testing.TB, loop *EventLoop, f func()) {
	t.Helper()
	done := make(chan struct{})
	if err := loop.QueueInLoop(func() { defer close(done); f() }); err != nil {
		t.Fatal(err)
	}
	await(t, done)
}

// await waits for done to be closed, or sent to, and fails the test when it is not.
func await[T any](t testing.TB, done <-chan T) (v T) {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case v = <-done:
	case <-timer.C:
		t.Fatal("waited in vain")
	}
	return v
}

// socketPair returns two connected non-blocking stream sockets, closed at the end.
func socketPair(t testing.TB) (near, far int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fds[0]); unix.Close(fds[1]) })
	return fds[0], fds[1]
}

// newEpollPoller is one that is closed with the test.
func newEpollPoller(t testing.TB) *EpollPoller {
	t.Helper()
	p, err := NewEpollPoller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// eventFD returns an eventfd(2) whose counter is count: readable unless that is 0.
func eventFD(t testing.TB, count uint) int {
	t.Helper()
	fd, err := unix.Eventfd(count, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// eventCount reads and clears an eventfd's counter.
func eventCount(t testing.TB, fd int) uint64 {
	t.Helper()
	var count [8]byte
	if _, err := unix.Read(fd, count[:]); err == unix.EAGAIN {
		return 0
	} else if err != nil {
		t.Fatal(err)
	}
	n := uint64(0)
	for i, b := range count {
		n |= uint64(b) << (8 * i)
	}
	return n
}

func mustWrite(t testing.TB, fd int, p []byte) {
	t.Helper()
	for len(p) > 0 {
		n, err := unix.Write(fd, p)
		if err != nil {
			t.Fatal(err)
		}
		p = p[n:]
	}
}

// loopFDs counts the process's epoll, timer and event fds: what loops are made of.
func loopFDs(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		if target, _ := os.Readlink(filepath.Join("/proc/self/fd", e.Name())); strings.HasPrefix(target, "anon_inode:") {
			n++
		}
	}
	return n
}

// countingPoller counts how often a loop polls, which is once an iteration. It
// must be put in place before the loop runs.
type countingPoller struct {
	Poller
	polls atomic.Int64
}

func (p *countingPoller) Poll(timeout time.Duration, active []*Channel) ([]*Channel, error) {
	p.polls.Add(1)
	return p.Poller.Poll(timeout, active)
}

// startCountedLoop is startLoop with a countingPoller.
func startCountedLoop(t testing.TB) (*EventLoop, *countingPoller) {
	t.Helper()
	loop, err := NewEventLoop()
	if err != nil {
		t.Fatal(err)
	}
	counter := &countingPoller{Poller: loop.poller}
	loop.poller = counter
	ended := make(chan error, 1)
	go func() { ended <- loop.Loop() }()
	t.Cleanup(func() {
		loop.Quit()
		if err := await(t, ended); err != nil {
			t.Error(err)
		}
	})
	return loop, counter
}

// recorder is an EventHandler that counts, and calls on where a func is set.
type recorder struct {
	reads, writes, errors, closes int
	order                         []string

	onRead, onWrite, onError, onClose func()
}

func (r *recorder) HandleRead()  { r.note(&r.reads, "read", r.onRead) }
func (r *recorder) HandleWrite() { r.note(&r.writes, "write", r.onWrite) }
func (r *recorder) HandleError() { r.note(&r.errors, "error", r.onError) }
func (r *recorder) HandleClose() { r.note(&r.closes, "close", r.onClose) }

func (r *recorder) note(count *int, what string, then func()) {
	*count++
	r.order = append(r.order, what)
	if then != nil {
		then()
	}
}
