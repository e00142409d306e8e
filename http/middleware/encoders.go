package middleware

import (
	"bytes"
	"io"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// encoder is what the libraries' writers have in common.
type encoder interface {
	io.WriteCloser
	Flush() error
	Reset(w io.Writer)
}

// Levels of Compress, for each coding. The table in the commit that set them says what each costs: all are fast enough to
// compress while a client waits.
var (
	brotliLevels = [...]int{1, 3, 5}
	zstdLevels   = [...]zstd.EncoderLevel{zstd.SpeedFastest, zstd.SpeedDefault, zstd.SpeedBetterCompression}
	gzipLevels   = [...]int{1, 5, 6}
)

// encodeWindow is how far back, in bytes, encoders of brotli and zstd look: more costs memory, and pays for large answers only.
const encodeWindow = 256 << 10

// newEncoder makes an encoder for one of the levels 0 to 2.
func newEncoder(c coding, level int) encoder {
	switch c {
	case brotliCoding:
		return brotli.NewWriterOptions(nil, brotli.WriterOptions{Quality: brotliLevels[level], LGWin: 18})
	case zstdCoding:
		w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstdLevels[level]), zstd.WithWindowSize(encodeWindow),
			zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
		if err != nil {
			panic("middleware: zstd: " + err.Error()) // of the options, which are constants
		}
		return w
	case gzipCoding:
		w, err := gzip.NewWriterLevel(nil, gzipLevels[level])
		if err != nil {
			panic("middleware: gzip: " + err.Error())
		}
		return w
	}
	panic("middleware: no such coding")
}

// encoderPool keeps encoders of one level, which are large, for later answers.
type encoderPool struct {
	level int
	pools [numCodings]sync.Pool
}

func (p *encoderPool) get(c coding, w io.Writer) encoder {
	e, ok := p.pools[c].Get().(encoder)
	if !ok {
		e = newEncoder(c, p.level)
	}
	e.Reset(w)
	return e
}

func (p *encoderPool) put(c coding, e encoder) {
	e.Reset(nil) // let go of the writer
	p.pools[c].Put(e)
}

// buffers hold compressed bodies until they are sent.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// largestKept is the capacity of the largest buffer that is kept, in bytes.
const largestKept = 1 << 20

func putBuffer(b *bytes.Buffer) {
	if b.Cap() <= largestKept {
		b.Reset()
		buffers.Put(b)
	}
}
