package ws

import (
	"compress/flate"
	"io"
	"sync"
)

// inflater is a pooled flate reader with its input and its output: some 40 KiB,
// most of them the reader's window.
//
// The reader is the standard library's. That of klauspost/compress is up to twice as
// fast, but v1.20.4 does not clear its table of distances where a block has none:
// broken data is then inflated by the table of what came before, be it another
// connection's (TestInflateWithoutDistances).
type inflater struct {
	flate flateReader
	source

	out   []byte
	base  int // where out begins to be ours
	limit int64
	check func(piece []byte) *violation
	text  bool
	utf8  textCheck // of out (text only)
	over  [1]byte
}

// flateReader is what flate.NewReader returns.
type flateReader interface {
	flate.Resetter
	io.Reader
}

var inflaters = sync.Pool{New: func() any {
	z := new(inflater)
	z.flate = flate.NewReader(&z.source).(flateReader)
	return z
}}

func newInflater(dst []byte, limit int64) *inflater {
	z := inflaters.Get().(*inflater)
	z.out, z.base, z.utf8, z.limit = dst, len(dst), textCheck{}, limit
	return z
}

// free gives the inflater back and returns its output.
func (z *inflater) free() []byte {
	out := z.out
	z.source = source{}
	z.out, z.check, z.text = nil, nil, false
	inflaters.Put(z)
	return out
}

// inflate inflates p. dict is what came before it.
//
// A final block (BFINAL) ends the stream and not the message: RFC 7692 section
// 7.2.3.4 has an octet of 0 behind it, and there may be more. What follows
// begins without a window, as it does in zlib. That octet may be missing, as it
// is where a whole stream was taken for a message.
func (z *inflater) inflate(p, dict []byte) *violation {
	z.source = source{p, messageTail}
	for {
		if err := z.flate.Reset(&z.source, dict); err != nil {
			return errDeflateData
		}
		if v := z.stream(len(p)); v != nil {
			return v
		}
		if left := z.source.len(); left == 0 || left == len(messageTail) {
			break
		}
		dict = nil
	}
	if z.text && !z.utf8.complete() {
		return errUTF8 // the last character is cut off
	}
	return nil
}

// stream inflates up to the end of a stream. size is the length of all the input.
func (z *inflater) stream(size int) *violation {
	for {
		full := int64(len(z.out)-z.base) >= z.limit
		room := z.over[:]
		if !full {
			room = z.room(size)
		}
		n, err := z.flate.Read(room) // at most the window at a time
		switch {
		case n == 0:
		case full:
			return errTooBig
		default:
			z.out = z.out[:len(z.out)+n]
			if v := z.judge(room[:n]); v != nil {
				return v
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return errDeflateData
		}
	}
}

// room is where the next output goes, behind z.out: for three times the input at
// first, then as much as there is, and never for more than the limit.
func (z *inflater) room(size int) []byte {
	if n := len(z.out); n == cap(z.out) {
		more := max(int64(n-z.base), 3*int64(size), 64)
		z.out = append(make([]byte, 0, n+int(min(more, z.limit-int64(n-z.base)))), z.out...)
	}
	room := z.out[len(z.out):cap(z.out)]
	return room[:min(int64(len(room)), z.limit-int64(len(z.out)-z.base))]
}

// judge looks at the newest piece of the output.
func (z *inflater) judge(piece []byte) *violation {
	if z.text && !z.utf8.add(piece) {
		return errUTF8
	}
	if z.check != nil {
		return z.check(piece)
	}
	return nil
}

// source is a payload and what follows it.
type source struct {
	p    []byte
	tail string
}

// messageTail is the tail that the sender left off (RFC 7692 section 7.2.2) and
// an empty final block. Only a payload that ends where a block does leads up to
// that block: read from anywhere else, these bytes are broken or end too early.
const messageTail = flushTail + "\x01" + flushTail

func (s *source) len() int { return len(s.p) + len(s.tail) }

func (s *source) Read(p []byte) (n int, err error) {
	if s.len() == 0 {
		return 0, io.EOF
	}
	n = copy(p, s.p)
	s.p = s.p[n:]
	k := copy(p[n:], s.tail)
	s.tail = s.tail[k:]
	return n + k, nil
}

// ReadByte is how the flate reader takes most of it.
func (s *source) ReadByte() (byte, error) {
	if len(s.p) > 0 {
		b := s.p[0]
		s.p = s.p[1:]
		return b, nil
	}
	if s.tail == "" {
		return 0, io.EOF
	}
	b := s.tail[0]
	s.tail = s.tail[1:]
	return b, nil
}
