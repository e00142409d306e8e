package ws

import "sync"

// workAhead is how much a connection's goroutine may be behind, in bytes of payload
// and messageWeight for each message or piece of one, before the connection is not
// read any more.
const workAhead = 256 << 10

// intake counts what was received for a connection's goroutine and is not handled
// yet, and keeps the connection from being read while that is more than workAhead.
type intake struct {
	mu     sync.Mutex
	behind int  // the weight of what is queued or being handled; guarded by mu
	waited bool // the connection is not read until the goroutine has caught up; guarded by mu
}

// addLocked counts what has come in. Loop goroutine only; k.mu is held.
func (k *intake) addLocked(c *Conn, weight int) {
	k.behind += weight
	if k.behind > workAhead && !k.waited {
		k.waited = true
		c.pause()
	}
}

// handled takes off what is done, and has the connection read again when its
// goroutine has caught up. Any goroutine.
func (k *intake) handled(c *Conn, weight int) {
	k.mu.Lock()
	k.behind -= weight
	again := k.waited && k.behind <= workAhead/2
	k.waited = k.waited && !again
	k.mu.Unlock()
	if again {
		_ = c.shard.loop.QueueInLoop(c.resume) // refused by a loop that has quit
	}
}

// full reports whether the connection waits for its goroutine.
func (k *intake) full() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.waited
}
