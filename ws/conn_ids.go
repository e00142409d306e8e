package ws

import "sync"

// connIDs names connections towards other hubs, those that PublishExcept leaves
// out and that comes back from the broker.
type connIDs struct {
	mu     sync.Mutex
	last   uint64
	byConn map[*Conn]uint64
	byID   map[uint64]*Conn
}

// of returns c's id, which lasts as long as c: 0 for nil and for a connection that has
// ended. Any goroutine.
func (n *connIDs) of(c *Conn) uint64 {
	if c == nil {
		return 0
	}
	id, first := n.enter(c)
	if first && c.Loop().RunInLoop(func() { n.follow(c) }) != nil {
		n.connEnded(c)
	}
	return id
}

// enter returns c's id, and whether that is new.
func (n *connIDs) enter(c *Conn) (id uint64, first bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if id := n.byConn[c]; id != 0 || c.ended() { // connEnded comes after the end
		return id, false
	}
	if n.byConn == nil {
		n.byConn, n.byID = make(map[*Conn]uint64), make(map[uint64]*Conn)
	}
	n.last++
	n.byConn[c], n.byID[n.last] = n.last, c
	return n.last, true
}

// follow waits for c's end: it need not be in the hub, whose members hear of theirs.
// Loop goroutine only.
func (n *connIDs) follow(c *Conn) {
	if !c.attach(n) {
		n.connEnded(c)
	}
}

func (n *connIDs) conn(id uint64) *Conn {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.byID[id]
}

// connEnded implements ender.
func (n *connIDs) connEnded(c *Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.byID, n.byConn[c])
	delete(n.byConn, c)
}
