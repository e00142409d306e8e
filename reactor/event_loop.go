package reactor

import (
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/petermattis/goid"
)

// EventLoop polls, handles the channels that are ready, runs the timers that are
// due, runs the functors that were queued, sends what all of these wrote, and
// begins again: one loop a goroutine. It owns its Poller, TimerQueue, wake-up fd
// and ExtraBuffer, and frees them when Loop returns.
//
// The goroutine that calls Loop is what the comments here call the loop's thread.
// It is locked to an OS thread only WithLockOSThread.
type EventLoop struct {
	name   string
	logger *slog.Logger
	lock   bool
	slow   time.Duration

	poller    Poller
	timers    *TimerQueue
	wake      *wakeup
	extra     *ExtraBuffer
	plaintext *ExtraBuffer // of TLS; nil until it is needed
	records   *recordRoom  // likewise
	sealing   []byte       // likewise
	iovecs    ioVectors

	// Touched on the loop's goroutine only.
	active    []*Channel
	again     []*Channel // edge-triggered channels that are not used up
	gathering gathering
	dirty     []flusher // connections with output of this iteration
	flushing  []flusher
	running   []func()
	now       time.Duration // 0: not read in this iteration
	handedOut bool
	turn      uint64 // counts iterations
	dying     []*TcpConnection
	finishing bool
	attempts  map[*Connector]struct{} // that hold a socket
	conns     []*TcpConnection        // each knows its place

	owner atomic.Int64 // id of the goroutine in Loop; 0 before and after
	sleep atomic.Uint32
	pulse pulse

	mu         sync.Mutex // guards what other goroutines leave
	pending    []func()
	remote     []flusher
	hasPending atomic.Bool
	closed     bool
	started    bool
	ended      chan struct{} // closed when Loop has freed everything
}

// NewEventLoop creates a loop that does not run yet: call Loop, or leave that to
// an EventLoopThread. Errors: those of epoll_create1(2), timerfd_create(2) and
// eventfd(2), and an unknown poller name.
func NewEventLoop(opts ...LoopOption) (*EventLoop, error) {
	var o loopOptions
	o.apply(opts)
	l := &EventLoop{
		name: o.name, logger: o.logger, lock: o.lockThread, slow: o.watchdog,
		extra: newExtraBuffer(), ended: make(chan struct{}), attempts: make(map[*Connector]struct{}),
	}
	var err error
	if l.poller, err = newPoller(o.poller); err != nil {
		return nil, err
	}
	if l.timers, err = newTimerQueue(l); err != nil {
		l.poller.Close()
		return nil, err
	}
	if l.wake, err = newWakeup(l); err != nil {
		l.timers.close()
		l.poller.Close()
		return nil, err
	}
	return l, nil
}

// Name returns the loop's name, for logs.
func (l *EventLoop) Name() string { return l.name }

// Loop runs the loop on the calling goroutine until Quit, then frees what it
// holds in the kernel. It returns nil after Quit, ErrLoopOwned when the loop runs
// or ran before, and the poller's error when waiting became impossible.
func (l *EventLoop) Loop() error {
	if !l.unlessBegun(func() { l.started = true }) {
		return ErrLoopOwned
	}
	if l.lock {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
	}
	l.owner.Store(goid.Get())
	if l.slow > 0 {
		watchdogs.watch(l)
		defer watchdogs.forget(l)
	}
	err := l.run()
	l.finish()
	return err
}

// Close frees a loop that is not going to run; tasks that were queued are dropped.
// Any goroutine. Error: ErrLoopOwned when Loop was called: then it is Loop that
// frees it.
func (l *EventLoop) Close() error {
	first := l.unlessBegun(func() { l.started, l.closed = true, true })
	if !first {
		return ErrLoopOwned
	}
	l.finish()
	return nil
}

// unlessBegun runs f if Loop was not called, and keeps Loop from beginning
// meanwhile. It reports whether f ran; any goroutine.
func (l *EventLoop) unlessBegun(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.started {
		return false
	}
	f()
	return true
}

// begun reports whether Loop was called; any goroutine.
func (l *EventLoop) begun() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.started
}

