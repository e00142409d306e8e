package http

import "time"

// hand is a goroutine that runs handlers, one after the other. A goroutine that has run one has the stack that the next one
// needs: starting a fresh one for each request costs a tenth more CPU time a request.
type hand struct {
	work chan *exchange // closed to end it
}

// hands are a loop's goroutines that have nothing to do. The loop takes and gives them; only the loop's goroutine touches
// them. There are as many as handlers have run at the same time; those that were not needed for a while end.
type hands struct {
	idle      []*hand
	least     int // how few were idle since the last look
	looking   bool
	dismissed bool
}

// handPatience is how long a hand may be idle, at least; twice that at most. Tests shorten it.
var handPatience = 10 * time.Second

// giveToHand has a hand run the handler of x.
func (w *worker) giveToHand(x *exchange) {
	hs := &w.hands
	if n := len(hs.idle); n > 0 {
		x.hand = hs.idle[n-1]
		hs.idle = hs.idle[:n-1]
		hs.least = min(hs.least, n-1)
		w.loop.HandedOut()
		x.hand.work <- x
		return
	}
	hs.least = 0
	x.hand = &hand{make(chan *exchange, 1)}
	x.hand.work <- x
	w.loop.Go(x.hand.run)
}

func (h *hand) run() {
	for x := range h.work {
		if !x.runOffLoop() {
			return
		}
	}
}

// takeHand takes back the hand that x was given to, if it still works.
func (w *worker) takeHand(x *exchange) {
	h, hs := x.hand, &w.hands
	x.hand = nil
	switch {
	case h == nil:
	case hs.dismissed:
		close(h.work)
	default:
		hs.idle = append(hs.idle, h)
		w.lookAfterHands()
	}
}

// lookAfterHands ends, each handPatience, the hands that were idle all that time.
func (w *worker) lookAfterHands() {
	hs := &w.hands
	if hs.looking {
		return
	}
	hs.looking = true
	hs.least = len(hs.idle)
	w.loop.RunAfter(handPatience, func() {
		hs.looking = false
		for range min(hs.least, len(hs.idle)) {
			last := len(hs.idle) - 1
			close(hs.idle[last].work)
			hs.idle[last] = nil
			hs.idle = hs.idle[:last]
		}
		if len(hs.idle) > 0 {
			w.lookAfterHands()
		}
	})
}

// dismiss ends all hands: the idle ones now, the others when they are taken back.
func (w *worker) dismiss() {
	hs := &w.hands
	hs.dismissed = true
	for _, h := range hs.idle {
		close(h.work)
	}
	hs.idle = nil
}
