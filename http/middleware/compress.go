package middleware

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/coding"
)

// CompressOptions are the options of Compress.
type CompressOptions struct {
	// Codings are those that may be used; of those that the client likes equally the first is. Default "br", "zstd", "gzip".
	Codings []string
	// Level is 1, the fastest, to 3, the smallest; above that a client waits longer for the compression than it saves.
	// Default 2.
	Level int
	// MinSize is the size of the smallest whole body, in bytes, that is compressed: a smaller one fits into the packet that is
	// sent anyway. Default 1024.
	MinSize int
	// Types are the media types that are compressed, in place of CompressibleTypes: "text/css", "text/*", "*/*", or, by their
	// suffix, "*+json".
	Types []string
}

// CompressibleTypes are the media types that Compress compresses by default: text, in the widest sense.
var CompressibleTypes = coding.Compressible

// Compress compresses answers by the coding that the request's Accept-Encoding prefers (RFC 9110 section 12.5.3), of those of equal
// weight by the order br, zstd, gzip. A client that sends no such line gets no coding; one that refuses "identity" and all of
// ours does as well, because any answer is better than none.
//
// Whole answers are compressed from MinSize on (1 KiB), when that makes them smaller, and whatever their size where "identity" is
// refused; streams always, and a Flush of the handler reaches the client. Files pass, as http.Filter says. So does an answer
//   - of a type that is not among Types. An event stream ("text/event-stream") is compressed only where Types names it as such:
//     it works, but costs an encoder, about 1 MiB, for as long as the client listens, and gains little on short events.
//   - that has a Content-Encoding already, a Content-Range or status 206, a digest of its content, or "Cache-Control:
//     no-transform".
//
// A compressed answer has a weak ETag in place of a strong one, with which handlers that compare for If-None-Match still find it,
// and no Accept-Ranges. Vary names Accept-Encoding wherever the answer depends on it, also when it was not compressed, and on all
// answers to conditional requests, because a 304 does not tell its type. HEAD has the lines of GET: a whole body is compressed to
// know them, a stream's are known. Only a handler of net/http that declares a Content-Length for HEAD gets it as declared.
//
// A page that shows a secret beside text that an attacker can choose tells the secret by its compressed length (BREACH): leave
// such routes uncompressed, or mark their answers no-transform.
//
// Compress belongs around ETag and whatever writes answers, and inside of Log and Metrics, which count the bytes that are sent in
// any case. On an Inline route the loop waits for the compression.
func Compress(opts ...CompressOptions) http.Middleware {
	f := newCompressFilter(only("Compress", opts))
	return func(next http.Handler) http.Handler {
		return func(c *http.Ctx) error {
			if c.PeekHeader("If-None-Match") != nil || c.PeekHeader("If-Modified-Since") != nil {
				if err := c.VaryBy("Accept-Encoding"); err != nil {
					return err
				}
			}
			c.AddFilter(f)
			return next(c)
		}
	}
}

// compressFilter is the filter of all requests.
type compressFilter struct {
	codings []coding.Coding
	minSize int
	types   coding.TypeSet
	pool    *coding.Pool
}

func newCompressFilter(o CompressOptions) *compressFilter {
	if o.Codings == nil {
		o.Codings = []string{"br", "zstd", "gzip"}
	}
	if o.Level == 0 {
		o.Level = 2
	}
	if o.MinSize == 0 {
		o.MinSize = 1024
	}
	if o.Types == nil {
		o.Types = CompressibleTypes
	}
	if o.MinSize < 0 || o.Level < 1 || o.Level > coding.Levels {
		panic(fmt.Sprintf("middleware: Compress: MinSize %d, Level %d", o.MinSize, o.Level))
	}
	f := &compressFilter{minSize: o.MinSize, types: coding.NewTypeSet(o.Types), pool: coding.NewPool(o.Level)}
	for _, name := range o.Codings {
		c, known := coding.Of(name)
		if !known || c == coding.Identity || c == coding.Any {
			panic(fmt.Sprintf("middleware: Compress: coding %q", name))
		}
		f.codings = append(f.codings, c)
	}
	return f
}

// Whole implements http.Filter.
func (f *compressFilter) Whole(c *http.Ctx, body []byte) ([]byte, error) {
	if len(body) == 0 || !f.varies(c) {
		return body, nil
	}
	if err := c.VaryBy("Accept-Encoding"); err != nil {
		return nil, err
	}
	accept := coding.AcceptedBy(c)
	chosen, forced := accept.Choose(f.codings), accept.RefusesIdentity()
	if chosen == coding.Identity || len(body) < f.minSize && !forced {
		return body, nil
	}
	b := buffers.Get().(*bytes.Buffer)
	c.After(func(*http.Ctx) { putBuffer(b) })
	e := f.pool.Get(chosen, b)
	_, err := e.Write(body)
	if err == nil {
		err = e.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("middleware: Compress: %s: %w", chosen, err)
	}
	f.pool.Put(chosen, e)
	if b.Len() >= len(body) && !forced {
		return body, nil
	}
	return b.Bytes(), describe(c, chosen)
}

// Stream implements http.Filter.
func (f *compressFilter) Stream(c *http.Ctx, next io.Writer) http.FilterWriter {
	if !f.varies(c) || c.VaryBy("Accept-Encoding") != nil {
		return nil
	}
	accept := coding.AcceptedBy(c)
	chosen := accept.Choose(f.codings)
	if chosen == coding.Identity || describe(c, chosen) != nil {
		return nil
	}
	if c.Method() == "HEAD" {
		return discard{}
	}
	return &compressedStream{f: f, chosen: chosen, enc: f.pool.Get(chosen, next)}
}

// varies says whether what is about to be answered would be compressed for a client that likes that.
func (f *compressFilter) varies(c *http.Ctx) bool {
	if s := c.StatusCode(); s == 206 || s == 304 {
		return false
	}
	for name := range c.ResponseHeaders() {
		if isOneOf(name, "Content-Encoding", "Content-Range", "Content-Digest", "Repr-Digest", "Digest", "Content-MD5") {
			return false
		}
	}
	return f.types.Has(c.ResponseHeader("Content-Type")) && !hasDirective(c, "no-transform")
}

func isOneOf(name string, names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}

// describe sets the header lines of an answer that is compressed.
func describe(c *http.Ctx, chosen coding.Coding) error {
	if tag := c.ResponseHeader("ETag"); strings.HasPrefix(tag, `"`) {
		if err := c.SetHeader("ETag", "W/"+tag); err != nil {
			return err
		}
	}
	c.DelHeader("Accept-Ranges") // ranges would be of the plain body
	return c.SetHeader("Content-Encoding", chosen.String())
}

// compressedStream is the middle of a stream. One that fails is not closed, and its encoder not used again.
type compressedStream struct {
	f      *compressFilter
	chosen coding.Coding
	enc    coding.Encoder
}

func (s *compressedStream) Write(p []byte) (int, error) { return s.enc.Write(p) }
func (s *compressedStream) Flush() error                { return s.enc.Flush() }

func (s *compressedStream) Close() error {
	if err := s.enc.Close(); err != nil {
		return err
	}
	s.f.pool.Put(s.chosen, s.enc)
	return nil
}

// discard is the middle of a stream that HEAD does not get.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Flush() error                { return nil }
func (discard) Close() error                { return nil }

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
