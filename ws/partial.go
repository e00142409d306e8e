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
	buf     reactor.Buffer // the payload so far, unmasked
	valid   int            // bytes of buf that are whole characters (text only)
	missing int64          // bytes of the current frame's payload still to come
	taken   int64          // bytes of it that came: the offset into its key
	key     uint32
	op      ws.OpCode
	fin     bool // the current frame is the last
	frames  int
}

var partials = sync.Pool{New: func() any { return new(partial) }}

func newPartial(op ws.OpCode) *partial {
	m := partials.Get().(*partial)
	m.op = op
	return m
}

func (m *partial) free() {
	m.buf.RetrieveAll()
	*m = partial{}
	partials.Put(m)
}

// frame begins a frame of the message.
func (m *partial) frame(h frameHeader, max *limits) error {
	if h.length > max.message-int64(m.buf.Len()) {
		return errTooBig
	}
	if m.frames++; m.frames > max.fragments {
		return errTooManyFrames
	}
	m.missing, m.taken, m.key, m.fin = h.length, 0, h.key, h.fin
	return nil
}

// add takes payload bytes of the current frame.
func (m *partial) add(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	at := m.buf.Len()
	m.buf.Append(p)
	all := m.buf.Peek()
	mask(all[at:], m.key, m.taken)
	m.taken += int64(len(p))
	m.missing -= int64(len(p))
	if m.op == ws.OpText {
		n, ok := checkUTF8(all[m.valid:])
		if !ok {
			return errUTF8
		}
		m.valid += n
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
