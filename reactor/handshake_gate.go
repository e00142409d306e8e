package reactor

import "sync"

// handshakeGate bounds how many handshakes are under way; the others wait in the
// order in which they came. Its methods may be called from any loop.
type handshakeGate struct {
	mu     sync.Mutex
	active int
	queue  []*handshake
	gone   int // in the queue, and not waiting any more
}

type handshakeState uint8

const (
	handshakeNew handshakeState = iota
	handshakeWaiting
	handshakeActive
	handshakeOver
)

// enter lets h in, or puts it into the queue: it is then admitted on its loop.
func (g *handshakeGate) enter(h *handshake, most int) bool {
	if most <= 0 {
		most = DefaultMaxHandshakes
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.active < most {
		g.active++
		h.state = handshakeActive
		return true
	}
	h.state = handshakeWaiting
	g.queue = append(g.queue, h)
	return false
}

// leave takes h out, and lets the next in. It is false when h was out before.
func (g *handshakeGate) leave(h *handshake) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	before := h.state
	h.state = handshakeOver
	switch before {
	case handshakeActive:
		g.active--
		g.admitLocked()
	case handshakeWaiting:
		g.forgetLocked()
	}
	return before == handshakeActive || before == handshakeWaiting
}

// admitLocked lets the first of the queue in whose loop still runs.
func (g *handshakeGate) admitLocked() {
	for len(g.queue) > 0 {
		h := g.queue[0]
		g.queue[0] = nil
		g.queue = g.queue[1:]
		if h.state != handshakeWaiting {
			g.gone--
			continue
		}
		h.state = handshakeActive
		if h.t.c.Loop().QueueInLoop(h.admitted) == nil {
			g.active++
			return
		}
		h.state = handshakeOver
	}
	g.queue = nil
}

// forgetLocked drops those who left from the queue when they are the most of it.
func (g *handshakeGate) forgetLocked() {
	g.gone++
	if g.gone*2 < len(g.queue) {
		return
	}
	var rest []*handshake
	for _, h := range g.queue {
		if h.state == handshakeWaiting {
			rest = append(rest, h)
		}
	}
	g.queue, g.gone = rest, 0
}
