package reactor

import "sync"

// handshakeGate bounds how many handshakes are under way; the others wait in the
// order in which they came. Its methods may be called from any goroutine.
type handshakeGate struct {
	mu     sync.Mutex
	active map[*handshake]struct{}
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

// enter lets h in, or puts it into the queue: it is then admitted on its loop. When
// it is the first to wait, those who are in are told.
func (g *handshakeGate) enter(h *handshake, most int) bool {
	if most <= 0 {
		most = DefaultMaxHandshakes
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.active) < most {
		g.activateLocked(h)
		return true
	}
	h.state = handshakeWaiting
	g.queue = append(g.queue, h)
	if len(g.queue)-g.gone == 1 {
		for other := range g.active {
			// Refused by a loop that has quit, and closes its connections.
			_ = other.t.c.Loop().QueueInLoop(other.patience)
		}
	}
	return false
}

func (g *handshakeGate) activateLocked(h *handshake) {
	if g.active == nil {
		g.active = make(map[*handshake]struct{})
	}
	g.active[h] = struct{}{}
	h.state = handshakeActive
}

// crowded reports whether any wait.
func (g *handshakeGate) crowded() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.queue) > g.gone
}

// leave takes h out, once, and lets the next in.
func (g *handshakeGate) leave(h *handshake) {
	g.mu.Lock()
	defer g.mu.Unlock()
	before := h.state
	h.state = handshakeOver
	switch before {
	case handshakeActive:
		delete(g.active, h)
		g.admitLocked()
	case handshakeWaiting:
		g.forgetLocked()
	}
}

// admitLocked lets the first of the queue in whose loop still runs.
func (g *handshakeGate) admitLocked() {
	for len(g.queue) > 0 {
		h := g.queue[0]
		g.queue[0] = nil
		g.queue = g.queue[1:]
		switch {
		case h.state != handshakeWaiting:
			g.gone--
		case h.t.c.Loop().QueueInLoop(h.admitted) == nil:
			g.activateLocked(h)
			return
		default:
			h.state = handshakeOver
		}
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
