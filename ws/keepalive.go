package ws

import (
	"errors"

	"github.com/gobwas/ws"
)

var errNoPong = errors.New("ws: nothing came from the peer, not even a pong")

// answered ends the wait for a pong: whatever came is a sign of life.
func (c *Conn) answered() {
	c.pinged = false
	if c.phase == open {
		c.tcp.SetDeadline(c.lastRead + c.endpoint.pingAfter)
	}
}

// timeout is the Timeout callback: the connection's one deadline passed, which
// serves keepalive while it is open and bounds the closing handshake after.
func (c *Conn) timeout() {
	switch {
	case c.phase == closing:
		c.lost(errors.New("ws: the peer did not answer the close frame"))
		c.tcp.ForceClose()
	case c.phase == closed:
		c.tcp.ForceClose()
	default:
		c.keepalive()
	}
}

// keepalive pings a silent peer, gives up one that stays silent, and else sets
// the next deadline. It runs once an interval, however much was received.
func (c *Conn) keepalive() {
	e, now := c.endpoint, c.tcp.Loop().Now()
	last := c.lastRead
	if c.paused {
		// A pong could not be read now. That the peer takes what is sent is the
		// sign of life then.
		last = max(last, c.tcp.LastActive())
		c.pinged = c.pinged && now-last >= e.pongWithin
	}
	switch {
	case c.pinged:
		c.lost(errNoPong)
		c.tcp.ForceClose()
	case now-last < e.pingAfter:
		c.tcp.SetDeadline(last + e.pingAfter)
	default:
		c.pinged = true
		_ = c.send(ws.OpPing, nil) // an error ends the connection by itself
		c.tcp.SetDeadline(now + e.pongWithin)
	}
}
