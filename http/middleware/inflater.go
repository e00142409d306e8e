package middleware

import (
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/coding"
)

// decodeWindow is the largest window of zstd, in bytes, that is decoded: RFC 9659. Brotli's cannot exceed 16 MiB, nor gzip's
// 32 KiB.
const decodeWindow = 8 << 20

// decoder is what the libraries' readers have in common.
type decoder interface {
	io.Reader
	Reset(r io.Reader) error
}

var decoders [coding.Count]sync.Pool

func getDecoder(c coding.Coding) (decoder, error) {
	if d, ok := decoders[c].Get().(decoder); ok {
		return d, nil
	}
	switch c {
	case coding.Brotli:
		return brotli.NewReader(nil), nil
	case coding.Zstd:
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(decodeWindow))
	}
	return new(gzip.Reader), nil
}

// inflater reads a body decoded. It belongs to the goroutine that reads the body; release may be called while another still
// reads against the rules, whose decoder is then not used again.
type inflater struct {
	mu     sync.Mutex
	coding coding.Coding
	src    bodySource
	dec    decoder // nil until the first Read, and behind release
	left   int64   // bytes that may still come out
	err    error
}

func newInflater(c coding.Coding, body io.Reader, max int64) *inflater {
	return &inflater{coding: c, src: bodySource{r: body}, left: max}
}

// limit lowers what is left to come. Before the first Read.
func (f *inflater) limit(max int64) { f.left = min(f.left, max) }

// Read implements io.Reader.
func (f *inflater) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil || len(p) == 0 {
		return 0, f.err
	}
	if f.dec == nil {
		if f.err = f.begin(); f.err != nil {
			return 0, f.err
		}
	}
	if int64(len(p)) > f.left {
		p = p[:f.left+1] // one more, to tell the end from too much
	}
	n, err := f.dec.Read(p)
	if int64(n) > f.left {
		n, err = int(f.left), errInflated
	}
	f.left -= int64(n)
	f.err = f.explain(err)
	return n, f.err
}

// begin is not called before there is a Read, because it reads: a client that waits for 100 Continue is asked by that.
func (f *inflater) begin() error {
	dec, err := getDecoder(f.coding)
	if err != nil {
		return err
	}
	f.dec = dec
	return f.explain(dec.Reset(&f.src))
}

// explain makes of a decoder's error one that a handler may return.
func (f *inflater) explain(err error) error {
	switch {
	case err == nil, err == errInflated:
		return err
	case f.src.err != nil && f.src.err != io.EOF:
		return f.src.err // the body's own
	case err == io.EOF, f.src.n == 0:
		return io.EOF // no bytes at all are an empty body
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return errInflated
	}
	return &http.Error{Code: 400, Detail: "malformed " + f.coding.String() + " body", Err: err}
}

var (
	errInflated = http.NewError(413, "request body too large when decoded")
	errReleased = errors.New("middleware: request body read after its handler returned")
)

// release gives the decoder back; reading fails from now on.
func (f *inflater) release() {
	if !f.mu.TryLock() {
		return // somebody reads
	}
	defer f.mu.Unlock()
	dec := f.dec
	f.dec, f.err = nil, errReleased
	if dec == nil {
		return
	}
	_ = dec.Reset(strings.NewReader("")) // let go of the body; gzip finds no header there, and says so
	decoders[f.coding].Put(dec)
}

// bodySource keeps the error that ended a body, and how many bytes there were.
type bodySource struct {
	r   io.Reader
	n   int64
	err error
}

func (s *bodySource) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	s.n += int64(n)
	s.err = err
	return n, err
}
