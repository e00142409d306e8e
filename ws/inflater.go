package ws

import (
	"bufio"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// inflater is a pooled flate reader with its input and its output: some 42 KiB,
// most of them the reader's window.
type inflater struct {
	flate flateReader
	in    *bufio.Reader // over source
	source

	out   []byte
	base  int // where out begins to be ours
	limit int64
	check func(piece []byte) *violation
	text  bool
	valid int // bytes of out that are whole characters (text only)
}

// flateReader is what flate.NewReader returns.
type flateReader interface {
	flate.Resetter
	io.WriterTo
}

// inputPiece is how much of the input is copied at a time. The library reads
// from a bufio.Reader as fast as from memory, and a payload is not in one piece
// with what has to follow it.
const inputPiece = 4 << 10

var inflaters = sync.Pool{New: func() any {
	z := new(inflater)
	z.in = bufio.NewReaderSize(&z.source, inputPiece)
	z.flate = flate.NewReader(z.in).(flateReader)
	return z
}}

func newInflater(dst []byte, limit int64) *inflater {
	z := inflaters.Get().(*inflater)
	z.out, z.base, z.valid, z.limit = dst, len(dst), len(dst), limit
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
	z.in.Reset(&z.source)
	for {
		if err := z.flate.Reset(z.in, dict); err != nil {
			return errDeflateData
		}
		if _, err := z.flate.WriteTo(z); err != nil {
			if v, ok := err.(*violation); ok {
				return v
			}
			return errDeflateData
		}
		if left := z.in.Buffered() + z.source.len(); left == 0 || left == len(messageTail) {
			break
		}
		dict = nil
	}
	if z.text && z.valid != len(z.out) {
		return errUTF8 // the last character is cut off
	}
	return nil
}

// Write takes a piece of output from the flate reader's window.
func (z *inflater) Write(piece []byte) (int, error) {
	if int64(len(z.out)-z.base)+int64(len(piece)) > z.limit {
		return 0, errTooBig
	}
	z.reserve(len(piece))
	z.out = append(z.out, piece...)
	if z.text {
		n, ok := checkUTF8(z.out[z.valid:])
		if !ok {
			return 0, errUTF8
		}
		z.valid += n
	}
	if z.check != nil {
		if v := z.check(piece); v != nil {
			return 0, v
		}
	}
	return len(piece), nil
}

// reserve makes room for n bytes: for just those at first, then by doubling, and
// never for more than the limit.
func (z *inflater) reserve(n int) {
	need := len(z.out) + n
	if need <= cap(z.out) {
		return
	}
	size := max(need, z.base+int(min(2*int64(len(z.out)-z.base), z.limit)))
	z.out = append(make([]byte, 0, size), z.out...)
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
