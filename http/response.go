package http

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/reactor"
)

// response is the answering side of an exchange. The header section is built in buf when the answer begins, with the
// beginning of the body behind it; deliver hands them to the connection. What a handler answers in one piece is delivered
// when it has returned; on a loop, when all requests of one read have been answered, so that their answers lie in one buf.
type response struct {
	answerState
	broken    error  // why a part of a stream is missing, whether or not its writer has looked
	fields    []byte // header lines that the handler has set
	trailer   []byte // trailer lines likewise
	buf       []byte // what is not delivered yet: bytes for the connection, or of a body that net/http takes
	from      int    // where this answer begins in buf, behind those of earlier requests
	pending   []byte // of a stream: what is not framed yet
	filters   []Filter
	filtering FilterWriter
	upgrade   func(conn *reactor.TcpConnection)
}

// answerState is what of a response holds no pointer.
type answerState struct {
	status  int
	sent    int64 // bytes of body
	length  int64 // of the body; unknownLength while nobody knows
	own     ownLines
	phase   answerPhase
	close   bool // the connection ends after this answer
	chunked bool
	// wantClose: the handler has set Connection: close
	wantClose bool
	http10    bool // of the request: tell it when the connection stays
	isHead    bool
	hasFile   bool // a file is on its way: no other answer until it is out
	torn      bool // the answer is a part: cut the connection behind it
	partly    bool // a part of it was delivered
	hijacked  bool // a handler of net/http has the connection: nothing of ours goes there any more
}

type answerPhase uint8

const (
	unanswered answerPhase = iota
	streaming              // the header section is made, more of the body may come
	answered
)

// unknownLength is the length of a body that is streamed.
const unknownLength = -1

// reset begins an answer. It stands before every request, so it writes no more than it must: end has let go of the rest.
func (r *response) reset(close, http10, isHead bool) {
	r.answerState = answerState{status: 200, close: close, http10: http10, isHead: isHead}
	r.fields, r.trailer, r.pending, r.from = r.fields[:0], r.trailer[:0], r.pending[:0], len(r.buf)
}

// letGo forgets what belongs to the answer alone.
func (r *response) letGo() {
	r.broken, r.upgrade, r.filters, r.filtering = nil, nil, nil, nil
	r.fields = kept(r.fields)
}

// takeBuf returns what is to be delivered now, and begins with an empty buf.
func (r *response) takeBuf() []byte {
	buf := r.buf
	r.buf, r.from = kept(buf), 0
	return buf
}

// dropAnswer forgets what was made of this answer and not delivered, but not the answers in front of it.
func (r *response) dropAnswer() { r.buf = r.buf[:r.from] }

// SetStatus sets the code of the answer that the server gives when the handler returns nil without having answered. It does
// nothing behind the beginning of the answer.
func (c *Ctx) SetStatus(code int) {
	if x := c.live(); x.phase == unanswered {
		x.status = code
	}
}

// StatusCode returns the code of the answer: the one given, else the one that SetStatus announced, 200 without. It is 101 when a
// handler of net/http has taken the connection over (http.Hijacker), whatever it speaks there.
func (c *Ctx) StatusCode() int { return c.live().status }

// BytesSent returns how many bytes of body have been answered so far; 0 for HEAD.
func (c *Ctx) BytesSent() int64 { return c.live().sent }

// Written says whether the answer has begun: then its status and header lines are fixed.
func (c *Ctx) Written() bool { return c.live().phase != unanswered }

// Text answers with s as text/plain in UTF-8, unless the handler has set another Content-Type. Errors: ErrWritten,
// ErrBadStatus, and ErrClientGone when the client has left meanwhile; on a loop also reactor.ErrOutputFull for a body that
// the connection cannot hold (it is closed then). That the client leaves later is no error: the answer goes nowhere.
func (c *Ctx) Text(code int, s string) error {
	return c.live().answer(code, "text/plain; charset=utf-8", viewOf(s))
}

// Blob answers with a copy of p, as contentType unless the handler has set another by SetHeader. Errors are those of
// Text, and ErrBadHeader for the contentType.
func (c *Ctx) Blob(code int, contentType string, p []byte) error {
	if !isText(contentType) {
		return fmt.Errorf("%w: content type %q", ErrBadHeader, contentType)
	}
	return c.live().answer(code, contentType, p)
}

// NoContent answers with an empty body. Errors are those of Text.
func (c *Ctx) NoContent(code int) error { return c.live().answer(code, "", nil) }

// SendFile answers with n bytes of f from off, sent by sendfile(2); set their Content-Type before. f is taken over in any
// case and closed: after its last byte, when the connection is lost, or at once for HEAD and on an error. When f turns out
// to be shorter the connection is cut, because the length has been promised. Filters do not see it, but for a FileFilter. Errors are those of
// Text.
func (c *Ctx) SendFile(code int, f reactor.File, off, n int64) error {
	x := c.live()
	err := x.ready(code)
	if err == nil && (off < 0 || n < 0) {
		err = fmt.Errorf("http: send %d bytes of a file from %d", n, off)
	}
	if err == nil && x.wantsFile(code, n) {
		body := make([]byte, n)
		if _, err = io.ReadFull(io.NewSectionReader(fileReader{f}, off, n), body); err == nil {
			err = x.answer(code, "application/octet-stream", body)
		}
		return closing(f, err)
	}
	if err == nil {
		err = x.start(code, "application/octet-stream", n)
	}
	if err != nil {
		return closing(f, err)
	}
	x.phase = answered
	if n == 0 || x.withoutBody() {
		return closing(f, nil)
	}
	x.sent = n
	return x.deliverFile(f, off, n)
}

