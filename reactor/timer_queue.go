package reactor

import (
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// TimerQueue keeps the timers of one loop, ordered by the time at which they are
// due, over a single timerfd_create(2) on the monotonic clock: a step of the wall
// clock neither freezes nor floods it. The kernel is told only when the earliest
// time moves forward; timers that are far away cost nothing until then.
//
// The order is a 4-ary heap of values, so that adding seldom leaves one cache
// line; timers of the very same time fire in any order. Cancelling only marks the
// timer; marked ones are swept out when they would be half of the heap, which
// makes cancelling O(1) and bounds what the dead hold. Timers are added through
// the loop, which owns the queue; Cancel may be called from any goroutine.
type TimerQueue struct {
	fd        int
	channel   *Channel
	heap      timerHeap
	cancelled atomic.Int64 // marked and still to be dropped
	armed     time.Duration
	due       bool
	batch     []*Timer
}

const neverArmed = time.Duration(1<<63 - 1)

func newTimerQueue(loop *EventLoop) (*TimerQueue, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	q := &TimerQueue{fd: fd, armed: neverArmed}
	q.channel = NewChannel(loop, fd, ReadHandler(q.handleRead))
	if err := q.channel.EnableReading(); err != nil {
		closeFD(fd)
		return nil, err
	}
	return q, nil
}

// handleRead notes that timers are due; the loop runs them after all channels of
// the batch, so that a callback never runs between two channels that are ready.
func (q *TimerQueue) handleRead() {
	drainCounter(q.fd)
	q.armed = neverArmed
	q.due = true
}

// addInLoop puts t into the heap, and arms the timerfd when t is the earliest.
func (q *TimerQueue) addInLoop(t *Timer) {
	q.heap.push(timerEntry{t.when, t})
	q.arm()
}

// arm sets the timerfd to the earliest time, if that lies before what it is set
// to. The cancelled are dropped from the front first: nobody is to wake for them.
func (q *TimerQueue) arm() {
	for len(q.heap) > 0 && q.heap[0].timer.state.Load() == timerCancelled {
		q.heap.pop()
		q.cancelled.Add(-1)
	}
	if len(q.heap) == 0 || q.heap[0].when >= q.armed {
		return
	}
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(kernelTime(q.heap[0].when))}
	for {
		err := unix.TimerfdSettime(q.fd, unix.TFD_TIMER_ABSTIME, &spec, nil)
		if err == nil {
			q.armed = q.heap[0].when
		}
		if err != unix.EINTR {
			return // it fails for a bad fd or a bad time only; neither can be
		}
	}
}

// cancel stops t, from any goroutine.
func (q *TimerQueue) cancel(t *Timer) bool {
	if !t.cancel() {
		return false
	}
	q.cancelled.Add(1)
	return true
}

// sweepInLoop drops the cancelled when they would be half of the heap.
func (q *TimerQueue) sweepInLoop() {
	const worthIt = 64
	if n := int(q.cancelled.Load()); n < worthIt || n < len(q.heap)/2 {
		return
	}
	before := len(q.heap)
	q.heap.keep(func(t *Timer) bool { return t.state.Load() != timerCancelled })
	q.cancelled.Add(int64(len(q.heap) - before))
}

// runDue fires every timer that is due at now, in the order of their times. They
// are taken out first, so that a callback may add and cancel as it likes; a
// sibling that it cancels does not fire.
func (q *TimerQueue) runDue(now time.Duration, enter func()) {
	q.due = false
	for len(q.heap) > 0 && q.heap[0].when <= now {
		q.batch = append(q.batch, q.heap.pop().timer)
	}
	for i, t := range q.batch {
		q.batch[i] = nil
		if t.state.Load() == timerCancelled {
			q.cancelled.Add(-1)
			continue
		}
		enter()
		if t.fire() {
			t.when = t.nextAfter(now)
			q.heap.push(timerEntry{t.when, t})
		} else if t.state.Load() == timerCancelled {
			q.cancelled.Add(-1)
		}
	}
	q.batch = emptied(q.batch)
	q.arm()
}

func (q *TimerQueue) close() { closeFD(q.fd) }

// timerEntry holds the time beside the pointer, so that comparing touches no
// timer.
type timerEntry struct {
	when  time.Duration
	timer *Timer
}

// timerHeap is a 4-ary min-heap by time.
type timerHeap []timerEntry

const heapArity = 4

func (h *timerHeap) push(e timerEntry) {
	*h = append(*h, e)
	h.up(len(*h) - 1)
}

func (h *timerHeap) pop() timerEntry {
	s := *h
	first, last := s[0], len(s)-1
	s[0] = s[last]
	s[last] = timerEntry{}
	*h = shrunk(s[:last])
	if last > 0 {
		h.down(0)
	}
	return first
}

// keep drops the entries whose timer does not satisfy ok, in O(n).
func (h *timerHeap) keep(ok func(*Timer) bool) {
	kept := (*h)[:0]
	for _, e := range *h {
		if ok(e.timer) {
			kept = append(kept, e)
		}
	}
	clear((*h)[len(kept):])
	kept = shrunk(kept)
	*h = kept
	for i := (len(kept) - 2) / heapArity; i >= 0 && len(kept) > 1; i-- {
		h.down(i)
	}
}

// shrunk moves a heap that has become small into storage of its size.
func shrunk(h timerHeap) timerHeap {
	const worthIt = 1024
	if cap(h) < worthIt || len(h) > cap(h)/4 {
		return h
	}
	return append(make(timerHeap, 0, cap(h)/2), h...)
}

func (h timerHeap) up(i int) {
	e := h[i]
	for i > 0 {
		parent := (i - 1) / heapArity
		if h[parent].when <= e.when {
			break
		}
		h[i] = h[parent]
		i = parent
	}
	h[i] = e
}

func (h timerHeap) down(i int) {
	e := h[i]
	for {
		first := heapArity*i + 1
		if first >= len(h) {
			break
		}
		least := first
		for c := first + 1; c < min(first+heapArity, len(h)); c++ {
			if h[c].when < h[least].when {
				least = c
			}
		}
		if e.when <= h[least].when {
			break
		}
		h[i] = h[least]
		i = least
	}
	h[i] = e
}
