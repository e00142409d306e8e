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

// of returns c's id: 0 for nil and for a connection that has ended.
func (n *connIDs) of(c *Conn) uint64 {
	if c == nil {
		return 0
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if id := n.byConn[c]; id != 0 || c.ended() { // forget comes after the end
		return id
	}
	if n.byConn == nil {
		n.byConn, n.byID = make(map[*Conn]uint64), make(map[uint64]*Conn)
	}
	n.last++
	n.byConn[c], n.byID[n.last] = n.last, c
	return n.last
}

func (n *connIDs) conn(id uint64) *Conn {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.byID[id]
}

func (n *connIDs) forget(c *Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.byID, n.byConn[c])
	delete(n.byConn, c)
}
