package reactor

import (
	"io"
	"sync"
	"unsafe"

	"github.com/valyala/bytebufferpool"
	"golang.org/x/sys/unix"
)

// File is what SendFile sends from: *os.File is one, and so may be a counted
// reference to a file that several connections share.
type File interface {
	Fd() uintptr
	io.Closer
}

// outputQueue is what a connection still has to send: memory and files, mixed in
// any order. It owns its storage and files and lets go of each when its last byte
// has left. Queues are pooled; an idle connection has none.
type outputQueue struct {
	segments []segment
	head     int // segments before it are sent
}

// segment is a stretch of memory or of a file.
type segment struct {
	mem   []byte                     // unsent
	store *bytebufferpool.ByteBuffer // owns mem; nil: lent by the caller for one writeTo
	file  File
	off   int64 // in file
	left  int64 // in file
}

// ioVectors is a loop's scratch space for gathering segments.
type ioVectors [64]unix.Iovec

const (
	// appendLimit is how large a segment may be that further bytes are copied
	// behind; larger ones would be moved too often while they grow.
	appendLimit = 64 << 10
	// sendfileChunk bounds one sendfile(2), which may wait for the disk.
	sendfileChunk = 2 << 20
	// writeBudget bounds what one connection sends in one turn of the loop.
	writeBudget = 2 << 20
)

var outputQueues = sync.Pool{New: func() any { return new(outputQueue) }}

func takeOutputQueue() *outputQueue { return outputQueues.Get().(*outputQueue) }

// free gives an empty queue back.
func (q *outputQueue) free() {
	q.segments, q.head = emptied(q.segments), 0
	outputQueues.Put(q)
}

// push queues segments. A queue that is never empty would otherwise keep a place
// for every segment that it ever had.
func (q *outputQueue) push(s ...segment) {
	if q.head > 0 && q.head >= len(q.segments)/2 {
		n := copy(q.segments, q.segments[q.head:])
		clear(q.segments[n:])
		q.segments, q.head = q.segments[:n], 0
	}
	q.segments = append(q.segments, s...)
}

func (q *outputQueue) empty() bool { return q == nil || q.head == len(q.segments) }

// appendBytes copies p behind what is queued. No segment is ever empty: writing it
// would finish nothing.
func (q *outputQueue) appendBytes(p []byte) {
	if len(p) == 0 {
		return
	}
	if n := len(q.segments); n > q.head {
		tail := &q.segments[n-1]
		if tail.store != nil && len(tail.store.B)+len(p) <= appendLimit {
			sent := len(tail.store.B) - len(tail.mem)
			tail.store.B = append(tail.store.B, p...)
			tail.mem = tail.store.B[sent:]
			return
		}
	}
	store := outputStorage.Get()
	store.B = append(store.B, p...)
	q.push(segment{mem: store.B, store: store})
}

// lend queues p without copying it. Whatever writeTo leaves of it must be kept by
// a call of own before p's owner gets it back.
func (q *outputQueue) lend(p []byte) {
	if len(p) > 0 {
		q.push(segment{mem: p})
	}
}

// own copies what is still lent.
func (q *outputQueue) own() {
	for i := q.head; i < len(q.segments); i++ {
		s := &q.segments[i]
		if s.file == nil && s.store == nil {
			s.store = outputStorage.Get()
			s.store.B = append(s.store.B, s.mem...)
			s.mem = s.store.B
		}
	}
}

func (q *outputQueue) appendFile(f File, off, n int64) {
	q.push(segment{file: f, off: off, left: n})
}

// appendQueue moves everything from later behind what is queued, and frees later.
func (q *outputQueue) appendQueue(later *outputQueue) {
	q.push(later.segments[later.head:]...)
	clear(later.segments)
	later.free()
}

// discard lets go of everything and frees the queue.
func (q *outputQueue) discard() {
	for i := q.head; i < len(q.segments); i++ {
		q.segments[i].release()
	}
	clear(q.segments)
	q.free()
}

// release gives back what the segment holds. A file that was only read has
// nothing to say when it is closed.
func (s *segment) release() {
	if s.file != nil {
		_ = s.file.Close()
	}
	if s.store != nil {
		release(&outputStorage, s.store)
	}
	*s = segment{}
}

// writeTo sends as much as fd takes, up to writeBudget. It returns how much of
// the queue's weight (memory bytes, and fileWeight for each file) it finished,
// how many bytes left, and the error that ended it: nil when the queue is empty
// or the budget used up, EAGAIN when fd takes no more.
func (q *outputQueue) writeTo(fd int, iov *ioVectors) (weight int, sent int64, err error) {
	for !q.empty() && sent < writeBudget {
		var n int64
		if s := &q.segments[q.head]; s.file != nil {
			n, err = s.sendFile(fd)
			sent += n
			if s.left == 0 && err == nil {
				weight += fileWeight
				q.pop()
			}
		} else {
			n, err = q.sendMemory(fd, iov)
			sent += n
			weight += int(n)
			q.advance(int(n))
		}
		if err != nil {
			return weight, sent, err
		}
	}
	return weight, sent, nil
}

func (s *segment) sendFile(fd int) (int64, error) {
	n, err := sendfileRetry(fd, int(s.file.Fd()), s.off, int(min(s.left, sendfileChunk)))
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, ErrFileTruncated
	}
	s.off += int64(n)
	s.left -= int64(n)
	return int64(n), nil
}

// sendMemory sends the memory segments at the head in one system call. When a
// file follows, the kernel is told that more comes, so that a short header shares
// its packet.
func (q *outputQueue) sendMemory(fd int, iov *ioVectors) (int64, error) {
	count, flags := 0, 0
	for i := q.head; i < len(q.segments) && count < len(iov); i++ {
		s := &q.segments[i]
		if s.file != nil {
			flags = unix.MSG_MORE
			break
		}
		iov[count].Base = unsafe.SliceData(s.mem)
		iov[count].SetLen(len(s.mem))
		count++
	}
	var n int
	var err error
	if count == 1 {
		n, err = sendRetry(fd, q.segments[q.head].mem, flags)
	} else {
		n, err = sendvRetry(fd, iov[:count], flags)
	}
	clear(iov[:count])
	return int64(max(n, 0)), err
}

// advance drops n sent bytes of memory from the head.
func (q *outputQueue) advance(n int) {
	for n > 0 {
		s := &q.segments[q.head]
		if n < len(s.mem) {
			s.mem = s.mem[n:]
			return
		}
		n -= len(s.mem)
		q.pop()
	}
}

func (q *outputQueue) pop() {
	q.segments[q.head].release()
	q.head++
	if q.head == len(q.segments) {
		q.segments, q.head = q.segments[:0], 0
	}
}
