package http

import (
	"bufio"
	"io"
	"net"
	nethttp "net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// responseWriter is what a handler of net/http answers by. An answer that is small when the handler returns is sent in one
// piece with its length; a larger one, or one that is flushed, is a stream.
type responseWriter struct {
	c        *Ctx
	x        *exchange
	header   nethttp.Header
	wrote    bool // WriteHeader was called: the header lines are the exchange's now
	code     int
	typ      string // Content-Type, known when the answer begins
	length   int64
	trailers []string // names that Trailer has announced
	body     []byte   // while it is not known whether the answer is small
	stream   *Stream
	hijacked bool
	reads    expiry
	writes   expiry
}

// writerBuffer is how many bytes of an answer are gathered, in hope that it is small.
const writerBuffer = 4 << 10

// Header implements http.ResponseWriter.
func (w *responseWriter) Header() nethttp.Header { return w.header }

// WriteHeader implements http.ResponseWriter; a code of 1xx other than 101 is sent at once and is not the answer.
func (w *responseWriter) WriteHeader(code int) {
	switch {
	case w.hijacked:
		w.complain("WriteHeader on a hijacked connection")
		return
	case w.wrote:
		w.complain("superfluous WriteHeader")
		return
	case code < 100 || code > 599:
		panic("http: invalid WriteHeader code " + strconv.Itoa(code))
	case code == 100:
		if p := w.x.body.pipe; p != nil {
			p.ask()
		}
		return
	case code > 101 && code < 200:
		_ = w.x.interim(code, headerLines(nil, w.header, nil))
		return
	}
	w.wrote, w.code = true, code
	w.takeHeader()
}

func (w *responseWriter) complain(what string) {
	w.x.server.logger().Warn("http: "+what, "path", string(w.x.path))
}

// takeHeader moves the header lines to the exchange; those that it had were in header from the beginning.
func (w *responseWriter) takeHeader() {
	x := w.x
	w.length = unknownLength
	if v := w.header.Get("Content-Length"); v != "" {
		if n, ok := parseLength([]byte(v)); ok {
			w.length = n
		} else {
			w.complain("bad Content-Length of a handler: " + strconv.Quote(v))
		}
	}
	for _, v := range w.header["Trailer"] {
		for name := range strings.SplitSeq(v, ",") {
			w.trailers = append(w.trailers, nethttp.CanonicalHeaderKey(strings.TrimSpace(name)))
		}
	}
	w.typ = w.header.Get("Content-Type")
	x.fields, x.own = x.fields[:0], 0 // they are among w.header, as far as the handler has left them there
	if _, set := w.header["Connection"]; set {
		x.wantClose = false
	}
	for rest := headerLines(nil, w.header, w.trailers); len(rest) > 0; {
		name, value, after := cutLine(rest)
		x.appendHeader(name, value)
		rest = after
	}
}

// headerLines appends h as lines, sorted by name, without those that the server sets itself and those that are trailers.
// As in net/http a name that is none is left out, and a line end in a value becomes a blank.
func headerLines(b []byte, h nethttp.Header, trailers []string) []byte {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if !isLine(name) || slices.Contains(trailers, name) {
			continue
		}
		for _, value := range h[name] {
			b = appendLine(b, name, cleanValue(value))
		}
	}
	return b
}

// isLine says whether what a header of net/http holds under name is a line of the header section, and ours to write.
func isLine(name string) bool {
	return isToken(name) && !isServersOwn(name) && !strings.HasPrefix(name, nethttp.TrailerPrefix)
}

func isServersOwn(name string) bool {
	return strings.EqualFold(name, "Content-Length") || strings.EqualFold(name, "Transfer-Encoding")
}

// cleanValue is v with a blank for each byte that may not stand in a field value.
func cleanValue(v string) string {
	if !isText(v) {
		b := []byte(v)
		for i := skipText(b, 0); i < len(b); i = skipText(b, i) {
			b[i] = ' '
		}
		v = string(b)
	}
	return strings.Trim(v, " \t")
}

// cutLine takes the first of lines as appendLine makes them.
func cutLine(lines []byte) (name, value string, rest []byte) {
	for n, v := range fieldsIn(lines) {
		return string(n), string(v), lines[len(n)+len(v)+len(": \r\n"):]
	}
	return "", "", nil
}

// Write implements http.ResponseWriter.
func (w *responseWriter) Write(p []byte) (int, error) {
	if err := w.mayWrite(); err != nil {
		return 0, err
	}
	if w.stream == nil {
		if len(w.body)+len(p) <= writerBuffer {
			w.body = append(w.body, p...)
			return len(p), nil
		}
		if err := w.begin(p); err != nil {
			return 0, err
		}
	}
	n, err := w.stream.Write(p)
	if err == ErrTooLong {
		err = nethttp.ErrContentLength
	}
	return n, err
}

// WriteString implements io.StringWriter.
func (w *responseWriter) WriteString(s string) (int, error) { return w.Write(viewOf(s)) }

func (w *responseWriter) mayWrite() error {
	if w.hijacked {
		return nethttp.ErrHijacked
	}
	if !w.wrote {
		w.WriteHeader(200)
	}
	if bodyless(w.code) {
		return nethttp.ErrBodyNotAllowed
	}
	return nil
}

// begin makes the answer a stream, whose body begins with what was gathered; next is what comes behind that.
func (w *responseWriter) begin(next []byte) error {
	body := w.body
	w.body = nil
	w.sniff(body, next)
	var err error
	if err = w.x.ready(w.code); err != nil {
		return err
	}
	if w.stream, err = w.x.beginStream(w.code, w.typ, w.length); err != nil || len(body) == 0 {
		return err
	}
	_, err = w.stream.Write(body)
	return err
}

