package ws

import (
	"sync"

	"github.com/carillon-go/carillon/reactor"
	"github.com/gobwas/ws"
)

// partial is a message that has begun and not ended: it lives from the first
// bytes that could not be delivered in place to the message's delivery. What it
// holds has arrived; nothing is reserved for a length that was only announced.
type partial struct {
	buf     reactor.Buffer // the payload so far, unmasked; empty where pieces are delivered
	size    int64          // bytes of the payload so far
	text    textCheck
	missing int64 // bytes of the current frame's payload still to come
	taken   int64 // bytes of it that came: the offset into its key
	key     uint32
	op      ws.OpCode
	fin     bool // the current frame is the last
	deflate bool // the payload is compressed
	frames  int
}

var partials = sync.Pool{New: func() any { return new(partial) }}

func newPartial(h frameHeader) *partial {
	m := partials.Get().(*partial)
	m.op, m.deflate = h.op, h.rsv1
	return m
}

func (m *partial) free() {
	m.buf.RetrieveAll()
	*m = partial{}
	partials.Put(m)
}

// frame begins a frame of the message.
func (m *partial) frame(h frameHeader, max *limits) error {
	if h.length > max.payload(m.deflate)-m.size {
		return errTooBig
	}
	if m.frames++; m.frames > max.fragments {
		return errTooManyFrames
	}
	m.missing, m.taken, m.key, m.fin = h.length, 0, h.key, h.fin
	return nil
}

// gather takes payload bytes of the current frame and keeps them.
func (m *partial) gather(p []byte) error {
	at := m.buf.Len()
	m.buf.Append(p)
	return m.take(m.buf.Peek()[at:])
}

// take unmasks p, the next payload bytes of the current frame, where they lie, and
// checks them.
func (m *partial) take(p []byte) error {
	if m.key != 0 {
		mask(p, m.key, m.taken)
	}
	m.size += int64(len(p))
	m.taken += int64(len(p))
	m.missing -= int64(len(p))
	if m.op == ws.OpText && !m.deflate && !m.text.add(p) {
		return errUTF8
	}
	if m.complete() && !m.text.complete() {
		return errUTF8 // the last character is cut off
	}
	return nil
}

func (m *partial) complete() bool { return m.fin && m.missing == 0 }

// bytes is the whole payload; an empty one is not nil.
func (m *partial) bytes() []byte {
	if p := m.buf.Peek(); p != nil {
		return p
	}
	return []byte{}
}
