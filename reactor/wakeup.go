package reactor

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// wakeup is the eventfd(2) by which other goroutines end a loop's wait. notify
// may be called from any goroutine, also while or after the loop closes it: the
// lock keeps a late write away from an fd number that has a new owner.
type wakeup struct {
	channel *Channel
	fd      int
	mu      sync.Mutex
	closed  bool
}

func newWakeup(loop *EventLoop) (*wakeup, error) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	w := &wakeup{fd: fd}
	w.channel = NewChannel(loop, fd, ReadHandler(func() { drainCounter(fd) }))
	if err := w.channel.EnableReading(); err != nil {
		closeFD(fd)
		return nil, err
	}
	return w, nil
}

func (w *wakeup) notify() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		eventfdAdd(w.fd)
	}
}

func (w *wakeup) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	closeFD(w.fd)
}
