package reactor

import (
	"net/netip"
	"sync"
	"sync/atomic"
)

// ConnectionLimit bounds the connections of the servers that it is given to, all
// together: see WithConnectionLimit. Any goroutine may use it.
type ConnectionLimit struct {
	most, mostPerIP int
	count           atomic.Int64

	mu    sync.Mutex // of a limit for each IP
	perIP map[netip.Addr]int
}

// NewConnectionLimit allows most connections in all, and mostPerIP from one IP
// address; 0 or less is no bound. Unix peers have no address to be counted by.
func NewConnectionLimit(most, mostPerIP int) *ConnectionLimit {
	return &ConnectionLimit{most: most, mostPerIP: mostPerIP, perIP: make(map[netip.Addr]int)}
}

// Count is how many connections are counted now.
func (l *ConnectionLimit) Count() int { return int(l.count.Load()) }

// take counts a connection, if there is room for it.
func (l *ConnectionLimit) take(peer InetAddress) bool {
	if n := l.count.Add(1); l.most > 0 && n > int64(l.most) || !l.takeIP(peer) {
		l.count.Add(-1)
		return false
	}
	return true
}

func (l *ConnectionLimit) takeIP(peer InetAddress) bool {
	if l.mostPerIP <= 0 || peer.IsUnix() {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	ip := peer.AddrPort().Addr()
	if l.perIP[ip] >= l.mostPerIP {
		return false
	}
	l.perIP[ip]++
	return true
}

// release gives back what take has counted.
func (l *ConnectionLimit) release(peer InetAddress) {
	l.count.Add(-1)
	if l.mostPerIP <= 0 || peer.IsUnix() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	ip := peer.AddrPort().Addr()
	if l.perIP[ip]--; l.perIP[ip] == 0 {
		delete(l.perIP, ip)
	}
}
