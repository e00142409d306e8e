package reactor

import (
	"bytes"
	"sync/atomic"
	"unsafe"

	"github.com/valyala/bytebufferpool"
	"golang.org/x/sys/unix"
)

// Buffer is a queue of bytes: appended at the writer, consumed at the reader.
//
//	+-------------------+------------------+------------------+
//	| prependable bytes |  readable bytes  |  writable bytes  |
//	+-------------------+------------------+------------------+
//	0        <=      reader     <=      writer     <=      capacity
//
// Its storage comes from a bytebufferpool and goes back when the buffer becomes
// empty, so an empty Buffer costs its own few words only. Directly after ReadFD
// the readable bytes may instead be borrowed from the loop's ExtraBuffer: they
// are consumed without a copy, and only leftovers are copied, by Own.
//
// The zero value is an empty buffer, ready to use. A Buffer is owned by one
// goroutine at a time (a connection's input: its loop's) and is not locked.
type Buffer struct {
	store    *bytebufferpool.ByteBuffer // nil when empty
	reader   int
	writer   int
	borrowed bool // store is the loop's ExtraBuffer, not ours
}

// CheapPrepend is the room, in bytes, that a Buffer keeps before its first
// readable byte, so that a short header can be put there without a move.
const CheapPrepend = 16

const minStorage = 512

// ExtraBuffer is the 64 KiB that all connections of a loop read into before
// they are known to need storage of their own. One belongs to each EventLoop.
type ExtraBuffer struct{ bb bytebufferpool.ByteBuffer }

const extraSize = 64 << 10

func newExtraBuffer() *ExtraBuffer {
	return &ExtraBuffer{bytebufferpool.ByteBuffer{B: make([]byte, extraSize)}}
}

// Input and output have a pool each, since their sizes differ: bytebufferpool
// learns from what is given back how much to reserve.
var inputStorage, outputStorage bytebufferpool.Pool

// maxPooled is how large, in bytes, storage may be that goes back to a pool: a
// few bytes of the next connection must not come to pin megabytes.
const maxPooled = 256 << 10

var poison atomic.Bool

const poisonByte = 0xDB

// PoisonBuffers makes every Buffer overwrite its storage when it gives it back,
// so that a view kept too long reads garbage at once instead of another
// connection's bytes some day. It is meant for tests; any goroutine may call it.
func PoisonBuffers(on bool) { poison.Store(on) }

// release gives storage back to the pool it is from.
func release(pool *bytebufferpool.Pool, bb *bytebufferpool.ByteBuffer) {
	if poison.Load() {
		poisonFill(bb.B[:cap(bb.B)])
	}
	if cap(bb.B) <= maxPooled {
		pool.Put(bb)
	}
}

// poisonFill doubles what is filled, since the race detector sees a copy at once.
func poisonFill(p []byte) {
	if len(p) == 0 {
		return
	}
	p[0] = poisonByte
	for n := 1; n < len(p); n *= 2 {
		copy(p[n:], p[:n])
	}
}

// Len is the number of readable bytes.
func (b *Buffer) Len() int { return b.writer - b.reader }

// Peek returns the readable bytes without consuming them. The slice is valid
// until the next call that changes b, and at the latest until the Message
// callback that b was handed to returns.
func (b *Buffer) Peek() []byte {
	if b.store == nil {
		return nil
	}
	return b.store.B[b.reader:b.writer]
}

// Retrieve consumes n readable bytes; n beyond Len consumes all.
func (b *Buffer) Retrieve(n int) {
	if n >= b.Len() {
		b.RetrieveAll()
		return
	}
	b.reader += n
}

// RetrieveAll consumes everything and gives the storage back.
func (b *Buffer) RetrieveAll() {
	switch {
	case b.store == nil:
	case b.borrowed:
		if poison.Load() {
			poisonFill(b.store.B[:b.writer])
		}
	default:
		b.store.B = b.store.B[:b.writer] // the pool learns sizes from the length
		release(&inputStorage, b.store)
	}
	*b = Buffer{}
}

// FindCRLF returns the index of the first CR LF at or after from, relative to
// Peek, or -1. Passing the length searched so far keeps a line that arrives
// byte by byte from being searched in quadratic time; a CR that ended that part
// is looked at again.
func (b *Buffer) FindCRLF(from int) int {
	p := b.Peek()
	if from < 0 || from >= len(p) {
		return -1
	}
	if from > 0 && p[from-1] == '\r' {
		from--
	}
	if i := bytes.Index(p[from:], crlf); i >= 0 {
		return from + i
	}
	return -1
}

var crlf = []byte("\r\n")

