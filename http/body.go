package http

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"math"

	"github.com/carillon-go/carillon/reactor"
)

// requestBody is the handler's side of a request's body.
type requestBody struct {
	data   []byte    // the body, when it is whole
	whole  bool      // data is all of it
	failed error     // why it never will be
	pipe   *pipe     // brings a body that streams
	reader io.Reader // what BodyReader returned: a pipe, or what stands in its place
	kept   []byte    // storage for data
	// replaced: what is read is not what the client has declared and sent
	replaced bool
	in       inbound
}

func (b *requestBody) reset() {
	b.data, b.whole, b.failed, b.pipe, b.reader, b.replaced = nil, false, nil, nil, nil, false
	b.kept = kept(b.kept)
	if len(b.in.tail.fields) > 0 { // else the next request would have the trailers of this one
		b.in.tail.reset()
		b.in.tailRaw = b.in.tailRaw[:0]
	}
}

// set makes p the whole body.
func (b *requestBody) set(p []byte) { b.data, b.whole = p, true }

// drainBound is how many bytes of a body that a handler has not read are read for it, so that the connection can stay.
const drainBound = 256 << 10

// stays says whether so much of the body lies in the way of the next request that the connection has to close.
func (b *requestBody) stays(x *exchange) bool {
	if b.pipe == nil {
		return false
	}
	left, unasked := b.pipe.rest()
	return b.pipe.broken() || left != 0 && unasked || left > drainBound
}

// BodyReader returns the body of the request as it arrives; on a route without StreamBody it is there already. The reader is
// valid until the handler returns, or, when that has called Async, the handler that is given to Answer; what it has not read by
// then is skipped, or the connection closes.
//
// Its Read waits for the client, which is asked by 100 Continue if it waits for that (RFC 9110 section 10.1.1); a handler
// that does not read, spares the client sending. Errors of the reader: an *Error of 400 or 413 when the body turns out to be
// malformed or too large, of 408 when it comes too slowly, one that wraps ErrClientGone; a handler may return each of them.
// ErrHandlerReturned when it is used too late, and reactor.ErrOnLoop where a loop would have to wait.
func (c *Ctx) BodyReader() io.Reader {
	x := c.live()
	if x.body.reader == nil {
		switch {
		case x.body.whole:
			if x.onLoop { // then data may lie in the connection's buffer, and the reader may be kept for an Async answer
				x.body.kept = append(x.body.kept[:0], x.body.data...)
				x.body.data = x.body.kept
			}
			x.body.reader = bytes.NewReader(x.body.data)
		default:
			x.body.reader = x.body.pipe
		}
	}
	return x.body.reader
}

// ReplaceBody has r read in place of the body from here on: for middleware that decodes it. r is bounded by the route's
// MaxBody when it is read as a whole. ContentLength is -1 then, and the Content-Length line is gone; other lines that describe
// the body, such as Content-Encoding, are the caller's to remove by DropHeader.
func (c *Ctx) ReplaceBody(r io.Reader) {
	c.DropHeader("Content-Length")
	b := &c.x.body
	b.reader, b.data, b.whole, b.replaced = r, nil, false, true
	b.kept = nil // r may still read from it
}

// Body returns a copy of the whole body, its chunk framing removed. Errors are those of BodyReader, and reactor.ErrOnLoop
// where a loop would have to wait for it.
func (c *Ctx) Body() ([]byte, error) {
	p, err := c.PeekBody()
	return bytes.Clone(p), err
}

// PeekBody is Body without a copy.
func (c *Ctx) PeekBody() ([]byte, error) {
	x := c.live()
	b := &x.body
	if b.whole || b.failed != nil {
		return b.data, b.failed
	}
	if x.onLoop && b.pipe != nil {
		return nil, fmt.Errorf("http: read a body: %w", reactor.ErrOnLoop)
	}
	max := x.limit
	buf := bytes.NewBuffer(b.kept[:0])
	_, err := buf.ReadFrom(io.LimitReader(c.BodyReader(), oneMore(max)))
	b.kept = buf.Bytes()
	switch {
	case err != nil:
		b.failed = err
		return nil, err
	case int64(len(b.kept)) > max:
		b.failed = errBodyTooBig
		return nil, errBodyTooBig
	}
	b.set(b.kept)
	b.reader = nil
	return b.data, nil
}

// oneMore is a byte more than a limit, to tell the end from too much; nothing is more than the largest limit.
func oneMore(limit int64) int64 { return limit + min(math.MaxInt64-limit, 1) }

// LimitBody lowers the limit on the body, in bytes, for this request: for middleware that knows more than the route. Error: an
// *Error of 413 when the body is known to be larger; else reading it ends with that.
func (c *Ctx) LimitBody(max int64) error {
	x := c.live()
	if max < 0 {
		max = 0
	}
	x.limit = min(x.limit, max)
	if x.body.whole && int64(len(x.body.data)) > max || c.ContentLength() > max {
		return errBodyTooBig
	}
	if !x.body.whole {
		x.body.reader = &limitedReader{c.BodyReader(), max}
	}
	return nil
}

// limitedReader fails where more than left bytes come.
type limitedReader struct {
	r    io.Reader
	left int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if most := oneMore(l.left); int64(len(p)) > most {
		p = p[:most]
	}
	n, err := l.r.Read(p)
	if int64(n) > l.left {
		n, l.left = int(l.left), 0
		return n, errBodyTooBig
	}
	l.left -= int64(n)
	return n, err
}

// Trailers yields the trailer lines of a chunked body, once it has been read to its end. Fields that frame or route a
// message are never among them.
func (c *Ctx) Trailers() iter.Seq2[string, string] {
	x := c.live()
	if !x.haveTrailers() {
		return func(func(string, string) bool) {}
	}
	return c.pairs(x.body.in.tail.fields, x.body.in.tailRaw)
}

func (x *exchange) haveTrailers() bool {
	if x.body.pipe == nil {
		return true
	}
	left, _ := x.body.pipe.rest()
	return left == 0
}

// trailers yields what Ctx.Trailers does.
func (x *exchange) trailers() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		if !x.haveTrailers() {
			return
		}
		in := &x.body.in
		for _, f := range in.tail.fields {
			if !yield(string(f.name.of(in.tailRaw)), string(f.value.of(in.tailRaw))) {
				return
			}
		}
	}
}

// receive takes bytes of the body from src: for the handler that reads them, or to gather them. It returns how many it used
// up; n is 0 when the handler is behind. Loop goroutine only.
func (x *exchange) receive(src []byte) (n int, err error) {
	b := &x.body
	if b.pipe == nil {
		b.kept, n, err = b.in.take(b.kept, src, len(src))
		if b.in.whole {
			b.set(b.kept)
		}
		return n, err
	}
	b.pipe.fill(func(dst []byte, room int) []byte {
		dst, n, err = b.in.take(dst, src, room)
		if !b.in.coded {
			b.pipe.left = b.in.left
		}
		return dst
	})
	switch {
	case err != nil:
		b.pipe.finish(err)
	case b.in.whole:
		b.pipe.finish(io.EOF)
	}
	return n, err
}

// skip takes bytes of a body that nobody reads.
func (x *exchange) skip(src []byte) (n int, err error) {
	_, n, err = x.body.in.take(x.body.kept[:0], src, len(src))
	return n, err
}