// fileReader reads a file where its descriptor stands, as sendfile(2) does.
type fileReader struct{ f reactor.File }

// ReadAt implements io.ReaderAt.
func (r fileReader) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		k, err := unix.Pread(int(r.f.Fd()), p[n:], off+int64(n))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return n, os.NewSyscallError("pread", err)
		case k == 0:
			return n, io.EOF
		}
		n += max(k, 0)
	}
	return n, nil
}

func closing(f reactor.File, err error) error {
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// inlineBody is the size up to which a body is put behind its header in one piece. A larger one is sent from where it
// lies, which saves copying it; both leave in the same write all the same.
const inlineBody = 16 << 10

// answer makes the whole response.
func (x *exchange) answer(code int, contentType string, body []byte) error {
	if err := x.ready(code); err != nil {
		return err
	}
	if len(x.filters) > 0 && filtered(code) {
		var err error
		if body, err = x.filterWhole(code, contentType, body); err != nil {
			return err
		}
		code = x.status
	}
	if err := x.start(code, contentType, int64(len(body))); err != nil {
		return err
	}
	x.phase = answered
	if x.withoutBody() {
		return nil
	}
	x.sent = int64(len(body))
	if len(body) <= inlineBody {
		x.buf = append(x.buf, body...)
		return nil
	}
	err := x.deliverLarge(body)
	if err != nil {
		x.close = true // a part may be on its way
	}
	return err
}

// withoutBody says whether the answer that has begun has no body, whatever is written: its header section says all.
func (x *exchange) withoutBody() bool {
	return x.isHead || bodyless(x.status) || x.status == resetContent
}

// filtered says whether answers of that code pass filters.
func filtered(code int) bool { return !bodyless(code) && code != resetContent }

// ready says whether a response of that code can be begun now. Of the interim codes only 101 ends a request.
func (x *exchange) ready(code int) error {
	if x.phase != unanswered {
		return ErrWritten
	}
	if code < 200 && code != 101 || code > 599 {
		return fmt.Errorf("%w: %d", ErrBadStatus, code)
	}
	if code == 101 {
		if x.conn == nil && x.nested == nil {
			return fmt.Errorf("%w: 101 behind net/http", ErrNotUpgraded)
		}
		if x.server.draining.Load() {
			return errDraining
		}
	}
	return nil
}

// start makes the header section of the response. The version is ours, also for a client of HTTP/1.0: RFC 9110 section 2.5.
func (x *exchange) start(code int, contentType string, length int64) error {
	if code == resetContent {
		contentType, length = "", 0
	}
	x.status, x.length, x.phase = code, length, streaming
	if contentType != "" && x.own&ownType == 0 && !bodyless(code) {
		x.fields = appendLine(x.fields, "Content-Type", contentType)
	}
	switch {
	case x.via != nil && code == 101:
		return x.nested.switchProtocols(x)
	case x.via != nil:
		return x.via.start(x)
	}
	if x.body.pipe != nil {
		x.body.pipe.answering()
	}
	x.close = x.close || x.wantClose || x.server.draining.Load() || x.body.stays(x)
	b := append(x.buf, statusLines[code-100]...)
	if x.own&ownServer == 0 {
		b = append(b, x.worker.serverLine...)
	}
	if x.own&ownDate == 0 {
		b = x.appendDate(b)
	}
	b = append(b, x.fields...)
	switch {
	case bodyless(code):
	case length >= 0:
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, length, 10)
		b = append(b, "\r\n"...)
	case x.http10: // RFC 9112 section 6.3: its end is that of the connection
		x.close = true
	default:
		x.chunked = true
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	switch {
	case code == 101:
		x.close = false // the handler has said Connection: upgrade
	case x.close:
		b = append(b, "Connection: close\r\n"...)
	case x.http10:
		b = append(b, "Connection: keep-alive\r\n"...)
	}
	x.buf = append(b, "\r\n"...)
	return nil
}

func (x *exchange) appendDate(b []byte) []byte {
	if x.onLoop {
		return append(b, x.worker.date.at(x.worker.loop.Now())...)
	}
	return appendDateLine(b)
}

// Upgrade hands the connection over to another protocol, after a 101 was written: when the handler has returned, HTTP lets
// go of the connection, and h runs on its loop. It sets the connection's new callbacks and context before it returns;
// bytes that came behind the request are then delivered to those. Error: ErrNotUpgraded.
func (c *Ctx) Upgrade(h func(conn *reactor.TcpConnection)) error {
	x := c.live()
	if x.phase == unanswered || x.status != 101 {
		return ErrNotUpgraded
	}
	x.setUpgrade(h)
	return nil
}

func (x *exchange) setUpgrade(h func(conn *reactor.TcpConnection)) {
	x.upgrade = h
	if x.nested != nil {
		x.nested.upgrade(h)
	}
}

// gone turns the error of a connection that is closed into that of a client that has left. A body beyond what a connection
// may hold back is the handler's to hear of.
func gone(err error) error {
	if err == nil || errors.Is(err, reactor.ErrOutputFull) || errors.Is(err, reactor.ErrOnLoop) {
		return err
	}
	return ErrClientGone
}

// viewOf lets s be read as bytes without a copy.
func viewOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// textOf lets b be read as a string, without a copy, for as long as b does not change.
func textOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