// Append copies p behind the readable bytes.
func (b *Buffer) Append(p []byte) {
	if len(p) == 0 {
		return
	}
	b.ensureWritable(len(p))
	b.writer += copy(b.store.B[b.writer:cap(b.store.B)], p)
}

// AppendString is Append of a string.
func (b *Buffer) AppendString(s string) {
	if len(s) == 0 {
		return
	}
	b.ensureWritable(len(s))
	b.writer += copy(b.store.B[b.writer:cap(b.store.B)], s)
}

// Prepend copies p before the readable bytes: without a move when p fits into
// the prependable region (CheapPrepend bytes in a fresh buffer).
func (b *Buffer) Prepend(p []byte) {
	if len(p) == 0 {
		return
	}
	if b.store == nil || b.borrowed {
		b.ensureWritable(0)
	}
	if len(p) > b.reader {
		b.ensureWritable(CheapPrepend + len(p)) // the readable bytes move up by at most that much
		held := b.Len()
		full := b.store.B[:cap(b.store.B)]
		copy(full[CheapPrepend+len(p):], full[b.reader:b.writer])
		b.reader, b.writer = CheapPrepend+len(p), CheapPrepend+len(p)+held
	}
	b.reader -= len(p)
	copy(b.store.B[b.reader:cap(b.store.B)], p)
	b.syncLen()
}

// ensureWritable makes room for n more bytes: it takes storage when there is
// none, moves the readable bytes to the front when that suffices, and grows
// otherwise.
func (b *Buffer) ensureWritable(n int) {
	b.Own()
	if b.store == nil {
		b.takeStorage(n)
		return
	}
	have := cap(b.store.B)
	switch {
	case have-b.writer >= n:
	case have-b.Len() >= n+CheapPrepend:
		b.moveTo(b.store.B[:have])
	default:
		old := b.store.B[:have]
		b.moveTo(make([]byte, max(2*have, b.Len()+n+CheapPrepend, minStorage)))
		if poison.Load() {
			poisonFill(old)
		}
	}
	b.syncLen()
}

// takeStorage gets storage for n bytes behind the prependable ones.
func (b *Buffer) takeStorage(n int) {
	b.store = inputStorage.Get()
	if cap(b.store.B) < CheapPrepend+n {
		b.store.B = make([]byte, max(CheapPrepend+n, minStorage))
	}
	b.reader, b.writer = CheapPrepend, CheapPrepend
	b.syncLen()
}

// moveTo puts the readable bytes at the front of dst, which becomes the storage.
func (b *Buffer) moveTo(dst []byte) {
	held := copy(dst[CheapPrepend:], b.store.B[b.reader:b.writer])
	b.store.B = dst
	b.reader, b.writer = CheapPrepend, CheapPrepend+held
}

// syncLen keeps the storage's slice as long as its capacity, so that indices up
// to the writable end can be used.
func (b *Buffer) syncLen() { b.store.B = b.store.B[:cap(b.store.B)] }

// Own copies bytes that are still borrowed from the loop's ExtraBuffer into
// storage of b's own. The connection calls it after each Message callback, so
// that the next connection may read into the ExtraBuffer.
func (b *Buffer) Own() {
	if !b.borrowed {
		return
	}
	from := *b
	*b = Buffer{}
	b.Append(from.Peek())
	from.RetrieveAll()
}

// ReadFD reads from fd once (recvfrom(2), or readv(2) when b already holds
// bytes): first into b's own writable region, then into extra. It returns the
// number of bytes read, 0 at the end of the stream, and whether the read was
// short, that is, took all that the kernel had.
//
// When b was empty its bytes now lie in extra, and whoever shares extra must
// call Own before the next ReadFD. EINTR is retried; EAGAIN and every other
// error of the calls is returned as a bare unix.Errno.
func (b *Buffer) ReadFD(fd int, extra *ExtraBuffer) (n int, short bool, err error) {
	if b.store == nil {
		n, err = recvRetry(fd, extra.bb.B)
		if n <= 0 {
			return n, true, err
		}
		*b = Buffer{store: &extra.bb, writer: n, borrowed: true}
		return n, n < extraSize, nil
	}
	b.Own()
	own := b.store.B[b.writer:cap(b.store.B)]
	n, err = readvRetry(fd, own, extra.bb.B)
	if n <= 0 {
		return n, true, err
	}
	short = n < len(own)+extraSize
	if n <= len(own) {
		b.writer += n
		return n, short, nil
	}
	b.writer += len(own)
	rest := extra.bb.B[:n-len(own)]
	b.Append(rest)
	if poison.Load() {
		poisonFill(rest)
	}
	return n, short, nil
}

// errnoOrNil keeps a zero Errno from becoming a non-nil error.
func errnoOrNil(e unix.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}

// stringBytes views s as bytes, to be read only.
func stringBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
