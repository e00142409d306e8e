package http

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
)

// A Stream is an answer whose body is written piece by piece. It belongs to the goroutine that runs the handler, and ends
// when the function that it was given to returns. Small writes are gathered; Flush sends them at once.
type Stream struct {
	c *Ctx
	w io.Writer // the exchange, or a filter in front of it
}

// Errors of streams.
var (
	// ErrTooLong: more body than the Content-Length that was promised.
	ErrTooLong = errors.New("http: body longer than its Content-Length")
	// ErrTooShort: less; the connection is cut, so that the client hears of it.
	ErrTooShort = errors.New("http: body shorter than its Content-Length")
)

// Stream answers with a body that write produces, chunked, or up to the end of the connection for a client of HTTP/1.0. It
// returns when write has, with its error; when that is not nil, or write panics, the connection is cut, so that the client
// does not take a part for the whole. Errors otherwise: those of Text.
//
// A Write waits while the client is behind by more than 256 KiB, and returns ErrClientGone when it has left. On a loop
// nothing can wait: there it returns reactor.ErrOnLoop instead. Behind a Write that has failed the answer cannot be made
// whole, and the connection is cut as well.
func (c *Ctx) Stream(code int, contentType string, write func(s *Stream) error) error {
	return c.stream(code, contentType, unknownLength, write)
}

// stream is Stream with a length, in bytes, that may be promised.
func (c *Ctx) stream(code int, contentType string, length int64, write func(s *Stream) error) error {
	x := c.live()
	if !isText(contentType) {
		return fmt.Errorf("%w: content type %q", ErrBadHeader, contentType)
	}
	if err := x.ready(code); err != nil {
		return err
	}
	s, err := x.beginStream(code, contentType, length)
	if err != nil {
		return err
	}
	whole := false
	defer func() {
		if !whole {
			x.tear()
		}
	}()
	if err := write(s); err != nil {
		return err
	}
	err = x.endStream()
	whole = err == nil
	return err
}

// beginStream starts an answer of length bytes, or of unknownLength.
func (x *exchange) beginStream(code int, contentType string, length int64) (*Stream, error) {
	s := &Stream{c: x.ctx, w: streamWriter{x}}
	if len(x.filters) > 0 && filtered(code) {
		length = x.filterStream(s, code, contentType, length)
		code = x.status
	}
	return s, x.start(code, contentType, length)
}

// endStream sends what is left of the body, and its trailers.
func (x *exchange) endStream() error {
	if x.filtering != nil {
		f := x.filtering
		x.filtering = nil
		if err := f.Close(); err != nil {
			return err
		}
	}
	if x.broken != nil {
		return x.broken
	}
	if x.length >= 0 && x.sent < x.length && !x.withoutBody() {
		return ErrTooShort
	}
	x.phase = answered
	if x.via != nil {
		if err := x.sendPending(nil); err != nil {
			return err
		}
		if err := x.deliver(nil); err != nil {
			return err
		}
		return x.via.finish(x.trailer)
	}
	// What is left may go with the end of the handler, which costs no further write.
	x.framePending(nil)
	if x.chunked && !x.isHead {
		x.buf = append(x.buf, "0\r\n"...)
		x.buf = append(x.buf, x.trailer...)
		x.buf = append(x.buf, "\r\n"...)
	}
	return nil
}

// tear ends an answer that cannot be made whole: without its last chunk, or short of its length, the client knows.
func (x *exchange) tear() {
	x.phase, x.close, x.torn = answered, true, true
	x.pending = x.pending[:0]
	if x.via != nil {
		panic(abortHandler)
	}
}

// Write implements io.Writer.
func (s *Stream) Write(p []byte) (int, error) {
	s.c.live()
	return s.w.Write(p)
}

// WriteString implements io.StringWriter.
func (s *Stream) WriteString(p string) (int, error) { return s.Write(viewOf(p)) }

// Flush sends what was written so far; it does not wait until the client has it. Errors are those of Write.
func (s *Stream) Flush() error { return s.c.Flush() }

// Context returns the Ctx: it is done when the client has left.
func (s *Stream) Context() *Ctx { return s.c }

// ReadFrom implements io.ReaderFrom. A regular *os.File, or an io.LimitedReader of one, is sent by sendfile(2), if no filter
// stands between; r may be closed when it returns.
func (s *Stream) ReadFrom(r io.Reader) (int64, error) {
	x := s.c.live()
	if _, direct := s.w.(streamWriter); direct && !x.withoutBody() {
		if n, done, err := x.sendFrom(r); done || err != nil {
			return n, err
		}
	}
	return io.Copy(struct{ io.Writer }{s.w}, r)
}

