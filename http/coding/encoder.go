package coding

import (
	"fmt"
	"io"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Encoder is what the libraries' writers have in common. It belongs to whoever got it from a Pool.
type Encoder interface {
	io.WriteCloser
	Flush() error
	Reset(w io.Writer)
}

// Levels is how many levels there are: 1 is the fastest, Levels the smallest; above that a client would wait longer for the
// compression than it saves.
const Levels = 3

// The levels of a Pool, for each coding. The table in the commit that set them says what each costs: all are fast enough to
// compress while a client waits.
var (
	brotliLevels = [Levels]int{1, 3, 5}
	zstdLevels   = [Levels]zstd.EncoderLevel{zstd.SpeedFastest, zstd.SpeedDefault, zstd.SpeedBetterCompression}
	gzipLevels   = [Levels]int{1, 5, 6}
)

// encodeWindow is how far back, in bytes, encoders of brotli and zstd look: more costs memory, and pays for large answers only.
const encodeWindow = 256 << 10

// newEncoder makes an encoder for one of the levels 0 to 2.
func newEncoder(c Coding, level int) Encoder {
	switch c {
	case Brotli:
		return brotli.NewWriterOptions(nil, brotli.WriterOptions{Quality: brotliLevels[level], LGWin: 18})
	case Zstd:
		w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstdLevels[level]), zstd.WithWindowSize(encodeWindow),
			zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
		if err != nil {
			panic("coding: zstd: " + err.Error()) // of the options, which are constants
		}
		return w
	case Gzip:
		w, err := gzip.NewWriterLevel(nil, gzipLevels[level])
		if err != nil {
			panic("coding: gzip: " + err.Error())
		}
		return w
	}
	panic("coding: no such coding")
}

// Pool keeps encoders of one level, which are large, for later use. Any goroutine may use it.
type Pool struct {
	level int // from 0
	pools [Count]sync.Pool
}

// NewPool returns a pool of encoders of a level, 1 to Levels. It panics on another.
func NewPool(level int) *Pool {
	if level < 1 || level > Levels {
		panic(fmt.Sprintf("coding: level %d of %d", level, Levels))
	}
	return &Pool{level: level - 1}
}

// Get returns an encoder that writes to w; c is Brotli, Zstd or Gzip.
func (p *Pool) Get(c Coding, w io.Writer) Encoder {
	e, ok := p.pools[c].Get().(Encoder)
	if !ok {
		e = newEncoder(c, p.level)
	}
	e.Reset(w)
	return e
}

// Put takes an encoder back that was closed without an error.
func (p *Pool) Put(c Coding, e Encoder) {
	e.Reset(nil) // let go of the writer
	p.pools[c].Put(e)
}