func (l *EventLoop) run() error {
	for {
		active, err := l.poll()
		if err != nil {
			l.Quit() // tasks must be refused from here on: nobody runs them
			l.runPending()
			return err
		}
		for i, ch := range active {
			active[i] = nil
			l.enterCallback()
			ch.handleEvents()
		}
		l.active = emptied(active)
		if l.timers.due {
			l.timers.runDue(l.Now(), l.enterCallback)
		}
		quit := l.runPending()
		l.flushDirty()
		l.destroyDying()
		if quit {
			return nil
		}
	}
}

// poll waits, unless something is left to do, and returns the ready channels:
// those that are not used up first, then what the poller reports.
func (l *EventLoop) poll() ([]*Channel, error) {
	l.turn++
	active := append(l.active[:0], l.again...)
	for _, ch := range active {
		ch.queued = false
	}
	clear(l.again)
	l.again = emptied(l.again)
	l.pulse.rest()
	if l.handedOut {
		l.handedOut = false
		l.poller.Yield()
		runtime.Gosched()
	}
	timeout := time.Duration(-1)
	if len(active) > 0 || len(l.dirty) > 0 {
		timeout = 0
	}
	l.sleep.Store(loopAsleep)
	if l.hasPending.Load() {
		timeout = 0
	}
	active, err := l.poller.Poll(timeout, active)
	l.sleep.Store(loopAwake)
	l.now = 0
	return active, err
}

// emptied returns s, whose elements were cleared, without them, or without its
// storage where a burst made that large: it would be held for the loop's life.
func emptied[E any](s []E) []E {
	const kept = 4096
	if cap(s) > kept {
		return nil
	}
	return s[:0]
}

// finish sends what was written last, closes the connections that are left, and
// frees the loop's fds. Whoever wakes it later finds it closed.
func (l *EventLoop) finish() {
	l.finishing = true
	l.flushDirty()
	for len(l.conns) > 0 {
		for _, c := range slices.Clone(l.conns) {
			c.closeInLoop(ErrLoopClosed)
		}
		l.destroyDying()
	}
	for c := range l.attempts {
		c.abandon()
	}
	l.owner.Store(0)
	l.wake.close()
	l.timers.close()
	l.poller.Close()
	close(l.ended)
}

// Quit makes Loop return after the iteration that is running. Tasks queued before
// it run; tasks queued after it are refused. Any goroutine may call it, also
// before Loop and more than once.
func (l *EventLoop) Quit() {
	l.mu.Lock()
	l.closed = true
	l.hasPending.Store(true)
	l.mu.Unlock()
	l.wakeUp()
}

// Go starts f on a goroutine of its own and lets the loop yield its processor
// before it next waits. On few processors that matters: f's first reply is then
// sent by the same round, instead of after a sleep and a wake-up. Loop goroutine
// only.
func (l *EventLoop) Go(f func()) {
	l.HandedOut()
	go f()
}

// HandedOut says that the callback has given work to another goroutine, as Go does.
// Loop goroutine only.
func (l *EventLoop) HandedOut() { l.handedOut = true }

// IsInLoopThread reports whether the caller runs on the loop's goroutine. Before
// Loop and after it, nobody does.
func (l *EventLoop) IsInLoopThread() bool { return l.owner.Load() == goid.Get() }

// AssertInLoopThread panics unless called on the loop's goroutine: what it guards
// would otherwise be a data race.
func (l *EventLoop) AssertInLoopThread() {
	if !l.IsInLoopThread() {
		panic(fmt.Sprintf("reactor: loop %q belongs to goroutine %d, called on goroutine %d",
			l.name, l.owner.Load(), goid.Get()))
	}
}

// Now is the monotonic time since an arbitrary origin that all loops of the
// process share. It is read once an iteration, so it may lag by as long as the
// callbacks of this iteration have run. Loop goroutine only.
func (l *EventLoop) Now() time.Duration {
	if l.now == 0 {
		l.now = monotonic()
	}
	return l.now
}

