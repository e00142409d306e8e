package ws

import (
	"context"
	"errors"

	"github.com/carillon-go/carillon/reactor"
	"github.com/valyala/bytebufferpool"
)

// fragmentSize is how large the fragments of a Writer are, in bytes of payload
// before compression.
const fragmentSize = 16 << 10

// writeAhead is how much output, in bytes, may wait for the peer while a Writer
// goes on, where the limit of WithSendLimit allows that.
const writeAhead = 256 << 10

// writeAhead is the constant, or half the limit: a connection whose output is its
// Writer's must not pass for one whose peer is too slow.
func (c *config) writeAhead() int { return min(writeAhead, c.sendLimit/2) }

var fragmentStorage bytebufferpool.Pool

// Writer sends one message of any length in fragments (RFC 6455 section 5.4),
// without holding all of it. Its methods wait for a peer that is behind, so they
// are for goroutines, not for the loop, and one goroutine at a time.
//
// Until Close, other messages of the connection wait behind this one, within the
// limit of WithSendLimit; pings and pongs pass. A message that is begun can only
// be ended: to break it off, close the connection.
type Writer struct {
	c     *Conn
	ctx   context.Context
	op    Op
	buf   *bytebufferpool.ByteBuffer // nil: closed
	begun bool                       // a fragment was sent
}

// NewWriter begins a message. ctx bounds its waits. Any goroutine but the loop's.
//
// The errors are ErrBadOp, ErrWriting while another Writer of the connection is
// open, ErrClosed, and reactor.ErrOnLoop.
func (c *Conn) NewWriter(ctx context.Context, op Op) (*Writer, error) {
	switch {
	case !beginsMessage(op):
		return nil, ErrBadOp
	case c.Loop().IsInLoopThread():
		return nil, reactor.ErrOnLoop
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closeSent {
		return nil, ErrClosed
	}
	m := c.needRare()
	if m.writer != nil {
		return nil, ErrWriting
	}
	if err := c.drainBacklog(true); err != nil {
		return nil, err
	}
	m.writer = &Writer{c: c, ctx: ctx, op: op, buf: fragmentStorage.Get()}
	return m.writer, nil
}

// Write takes p, and sends what makes whole fragments. It waits while more than
// 256 KiB, or half the limit of WithSendLimit, wait for the peer. n is how much of p
// was taken when the context ended or the connection closed: ErrClosed.
func (w *Writer) Write(p []byte) (n int, err error) {
	if w.buf == nil {
		return 0, ErrClosed
	}
	for len(p) > 0 {
		if len(w.buf.B) == fragmentSize {
			if err := w.Flush(); err != nil {
				return n, err
			}
		}
		took := min(len(p), fragmentSize-len(w.buf.B))
		w.buf.B = append(w.buf.B, p[:took]...)
		n, p = n+took, p[took:]
	}
	return n, nil
}

// Flush sends what Write holds as a fragment. It waits like Write.
func (w *Writer) Flush() error {
	if w.buf == nil {
		return ErrClosed
	}
	if len(w.buf.B) == 0 {
		return nil
	}
	if err := w.c.awaitRoom(w.ctx, false); err != nil {
		return err
	}
	return w.send(false)
}

// send sends what is held as the next frame.
func (w *Writer) send(fin bool) error {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	return w.sendLocked(fin)
}

func (w *Writer) sendLocked(fin bool) error {
	if w.c.closeSent {
		return ErrClosed
	}
	b0, first := byte(0), !w.begun // a continuation
	if first {
		b0 = byte(w.op)
	}
	if fin {
		b0 |= finBit
	}
	w.begun = true
	err := w.writeFragment(b0, first, fin)
	w.buf.B = w.buf.B[:0]
	return err
}

func (w *Writer) writeFragment(b0 byte, first, fin bool) error {
	d := w.c.deflate
	if d == nil {
		return w.c.writeFrame(b0, w.buf.B)
	}
	if first {
		b0 |= rsv1Bit
		d.out.begin()
	}
	bb := deflatedStorage.Get()
	defer giveBack(&deflatedStorage, bb)
	bb.B = d.out.write(bb.B[:0], w.buf.B)
	if fin {
		bb.B = d.out.end(bb.B)
	}
	return w.c.writeFrame(b0, bb.B)
}

// Close sends the last fragment, and then what waited behind the message. It does
// not wait. A second Close returns ErrClosed.
func (w *Writer) Close() error {
	if w.buf == nil {
		return ErrClosed
	}
	c := w.c
	c.mu.Lock()
	defer c.mu.Unlock()
	err := w.sendLocked(true)
	fragmentStorage.Put(w.buf)
	w.buf = nil
	c.rare.Load().writer = nil
	err = errors.Join(err, c.drainBacklog(false))
	c.wakeWriters()
	return err
}

// awaitRoom waits while more than writeAhead() is left of the output, with behind
// also of the messages that wait for a Writer to close. Any goroutine but the
// loop's. The errors are that of ctx, ErrClosed, and reactor.ErrOnLoop.
func (c *Conn) awaitRoom(ctx context.Context, behind bool) error {
	for {
		room, err := c.room(behind)
		if room == nil {
			return err
		}
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// room returns what is closed when output has left, nil when there is room now.
func (c *Conn) room(behind bool) (<-chan struct{}, error) {
	if c.Loop().IsInLoopThread() {
		return nil, reactor.ErrOnLoop
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closeSent {
		return nil, ErrClosed
	}
	m := c.needRare() // before the output is looked at: outputLeft looks here after it
	pending := c.tcp.OutputBytes()
	if behind {
		pending += m.backlog.bytes
	}
	if pending <= c.shard.writeAhead() {
		return nil, nil
	}
	if m.room == nil {
		m.room = make(chan struct{})
	}
	return m.room, nil
}

// wakeWriters has those who wait for room look again. c.mu is held.
func (c *Conn) wakeWriters() {
	if m := c.rare.Load(); m != nil && m.room != nil {
		close(m.room)
		m.room = nil
	}
}