// sniff finds out a Content-Type as net/http does, for a body that has none.
func (w *responseWriter) sniff(body, next []byte) {
	if _, set := w.header["Content-Type"]; set || bodyless(w.code) || w.header.Get("Content-Encoding") != "" {
		return
	}
	if len(body) < 512 {
		body = append(slices.Clip(body), next[:min(len(next), 512-len(body))]...)
	}
	if len(body) > 0 {
		w.typ = nethttp.DetectContentType(body)
	}
}

// Flush implements http.Flusher.
func (w *responseWriter) Flush() { _ = w.FlushError() }

// FlushError is what http.ResponseController calls.
func (w *responseWriter) FlushError() error {
	if w.hijacked {
		return nethttp.ErrHijacked
	}
	if !w.wrote {
		w.WriteHeader(200)
	}
	if w.stream == nil {
		if err := w.begin(nil); err != nil {
			return err
		}
	}
	return w.stream.Flush()
}

// ReadFrom implements io.ReaderFrom.
func (w *responseWriter) ReadFrom(r io.Reader) (int64, error) {
	if err := w.mayWrite(); err != nil {
		return 0, err
	}
	if w.typ == "" && w.stream == nil { // the type has to be found out from the first bytes
		n, err := io.CopyN(struct{ io.Writer }{w}, r, 512)
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return n, err
		}
		more, err := w.readFrom(r)
		return n + more, err
	}
	return w.readFrom(r)
}

func (w *responseWriter) readFrom(r io.Reader) (int64, error) {
	if w.stream == nil {
		if err := w.begin(nil); err != nil {
			return 0, err
		}
	}
	return w.stream.ReadFrom(r)
}

// finish ends the answer when the handler has returned.
func (w *responseWriter) finish() error {
	x := w.x
	if w.hijacked || x.upgrade != nil || x.async != nil {
		return nil
	}
	if !w.wrote && x.nested != nil {
		w.takeHeader()
		return nil // see exchange.conclude
	}
	if !w.wrote {
		w.WriteHeader(200)
	}
	w.setTrailers()
	if w.stream == nil && (len(x.trailer) > 0 || w.length > int64(len(w.body)) && !x.isHead && !bodyless(w.code)) {
		if err := w.begin(nil); err != nil {
			return err
		}
	}
	if w.stream != nil {
		err := x.endStream()
		if err != nil {
			x.tear()
		}
		return err
	}
	if x.isHead && w.length >= 0 {
		if err := x.ready(w.code); err != nil {
			return err
		}
		err := x.start(w.code, w.typ, w.length)
		x.phase = answered
		return err
	}
	w.sniff(w.body, nil)
	return x.answer(w.code, w.typ, w.body)
}

// setTrailers takes those that were announced, and those with http.TrailerPrefix.
func (w *responseWriter) setTrailers() {
	for _, name := range w.trailers {
		for _, value := range w.header[name] {
			_ = w.c.SetTrailer(name, cleanValue(value))
		}
	}
	for name, values := range w.header {
		if name, ok := strings.CutPrefix(name, nethttp.TrailerPrefix); ok {
			for _, value := range values {
				_ = w.c.SetTrailer(name, cleanValue(value))
			}
		}
	}
}

// Hijack implements http.Hijacker. What the handler then says to the client nobody here sees; logs and metrics count it as a 101.
func (w *responseWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	x := w.x
	switch {
	case w.hijacked:
		return nil, nil, nethttp.ErrHijacked
	case x.phase != unanswered || w.wrote:
		return nil, nil, ErrWritten
	}
	conn, rw, err := x.hijack()
	if err != nil {
		return nil, nil, err
	}
	w.hijacked, x.hijacked, x.phase, x.status = true, true, answered, 101
	return conn, rw, nil
}

// hijack takes the connection from whatever it is that carries x.
func (x *exchange) hijack() (net.Conn, *bufio.ReadWriter, error) {
	if x.via != nil {
		return x.via.control().Hijack()
	}
	conn, err := x.conn.hijack(x)
	if err != nil {
		return nil, nil, err
	}
	return conn, bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn)), nil
}

// SetReadDeadline is what http.ResponseController calls: reads of the body fail behind t; the zero time is none.
func (w *responseWriter) SetReadDeadline(t time.Time) error {
	if via := w.x.via; via != nil {
		return via.control().SetReadDeadline(t)
	}
	p := w.x.body.pipe
	if p == nil {
		return nil // it is there already
	}
	w.reads.set(t, p.expire)
	return nil
}

// SetWriteDeadline likewise: writes that wait for the client fail behind t.
func (w *responseWriter) SetWriteDeadline(t time.Time) error {
	if via := w.x.via; via != nil {
		return via.control().SetWriteDeadline(t)
	}
	r := &w.x.room
	r.mu.Lock()
	turn := r.turn
	r.mu.Unlock()
	w.writes.set(t, func(on bool) { r.expire(turn, on) })
	return nil
}

// EnableFullDuplex is what http.ResponseController calls: a body can be read while it is answered anyway.
func (w *responseWriter) EnableFullDuplex() error { return nil }

func (w *responseWriter) stopTimers() {
	w.reads.stop()
	w.writes.stop()
}

var _ interface {
	nethttp.ResponseWriter
	nethttp.Flusher
	nethttp.Hijacker
	io.ReaderFrom
	io.StringWriter
} = (*responseWriter)(nil)
