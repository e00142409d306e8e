package ws

import (
	"errors"
	"fmt"
)

// SlowPolicy says what becomes of messages for a peer that does not take them as
// fast as they are sent.
type SlowPolicy uint8

const (
	// CloseSlow closes the connection with CodeTryAgainLater (1013): the client
	// can come back and catch up. The default.
	CloseSlow SlowPolicy = iota
	// DropNewest refuses the message at hand: Send returns ErrSlow.
	DropNewest
	// DropOldest makes room by dropping the messages that have waited longest:
	// right where only the latest state counts.
	DropOldest
)

func (p SlowPolicy) String() string {
	switch p {
	case CloseSlow:
		return "close slow"
	case DropNewest:
		return "drop newest"
	case DropOldest:
		return "drop oldest"
	}
	return fmt.Sprintf("SlowPolicy(%d)", uint8(p))
}

// DefaultSendLimit is the limit of WithSendLimit, in bytes.
const DefaultSendLimit = 16 << 20

// holdAt is how much output, in bytes, goes to the reactor under DropOldest, where
// the limit allows that: what is there is a stream of bytes, and cannot be dropped
// any more.
const holdAt = 64 << 10

// holdAt is the constant, or half the limit.
func (c *config) holdAt() int { return min(holdAt, c.sendLimit/2) }

// errCloseSlow has post await the peer's close frame.
var errCloseSlow = errors.New("ws: close")

// slowBody is what CloseSlow closes with.
var slowBody = appendCloseBody(nil, CodeTryAgainLater, "too slow")

// admit decides about a message while something is under way: it may leave, has
// to wait (and was put there), or is refused. c.mu is held.
func (c *Conn) admit(m message) (wait bool, err error) {
	policy, limit := c.shard.slow, c.shard.sendLimit
	pending := c.tcp.OutputBytes()
	r := c.rare.Load()
	if r != nil {
		pending += r.backlog.bytes
	}
	if pending > limit && policy != DropOldest {
		c.shard.stats.count(policy)
		if policy == DropNewest {
			return false, ErrSlow
		}
		_ = c.sendCloseLocked(slowBody) // an error ends the connection by itself
		return false, errCloseSlow
	}
	writing := r != nil && r.writer != nil
	waiting := r != nil && r.backlog.len() > 0
	if !writing && !waiting && (policy != DropOldest || pending <= c.shard.holdAt()) {
		return false, nil
	}
	b := &c.needRare().backlog
	b.push(m.kept())
	// What was in the way may have left since, and before outputLeft could see that
	// something waits.
	if err := c.drainBacklog(false); err != nil {
		return false, err
	}
	for policy == DropOldest && c.tcp.OutputBytes()+b.bytes > limit && b.len() > 1 {
		b.pop()
		c.shard.stats.count(policy)
	}
	return true, nil
}

// drainBacklog sends what waited, as far as it may leave. c.mu is held.
func (c *Conn) drainBacklog(all bool) error {
	r := c.rare.Load()
	if r == nil || r.writer != nil {
		return nil
	}
	for r.backlog.len() > 0 && (all || c.shard.slow != DropOldest || c.tcp.OutputBytes() <= c.shard.holdAt()) {
		if err := c.write(r.backlog.pop()); err != nil {
			return err
		}
	}
	return nil
}

// backlog is a queue of messages that wait. The zero value is empty.
type backlog struct {
	queue []message
	head  int
	bytes int // of all payloads, and messageWeight for each
}

// messageWeight is what a message that waits costs beside its payload, in bytes.
const messageWeight = 64

func (b *backlog) len() int { return len(b.queue) - b.head }

func (b *backlog) push(m message) {
	if b.head > 0 && b.head >= len(b.queue)/2 {
		n := copy(b.queue, b.queue[b.head:])
		clear(b.queue[n:])
		b.queue, b.head = b.queue[:n], 0
	}
	b.queue = append(b.queue, m)
	b.bytes += len(m.payload) + messageWeight
}

func (b *backlog) pop() message {
	m := b.queue[b.head]
	b.queue[b.head] = message{}
	b.head++
	b.bytes -= len(m.payload) + messageWeight
	if b.head == len(b.queue) {
		*b = backlog{}
	}
	return m
}
