package reactor

import (
	"sync/atomic"
	"time"
)

// Timer is a callback that is due at a point of the monotonic clock. It is
// created by EventLoop.RunAt, RunAfter and RunEvery, fires on the loop's
// goroutine, and is never reused, so that a TimerID kept too long cancels nothing
// that is alive.
type Timer struct {
	callback func()
	when     time.Duration // on the loop's clock; the queue's copy orders
	interval time.Duration // 0: fires once
	state    atomic.Uint32
}

// The life of a timer. Cancel and the firing loop race for it with a swap, so a
// timer whose Cancel returned true never fires, whichever goroutine cancelled.
const (
	timerPending uint32 = iota
	timerFiring         // a repeating timer goes back to pending
	timerDone
	timerCancelled
)

// TimerID names a timer for Cancel. The zero value names none. It may be copied
// and kept for as long as one likes.
type TimerID struct{ timer *Timer }

// Valid reports whether id names a timer, due or not. A loop that has quit
// returns ids that are not valid.
func (id TimerID) Valid() bool { return id.timer != nil }

// cancel makes sure that t does not fire again. It reports whether t was still
// to fire; for a repeating timer that is also true inside its own callback.
func (t *Timer) cancel() bool {
	for {
		switch s := t.state.Load(); s {
		case timerPending:
			if t.state.CompareAndSwap(s, timerCancelled) {
				t.callback = nil // the queue may hold t for a while; not what it captured
				return true
			}
		case timerFiring:
			if t.interval == 0 {
				return false
			}
			if t.state.CompareAndSwap(s, timerCancelled) {
				return true
			}
		default:
			return false
		}
	}
}

// fire runs the callback unless t was cancelled, and reports whether t repeats.
func (t *Timer) fire() (again bool) {
	if !t.state.CompareAndSwap(timerPending, timerFiring) {
		return false
	}
	t.callback()
	next := timerPending
	if t.interval == 0 {
		next = timerDone
	}
	if t.state.CompareAndSwap(timerFiring, next) && next == timerPending {
		return true
	}
	t.callback = nil // a TimerID may be kept for long; not what the callback captured
	return false
}

// nextAfter is the first multiple of the interval, counted from when the timer
// was first due, that lies after now: a late callback neither shifts the later
// ones nor lets them pile up. now is not before the timer was due.
func (t *Timer) nextAfter(now time.Duration) time.Duration {
	missed := (now - t.when) / t.interval
	return later(t.when+missed*t.interval, t.interval)
}