// RunAt runs f on the loop's goroutine at t, or at once (but not before RunAt
// returns) when t has passed. t counts by its monotonic reading where it has one.
// Any goroutine may call it. After Quit the timer is refused, with an id that is
// not Valid; what callbacks of the last iteration add does not fire either.
func (l *EventLoop) RunAt(t time.Time, f func()) TimerID { return l.RunAfter(time.Until(t), f) }

// RunAfter is RunAt, d from now. The longest duration means never.
func (l *EventLoop) RunAfter(d time.Duration, f func()) TimerID {
	return l.addTimer(&Timer{callback: f, when: later(monotonic(), d)})
}

// RunEvery runs f each d, for the first time d from now. It does not drift: the
// times are multiples of d from the first, and those that a late callback
// overlapped are left out. d must be positive. As for goroutines and Quit it is
// like RunAt.
func (l *EventLoop) RunEvery(d time.Duration, f func()) TimerID {
	if d <= 0 {
		panic("reactor: RunEvery needs a positive interval")
	}
	return l.addTimer(&Timer{callback: f, when: later(monotonic(), d), interval: d})
}

// runAtInLoop is RunAt on the clock of Now.
func (l *EventLoop) runAtInLoop(at time.Duration, f func()) TimerID {
	t := &Timer{callback: f, when: at}
	l.addTimerInLoop(t)
	return TimerID{t}
}

func (l *EventLoop) addTimer(t *Timer) TimerID {
	if l.IsInLoopThread() {
		l.addTimerInLoop(t)
		return TimerID{t}
	}
	if l.QueueInLoop(func() { l.addTimerInLoop(t) }) != nil {
		return TimerID{}
	}
	return TimerID{t}
}

func (l *EventLoop) addTimerInLoop(t *Timer) {
	l.timers.sweepInLoop()
	l.timers.addInLoop(t)
}

// Cancel stops the timer: once Cancel has returned true it does not fire again,
// also when it is due in the batch that is running. It returns false when there
// was nothing left to stop: fired, firing, cancelled before, or the zero TimerID.
// For a repeating timer it is true inside the timer's own callback as well. Any
// goroutine may call it.
func (l *EventLoop) Cancel(id TimerID) bool {
	return id.timer != nil && l.timers.cancel(id.timer)
}

// destroyLater has c destroyed at the end of the iteration, also of the last.
func (l *EventLoop) destroyLater(c *TcpConnection) { l.dying = append(l.dying, c) }

// destroyDying ends the connections that were closed in this iteration, also those
// that the callbacks of the others close meanwhile.
func (l *EventLoop) destroyDying() {
	for i := 0; i < len(l.dying); i++ {
		c := l.dying[i]
		l.dying[i] = nil
		l.enterCallback()
		c.destroyInLoop()
	}
	l.dying = emptied(l.dying)
}

// adopt and abandon keep the list of connections that live on the loop.
func (l *EventLoop) adopt(c *TcpConnection) {
	c.place = int32(len(l.conns))
	l.conns = append(l.conns, c)
}

func (l *EventLoop) abandon(c *TcpConnection) {
	last := len(l.conns) - 1
	l.conns[c.place] = l.conns[last]
	l.conns[c.place].place = c.place
	l.conns[last] = nil
	l.conns = l.conns[:last]
}

// plaintextRoom is where connections decrypt what they deliver at once.
func (l *EventLoop) plaintextRoom() *ExtraBuffer {
	if l.plaintext == nil {
		l.plaintext = newExtraBuffer()
	}
	return l.plaintext
}

// recordRoom is where connections decrypt, record by record.
func (l *EventLoop) recordRoom() *recordRoom {
	if l.records == nil {
		l.records = newRecordRoom()
	}
	return l.records
}

// sealingRoom is where small pieces of output are joined before they are encrypted.
func (l *EventLoop) sealingRoom() []byte {
	if l.sealing == nil {
		l.sealing = make([]byte, sealSize)
	}
	return l.sealing
}

// handleAgain has ch handled in the next iteration, without waiting.
func (l *EventLoop) handleAgain(ch *Channel) {
	if !ch.queued {
		ch.queued = true
		l.again = append(l.again, ch)
	}
}

func (l *EventLoop) enterCallback() { l.pulse.beat() }
