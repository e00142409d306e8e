package reactor

// What others leave for an EventLoop: functors to run, and output to flush.

// The states of EventLoop.sleep: a wake-up is written only to a loop that waits,
// and only by the first who wants one.
const (
	loopAwake uint32 = iota
	loopAsleep
	loopWoken
)

// flusher is a connection with output to send at the end of an iteration.
type flusher interface{ flushInLoop() }

// RunInLoop runs f on the loop's goroutine: at once when called there, else as
// QueueInLoop does. Any goroutine may call it. Error: ErrLoopClosed after Quit.
func (l *EventLoop) RunInLoop(f func()) error {
	if l.IsInLoopThread() {
		f()
		return nil
	}
	return l.QueueInLoop(f)
}

// QueueInLoop runs f on the loop's goroutine in its next round of functors, also
// when called there. Functors run in the order in which they were queued. Any
// goroutine may call it. Error: ErrLoopClosed after Quit; f does not run then.
func (l *EventLoop) QueueInLoop(f func()) error {
	return l.leave(func() { l.pending = append(l.pending, f) })
}

// queueFlush has f flushed at the end of an iteration; any goroutine.
func (l *EventLoop) queueFlush(f flusher) error {
	if l.IsInLoopThread() {
		l.dirty = append(l.dirty, f)
		return nil
	}
	return l.leave(func() { l.remote = append(l.remote, f) })
}

// leave has add, under the lock, leave something for the loop's next round.
func (l *EventLoop) leave(add func()) error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return ErrLoopClosed
	}
	add()
	l.hasPending.Store(true)
	l.mu.Unlock()
	l.wakeUp()
	return nil
}

// wakeUp ends the loop's wait; one eventfd write however many ask.
func (l *EventLoop) wakeUp() {
	if l.sleep.CompareAndSwap(loopAsleep, loopWoken) {
		l.wake.notify()
	}
}

// runPending runs what was queued until now, by one swap: what these functors
// queue in turn waits for the next iteration, so timers are never starved. It
// reports whether Quit was called; everything queued before Quit has then run.
func (l *EventLoop) runPending() (quit bool) {
	if !l.hasPending.Load() {
		return false
	}
	l.mu.Lock()
	l.running, l.pending = l.pending, emptied(l.running)
	l.dirty = append(l.dirty, l.remote...)
	clear(l.remote)
	l.remote = l.remote[:0]
	quit = l.closed
	l.hasPending.Store(false)
	l.mu.Unlock()
	for i, f := range l.running {
		l.running[i] = nil
		l.enterCallback()
		f()
	}
	return quit
}

// flushDirty sends what the iteration wrote. Connections that write again while
// it runs, from a WriteComplete callback, wait for the next iteration.
func (l *EventLoop) flushDirty() {
	if len(l.dirty) == 0 {
		return
	}
	l.flushing, l.dirty = l.dirty, emptied(l.flushing)
	for i, f := range l.flushing {
		l.flushing[i] = nil
		l.enterCallback()
		f.flushInLoop()
	}
}
