package ws

import (
	"unsafe"

	"github.com/valyala/bytebufferpool"
)

var retainedStorage bytebufferpool.Pool

// Retained is a payload that outlives the OnMessage it was handed to.
type Retained struct {
	copied *bytebufferpool.ByteBuffer
	taken  *partial // instead of a copy
}

// Retain keeps p, the payload of the OnMessage or OnFragment that is running,
// beyond its return: without a copy when the message came in pieces, and else by
// one into pooled storage. p itself stays valid as before, but not beyond Release.
// Loop goroutine only; with Offload the payload is retained already, so that it must
// be copied there.
func (c *Conn) Retain(p []byte) *Retained {
	if m := c.dec.msg; m != nil && m.complete() && len(p) == m.buf.Len() && unsafe.SliceData(p) == unsafe.SliceData(m.buf.Peek()) {
		c.dec.msg = nil
		return &Retained{taken: m}
	}
	bb := retainedStorage.Get()
	if cap(bb.B) > 2*len(p)+retainedSlack {
		giveBack(&retainedStorage, bb)
		bb = new(bytebufferpool.ByteBuffer)
	}
	bb.B = append(bb.B[:0], p...)
	return &Retained{copied: bb}
}

// retainedSlack is how much storage may be more than twice as large as its payload,
// in bytes: thousands of small messages that wait must not each hold the storage of a
// large one.
const retainedSlack = 1 << 10

// weight is what the payload costs while it waits, in bytes.
func (r *Retained) weight() int {
	if r.copied != nil {
		return messageWeight + cap(r.copied.B)
	}
	return messageWeight + len(r.Bytes())
}

// Bytes is the payload, until Release. A nil Retained has none.
func (r *Retained) Bytes() []byte {
	switch {
	case r == nil:
	case r.copied != nil:
		return r.copied.B
	case r.taken != nil:
		return r.taken.bytes()
	}
	return nil
}

// Release gives the storage back; Bytes must not be used any more. A second
// Release does nothing. Any goroutine, one at a time.
func (r *Retained) Release() {
	switch {
	case r == nil:
		return
	case r.copied != nil:
		giveBack(&retainedStorage, r.copied)
	case r.taken != nil:
		r.taken.free()
	}
	*r = Retained{}
}
