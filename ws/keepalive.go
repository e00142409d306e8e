package ws

import (
	"errors"
	"time"

	"github.com/gobwas/ws"
)

var errNoPong = errors.New("ws: nothing came from the peer, not even a pong")

// answered ends the wait for a pong: whatever came is a sign of life.
func (c *Conn) answered() {
	c.pinged = false
	w := c.shard.wheel
	w.remove(c)
	w.add(c, w.pingAt(c.lastRead, c.shard.pingAfter))
}

// pingAt is when a peer is pinged that was last heard of at last. It is early, so
// that one who does not answer is found in time though the answer may come a tick
// late.
func (w *wheel) pingAt(last, idle time.Duration) time.Duration { return last + idle - w.tick }

// keepaliveInLoop pings a peer that has been silent, gives up one that stays so,
// and returns when to look again, 0 for never. It runs once an interval, however
// much was received.
func (c *Conn) keepaliveInLoop() (next time.Duration) {
	sh, w, now := c.shard, c.shard.wheel, c.shard.loop.Now()
	pending := c.tcp.PendingOutput()
	last := c.lastRead
	if pending {
		last = max(last, c.tcp.LastActive())
		c.pinged = c.pinged && now-last >= sh.pongWithin
	}
	end := last + sh.pingAfter + sh.pongWithin
	switch {
	case c.phase == closing:
		return now + sh.pingAfter // the closing handshake has a deadline of its own
	case pending && !c.pinged && now+w.tick <= end:
		// A ping would only wait behind the output, and its pong perhaps not be read.
		// That the peer takes what is sent is the sign of life then.
		return min(end, max(w.pingAt(last, sh.pingAfter), now+w.tick))
	case c.paused && !pending:
		// The handler is behind, and nobody reads the pong: the ping only keeps the
		// line open.
		c.pinged = false
		_ = c.sendControl(ws.OpPing, nil)
		return now + sh.pingAfter
	case pending, c.pinged:
		sh.stats.Dead.Add(1)
		c.lost(errNoPong)
		c.tcp.ForceClose()
		return 0
	case now+w.tick <= w.pingAt(last, sh.pingAfter):
		return w.pingAt(last, sh.pingAfter)
	default:
		c.pinged = true
		_ = c.sendControl(ws.OpPing, nil) // an error ends the connection by itself
		return now + sh.pongWithin + w.tick
	}
}
