package reactor

import (
	"testing"
	"time"
)

// TestCancelledAreCountedExactly: the count decides when the cancelled are swept out,
// and it stays exact where a callback cancels siblings of its own batch and then
// has the queue swept, and where a repeating timer cancels itself.
func TestCancelledAreCountedExactly(t *testing.T) {
	v := newVirtual(t)
	const siblings, far = 100, 200
	var later []TimerID
	cancelAll := func() {
		for _, id := range later {
			if !v.cancel(id.timer) {
				t.Error("a sibling could not be cancelled")
			}
		}
		for range far {
			v.cancel(v.add("far", time.Hour, 0).timer)
		}
		v.sweepInLoop()
		// The siblings are out of the heap, and still to be dropped.
		if n := v.cancelled.Load(); n != siblings || len(v.heap) != 0 {
			t.Errorf("inside: %d counted, %d in the heap; want %d and 0", n, len(v.heap), siblings)
		}
	}
	v.add("first", 0, 0, cancelAll)
	for range siblings {
		later = append(later, v.add("sibling", ms, 0))
	}
	v.expect(t, ms, "first")
	expectCancelled(t, v, 0)

	var self TimerID
	self = v.add("self", 2*ms, ms, func() { v.cancel(self.timer) })
	v.expect(t, 2*ms, "self")
	expectCancelled(t, v, 0)

	once := v.add("once", 3*ms, 0)
	v.expect(t, 3*ms, "once")
	if v.cancel(once.timer) {
		t.Error("a timer that has fired was cancelled")
	}
	expectCancelled(t, v, 0)
}

func expectCancelled(t *testing.T, v *virtual, want int64) {
	t.Helper()
	if n := v.cancelled.Load(); n != want || len(v.heap) != 0 {
		t.Errorf("%d are counted as cancelled, %d in the heap; want %d and 0", n, len(v.heap), want)
	}
}
