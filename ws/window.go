package ws

import (
	"math/bits"
	"sync"
)

// window is the end of what one sender's messages inflate to, which the next
// may refer to (RFC 7692 section 7.1.1): at most 1<<bits bytes. Its storage
// comes from a pool when the first message does, grows by doubling, and is the
// memory that context takeover costs a connection. The zero value is empty and
// holds nothing.
type window struct{ buf *windowBuf }

type windowBuf struct{ data []byte } // cap is a power of two

// windowPools has a pool for each size, by its bits.
var windowPools [maxWindowBits + 1]sync.Pool

// bytes is what the window holds, oldest first. It is valid until add or free.
func (w *window) bytes() []byte {
	if w.buf == nil {
		return nil
	}
	return w.buf.data
}

// add puts p behind what is there and drops what is then too old.
func (w *window) add(p []byte, logSize uint8) {
	size := 1 << logSize
	p = p[max(0, len(p)-size):]
	if len(p) == 0 {
		return
	}
	w.reserve(min(size, len(w.bytes())+len(p)))
	old := w.buf.data
	if drop := len(old) + len(p) - size; drop > 0 {
		old = old[:copy(old, old[drop:])]
	}
	w.buf.data = append(old, p...)
}

// reserve makes room for n bytes in all.
func (w *window) reserve(n int) {
	if n <= cap(w.bytes()) {
		return
	}
	logSize := max(minWindowBits, bits.Len(uint(n-1)))
	buf, _ := windowPools[logSize].Get().(*windowBuf)
	if buf == nil {
		buf = &windowBuf{make([]byte, 0, 1<<logSize)}
	}
	buf.data = append(buf.data[:0], w.bytes()...)
	w.free()
	w.buf = buf
}

// free empties the window and gives back its storage.
func (w *window) free() {
	if w.buf == nil {
		return
	}
	windowPools[bits.TrailingZeros(uint(cap(w.buf.data)))].Put(w.buf)
	w.buf = nil
}
