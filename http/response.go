package http

import (
	"errors"
	"fmt"
	"strconv"
	"unsafe"

	"github.com/carillon-go/carillon/reactor"
)

// response is the response side of a Ctx. A response is built in out and leaves by one Send, which copies; what several
// pipelined responses of one event sent leaves in one write.
type response struct {
	status  int
	sent    int64 // bytes of body
	written bool
	close   bool // the connection ends after this response
	// wantClose: the handler has set Connection: close
	wantClose bool
	http10    bool // of the request: tell it when the connection stays
	isHead    bool
	own       ownLines
	fields    []byte
	out       []byte
	upgrade   func(conn *reactor.TcpConnection)
}

func (r *response) reset(close, http10, isHead bool) {
	*r = response{status: 200, close: close, http10: http10, isHead: isHead, fields: r.fields[:0], out: r.out[:0]}
}

// SetStatus sets the code of the answer that the server gives when the handler returns nil without having written one.
func (c *Ctx) SetStatus(code int) {
	c.live()
	if !c.written {
		c.status = code
	}
}

// StatusCode returns the code of the response: the one written, else the one that SetStatus announced, 200 without.
func (c *Ctx) StatusCode() int { c.live(); return c.status }

// BytesSent returns how many bytes of body the response has; 0 before it was written, and for HEAD.
func (c *Ctx) BytesSent() int64 { c.live(); return c.sent }

// Written says whether the response has been written.
func (c *Ctx) Written() bool { c.live(); return c.written }

// Text answers with s as text/plain in UTF-8, unless the handler has set another Content-Type. Errors: ErrWritten,
// ErrBadStatus, reactor.ErrOutputFull for a body that the connection cannot hold (it is closed then). That the client has
// gone is no error: the answer goes nowhere.
func (c *Ctx) Text(code int, s string) error {
	return c.write(code, "text/plain; charset=utf-8", viewOf(s))
}

// Blob answers with a copy of p, as contentType unless the handler has set another by SetHeader. Errors are those of
// Text, and ErrBadHeader for the contentType.
func (c *Ctx) Blob(code int, contentType string, p []byte) error {
	if !isText(contentType) {
		return fmt.Errorf("%w: content type %q", ErrBadHeader, contentType)
	}
	return c.write(code, contentType, p)
}

// NoContent answers with an empty body. Errors are those of Text.
func (c *Ctx) NoContent(code int) error { return c.write(code, "", nil) }

// SendFile answers with n bytes of f from off, sent by sendfile(2); set their Content-Type before. f is taken over in any
// case and closed: after its last byte, when the connection is lost, or at once for HEAD and on an error. When f turns out
// to be shorter the connection is cut, because the length has been promised. Errors are those of Text.
func (c *Ctx) SendFile(code int, f reactor.File, off, n int64) error {
	err := c.ready(code)
	if err == nil && (off < 0 || n < 0) {
		err = fmt.Errorf("http: send %d bytes of a file from %d", n, off)
	}
	if err != nil {
		return closing(f, err)
	}
	c.finish(code, "application/octet-stream", n)
	if c.isHead || n == 0 || bodyless(code) {
		_ = c.conn.tcp.Send(c.out)
		return closing(f, nil)
	}
	c.sent = n
	_ = c.conn.tcp.Send(c.out)
	c.conn.set(sendingFile)
	_ = c.conn.tcp.SendFile(f, off, n)
	return nil
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

// write sends the whole response.
func (c *Ctx) write(code int, contentType string, body []byte) error {
	if err := c.ready(code); err != nil {
		return err
	}
	if code == 205 {
		contentType, body = "", nil // RFC 9110 section 15.3.6
	}
	c.finish(code, contentType, int64(len(body)))
	if c.isHead || bodyless(code) {
		body = nil
	}
	c.sent = int64(len(body))
	if len(body) <= inlineBody {
		c.out = append(c.out, body...)
		return sendError(c.conn.tcp.Send(c.out))
	}
	return sendError(c.conn.tcp.SendV(c.out, body))
}

// sendError drops the error of a connection that is gone: there is nobody to tell. A body beyond what a connection may
// hold back is the handler's to hear of.
func sendError(err error) error {
	if errors.Is(err, reactor.ErrOutputFull) {
		return err
	}
	return nil
}

// ready says whether a response of that code can be written now. Of the interim codes only 101 ends a request.
func (c *Ctx) ready(code int) error {
	c.live()
	if c.written {
		return ErrWritten
	}
	if code < 200 && code != 101 || code > 599 {
		return fmt.Errorf("%w: %d", ErrBadStatus, code)
	}
	if code == 101 && c.conn.has(draining) {
		return errDraining
	}
	return nil
}

// finish puts the header section of the response into out. The version is ours, also for a client of HTTP/1.0: RFC 9110
// section 2.5.
func (c *Ctx) finish(code int, contentType string, length int64) {
	w := c.conn.worker
	c.status, c.written = code, true
	c.close = c.close || c.wantClose
	out := append(c.out[:0], statusLines[code-100]...)
	if c.own&ownServer == 0 {
		out = append(out, w.serverLine...)
	}
	if c.own&ownDate == 0 {
		out = append(out, w.date.at(w.loop.Now())...)
	}
	out = append(out, c.fields...)
	if !bodyless(code) {
		if c.own&ownType == 0 && contentType != "" {
			out = append(out, "Content-Type: "...)
			out = append(out, contentType...)
			out = append(out, "\r\n"...)
		}
		out = append(out, "Content-Length: "...)
		out = strconv.AppendInt(out, length, 10)
		out = append(out, "\r\n"...)
	}
	switch {
	case code == 101:
		c.close = false // the handler has said Connection: upgrade
	case c.close:
		out = append(out, "Connection: close\r\n"...)
	case c.http10:
		out = append(out, "Connection: keep-alive\r\n"...)
	}
	c.out = append(out, "\r\n"...)
}

// Upgrade hands the connection over to another protocol, after a 101 was written: when the handler has returned, HTTP lets
// go of the connection, and h runs on its loop. It sets the connection's new callbacks and context before it returns;
// bytes that came behind the request are then delivered to those. Error: ErrNotUpgraded.
func (c *Ctx) Upgrade(h func(conn *reactor.TcpConnection)) error {
	c.live()
	if !c.written || c.status != 101 {
		return ErrNotUpgraded
	}
	c.upgrade = h
	return nil
}

// viewOf lets s be read as bytes without a copy.
func viewOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
