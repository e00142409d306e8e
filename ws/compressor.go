package ws

import (
	"sync"

	"github.com/klauspost/compress/flate"
)

// compressor compresses the messages that one endpoint of a connection sends,
// as RFC 7692 section 7.2.1 says. Between messages it holds nothing but its
// window, and that only with context takeover. A message that is sent as it is
// does not enter the window, and the compressor must not learn of it.
//
// It is for one goroutine at a time. free it, then it may be dropped.
type compressor struct {
	params deflateDirection
	level  uint8
	window window
	stream *deflater // from begin to end
}

func newCompressor(d *Deflate, params deflateDirection) compressor {
	return compressor{params: params, level: uint8(d.level())}
}

// flushTail is the end of every flushed stream, which stays off the wire (RFC
// 7692 section 7.2.1).
const flushTail = "\x00\x00\xff\xff"

// compress appends p, compressed, to dst. smaller is false when that would have
// taken no fewer bytes than p: then nothing is appended, the window is as
// before, and p is to be sent as it is. p must not change meanwhile.
func (c *compressor) compress(dst, p []byte) (out []byte, smaller bool) {
	z := c.deflater(len(p))
	z.out = dst
	z.add(p)
	out = z.free()
	end := len(out) - len(flushTail)
	if end-len(dst) >= len(p) {
		return out[:len(dst)], false
	}
	c.note(p)
	return out[:end], true
}

// note tells that the peer inflated p, which deflateOnce compressed for it and
// others: the window has moved on.
func (c *compressor) note(p []byte) {
	if c.params.takeover {
		c.window.add(p, c.params.bits)
	}
}

// begin begins a message that comes in parts. write and end follow; compress,
// note and begin must not, before end.
func (c *compressor) begin() { c.stream = c.deflater(unknownLength) }

// write appends to dst what p compresses to, flushed, so that the peer can
// inflate all of p from it. It is the payload of a fragment; "" appends nothing.
func (c *compressor) write(dst, p []byte) []byte {
	if len(p) == 0 {
		return dst
	}
	c.stream.out = dst
	c.stream.add(p)
	dst, c.stream.out = c.stream.out, nil
	c.note(p)
	return dst
}

// end appends what the last fragment has to hold: one byte.
func (c *compressor) end(dst []byte) []byte {
	c.stream.out = dst
	c.stream.add(nil)
	dst = c.stream.free()
	c.stream = nil
	return dst[:len(dst)-len(flushTail)]
}

// free gives back all that the compressor holds, also in the middle of a
// message. It may be called again.
func (c *compressor) free() {
	c.window.free()
	if c.stream != nil {
		c.stream.free()
		c.stream = nil
	}
}

// deflateOnce is compress for a message that many peers get: without what any
// of them got before. bits is the smallest window among theirs, and with each
// that keeps a window, note has to follow.
func deflateOnce(dst, p []byte, level int, bits uint8) (out []byte, smaller bool) {
	c := compressor{params: deflateDirection{bits: bits}, level: uint8(level)}
	return c.compress(dst, p)
}

// unknownLength is the length of a message that is not over.
const unknownLength = -1

// deflater gives a deflater for a message of n bytes that begins with the
// window.
//
// The library limits distances by one algorithm only, which is slower than level
// 1 and knows no levels. It is needed only where a distance could become too
// great: a message of up to half the window takes the other half along, and
// every level will do.
func (c *compressor) deflater(n int) *deflater {
	size := 1 << c.params.bits
	dict := c.window.bytes()
	switch {
	case c.params.bits == maxWindowBits:
		return newDeflater(&levelDeflaters[c.level], int(c.level), dict)
	case n != unknownLength && n <= size/2:
		return newDeflater(&levelDeflaters[c.level], int(c.level), dict[max(0, len(dict)+n-size):])
	default:
		return newDeflater(&windowDeflaters[c.params.bits], -size, dict)
	}
}

// deflater is a pooled flate.Writer that appends to out.
type deflater struct {
	w    *flate.Writer
	out  []byte
	pool *sync.Pool
}

// The pools of deflaters: by level with the greatest window, and by bits with
// one that is limited.
var (
	levelDeflaters  [flate.BestCompression + 1]sync.Pool
	windowDeflaters [maxWindowBits]sync.Pool
)

// newDeflater takes a deflater from its pool, or makes one: of a level, or of a
// window's size when it is negative. dict is what came before.
func newDeflater(pool *sync.Pool, level int, dict []byte) *deflater {
	z, _ := pool.Get().(*deflater)
	if z == nil {
		z = &deflater{pool: pool}
		var err error
		if level < 0 {
			z.w, err = flate.NewWriterWindow(z, -level)
		} else {
			z.w, err = flate.NewWriter(z, level)
		}
		if err != nil {
			panic(err) // validate let a value through
		}
	}
	z.w.ResetDict(z, dict)
	return z
}

// add compresses p and flushes; neither fails, since Write does not.
func (z *deflater) add(p []byte) {
	z.w.Write(p)
	z.w.Flush()
}

// Write is what flate.Writer calls.
func (z *deflater) Write(p []byte) (int, error) {
	z.out = append(z.out, p...)
	return len(p), nil
}

// free gives the deflater back and returns what it has put out.
func (z *deflater) free() []byte {
	out := z.out
	z.out = nil
	z.pool.Put(z)
	return out
}