// Flush sends what the answer holds so far, when it is a stream. Errors: ErrClientGone, reactor.ErrOnLoop.
func (c *Ctx) Flush() error {
	x := c.live()
	if x.phase == unanswered {
		return fmt.Errorf("http: Flush before the answer has begun")
	}
	if x.filtering != nil {
		if err := x.filtering.Flush(); err != nil {
			return err
		}
	}
	if err := x.sendPending(nil); err != nil {
		return err
	}
	if err := x.deliver(nil); err != nil || x.via == nil {
		return err
	}
	return x.via.flush()
}

// streamBuffer is how many bytes of a stream are gathered before they are sent.
const streamBuffer = 4 << 10

// streamWriter is the end of a stream that the connection is at.
type streamWriter struct{ x *exchange }

// Write implements io.Writer.
func (w streamWriter) Write(p []byte) (int, error) {
	x := w.x
	if x.phase != streaming {
		return 0, ErrWritten
	}
	if x.withoutBody() {
		return len(p), nil
	}
	if x.broken != nil {
		return 0, x.broken
	}
	if x.length >= 0 && int64(len(p)) > x.length-x.sent {
		return 0, ErrTooLong
	}
	if len(x.pending)+len(p) <= streamBuffer {
		x.pending = append(x.pending, p...)
		x.sent += int64(len(p))
		return len(p), nil
	}
	for n := 0; n < len(p); {
		piece := p[n:min(n+largestPiece, len(p))]
		if err := x.sendPending(piece); err != nil {
			x.broken = err
			return n, err
		}
		n += len(piece)
		x.sent += int64(len(piece))
	}
	return len(p), nil
}

// sendPending sends what is gathered and p behind it.
func (x *exchange) sendPending(p []byte) error {
	if len(x.pending) == 0 && len(p) == 0 {
		return nil
	}
	if err := x.awaitRoom(); err != nil {
		return err
	}
	x.framePending(p)
	if !x.chunked || len(p) == 0 {
		return x.deliver(p)
	}
	if err := x.deliver(p); err != nil {
		return err
	}
	x.buf = append(x.buf, "\r\n"...)
	return nil
}

// framePending moves what is gathered to buf, as the beginning of a chunk that p, if any, ends, and whose line end is the
// caller's to add behind p.
func (x *exchange) framePending(p []byte) {
	n := len(x.pending) + len(p)
	if n == 0 {
		return
	}
	if x.chunked {
		x.buf = strconv.AppendInt(x.buf, int64(n), 16)
		x.buf = append(x.buf, "\r\n"...)
	}
	x.buf = append(x.buf, x.pending...)
	x.pending = x.pending[:0]
	if x.chunked && len(p) == 0 {
		x.buf = append(x.buf, "\r\n"...)
	}
}

// sendFrom sends a file without reading it. done is false when r is none.
func (x *exchange) sendFrom(r io.Reader) (n int64, done bool, err error) {
	limit := int64(-1)
	limited, _ := r.(*io.LimitedReader)
	if limited != nil {
		limit, r = limited.N, limited.R
	}
	f, ok := r.(*os.File)
	if !ok {
		return 0, false, nil
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0, false, nil
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, false, nil
	}
	n = max(info.Size()-at, 0)
	if limit >= 0 {
		n = min(n, limit)
	}
	if n < streamBuffer || x.length >= 0 && n > x.length-x.sent {
		return 0, false, nil
	}
	own, err := duplicate(f)
	if err != nil {
		return 0, false, nil
	}
	if err := x.sendPending(nil); err != nil {
		own.Close()
		return 0, true, err
	}
	if x.chunked {
		x.buf = strconv.AppendInt(x.buf, n, 16)
		x.buf = append(x.buf, "\r\n"...)
	}
	if err := x.deliverFile(own, at, n); err != nil {
		x.broken = err
		return 0, true, err
	}
	if x.chunked {
		x.buf = append(x.buf, "\r\n"...)
	}
	x.sent += n
	if limited != nil {
		limited.N -= n
	}
	_, err = f.Seek(at+n, io.SeekStart)
	return n, true, err
}

// SetTrailer sets a line behind the body of a stream; it can be called until the stream ends. A client of HTTP/1.0, and one
// that is answered in one piece, gets none. ErrBadHeader: as for SetHeader, and for a field that may not stand in trailers
// (RFC 9110 section 6.5.1).
func (c *Ctx) SetTrailer(name, value string) error {
	if err := checkHeader(name, value); err != nil {
		return err
	}
	if !trailerAllowed([]byte(name)) {
		return fmt.Errorf("%w: %s in trailers", ErrBadHeader, name)
	}
	c.x.trailer = appendLine(c.x.trailer, name, value)
	return nil
}

var _ interface {
	io.Writer
	io.ReaderFrom
	io.StringWriter
} = (*Stream)(nil)
