package ws

import "github.com/valyala/bytebufferpool"

// deflation is permessage-deflate as it was agreed on for one connection.
type deflation struct {
	options *Deflate
	out     compressor   // guarded by Conn.mu
	in      decompressor // loop only
}

func newDeflation(options *Deflate, p deflateParams) *deflation {
	return &deflation{options, newCompressor(options, p.send), newDecompressor(p.receive)}
}

// Compressed and inflated payloads differ in size, so that each has a pool.
var deflatedStorage, inflatedStorage bytebufferpool.Pool

// maxPooled is how large, in bytes, storage may be that goes back to a pool.
const maxPooled = 256 << 10

func giveBack(pool *bytebufferpool.Pool, bb *bytebufferpool.ByteBuffer) {
	if cap(bb.B) <= maxPooled {
		pool.Put(bb)
	}
}

// frameOf is m as a server sends it here: compressed, unless it is no longer as it is.
// Conn.mu is held, and the frame is sent.
func (d *deflation) frameOf(m *Prepared) []byte {
	frame := m.deflated(d.options.level(), d.out.params.bits)
	if frame == nil {
		return m.frame
	}
	d.out.note(m.payload)
	return frame
}

// writeDeflated compresses a message and sends it, or sends it as it is when that
// is no longer. c.mu is held.
func (c *Conn) writeDeflated(m message) error {
	bb := deflatedStorage.Get()
	defer giveBack(&deflatedStorage, bb)
	var smaller bool
	if bb.B, smaller = c.deflate.out.compress(bb.B[:0], m.payload); !smaller {
		return c.writeFrame(finBit|byte(m.op), m.payload)
	}
	return c.writeFrame(finBit|rsv1Bit|byte(m.op), bb.B)
}

// deliverInflated inflates a message and delivers it.
func (c *Conn) deliverInflated(ev event) *violation {
	bb := inflatedStorage.Get()
	defer giveBack(&inflatedStorage, bb)
	in, limit := &c.deflate.in, c.dec.limits.message
	var v *violation
	if ev.op == OpText {
		bb.B, v = in.inflateText(bb.B[:0], ev.payload, limit)
	} else {
		bb.B, v = in.inflate(bb.B[:0], ev.payload, limit, nil)
	}
	if v == nil {
		ev.payload = bb.B
		c.deliver(ev)
	}
	return v
}

// freeDeflation gives the windows back. Nothing more is sent. Loop goroutine only.
func (c *Conn) freeDeflation() {
	if c.deflate == nil {
		return
	}
	c.mu.Lock()
	c.deflate.out.free()
	c.mu.Unlock()
	c.deflate.in.free()
}
