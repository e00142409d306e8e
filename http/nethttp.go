package http

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	nethttp "net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/reactor"
)

// ServeHTTP makes an App a handler of net/http: it runs there as it does on the reactor, but that net/http has the
// connection. So the timeouts and limits on heads are net/http's, Ctx.Loop is nil, and there is no Ctx.Upgrade.
func (a *App) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	a.prepare()
	x := newExchange(&a.Server, nil)
	x.over = make(chan struct{})
	c := new(Ctx)
	c.base = r.Context()
	defer func() {
		c.x = nil
		c.end(ErrHandlerReturned)
	}()
	x.bind(c, false)
	err := x.importRequest(&netCarrier{w: w, r: r}, r)
	if err == nil {
		x.setRoute(a.find(x))
		err = x.importBody(w, r)
	} else {
		x.setRoute(&unrouted)
	}
	if e, ok := errors.AsType[*Error](err); ok && x.route.refuse != nil {
		x.refused, err = e, nil
		x.body.set(nil)
	}
	if err != nil {
		x.conclude(c, err)
	} else {
		x.handle()
	}
	if a := x.async; a != nil {
		c.x = nil
		a.park()
		select {
		case <-x.over:
		case <-r.Context().Done():
			if a.claim() {
				a.giveUp()
			}
			<-x.over
		}
		if x.torn {
			panic(abortHandler)
		}
	}
	_ = x.deliver(nil)
	if x.refused == nil && x.route.stream && r.Body != nil && !x.hijacked {
		skipImported(w, r.Body)
	}
}

// skipImported reads what a handler has left of a body, up to drainBound. net/http would do so as well, but in full duplex it
// reads the next request at the same time when it finds the end of the body there, and panics. Where there is more, reading
// is made to fail, so that net/http closes the connection.
func skipImported(w nethttp.ResponseWriter, body io.Reader) {
	if _, err := io.CopyN(io.Discard, body, drainBound+1); err == nil {
		_ = nethttp.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
	}
}

// Test has the App answer r in this goroutine, without a socket, and returns what it answered; its Body need not be closed. A
// request without a host, as http.NewRequest makes of a mere path, is for "example.com", as with httptest.NewRequest.
// Errors: ErrTorn when the answer was cut short, as by a handler that failed in the middle of a stream.
func (a *App) Test(r *nethttp.Request) (res *nethttp.Response, err error) {
	if r.Host == "" && r.URL.Host == "" {
		r = r.WithContext(r.Context()) // a copy
		r.Host = "example.com"
	}
	rec := &recorder{header: make(nethttp.Header)}
	defer func() {
		switch v := recover(); v {
		case nil:
		case nethttp.ErrAbortHandler:
			res, err = nil, ErrTorn
		default:
			panic(v)
		}
	}()
	a.ServeHTTP(rec, r)
	return rec.response(r), nil
}

// ErrTorn: an answer that was begun and could not be ended.
var ErrTorn = errors.New("http: the answer was cut short")

// importRequest makes x the exchange of a request of net/http: it is written down as it would come over a wire and parsed
// by our own rules, so that nothing is accepted here that would not be there.
func (x *exchange) importRequest(via *netCarrier, r *nethttp.Request) error {
	b, err := requestHead(r)
	n := 0
	if err == nil {
		lim := Limits{MaxURI: largestHead, MaxHeader: largestHead, MaxFields: 1<<16 - 1}
		var p progress
		n, err = p.parse(b, &lim, &x.head)
	}
	if err == nil && n != len(b) {
		err = errHeaderLine
	}
	if err != nil {
		x.head.reset()
		x.begin(nil, via, nil)
	} else {
		x.begin(nil, via, b)
	}
	x.importHeader(via.w.Header())
	return err
}

// requestHead writes the head of r down. What holds a byte that no head can hold is refused, because it would be read as
// something else: middleware sets header lines from what it has decoded.
func requestHead(r *nethttp.Request) ([]byte, error) {
	target := r.RequestURI
	if target == "" || r.URL.RequestURI() != target {
		target = r.URL.RequestURI() // made or changed by hand
	}
	host := cmp.Or(r.Host, r.URL.Host)
	method := cmp.Or(r.Method, "GET")
	if !isToken(method) || !isText(target) || !isText(host) {
		return nil, errRequestLine
	}
	minor := 1
	if r.ProtoMajor == 1 {
		minor = min(r.ProtoMinor, 1)
	}
	b := fmt.Appendf(nil, "%s %s HTTP/1.%d\r\n", method, target, minor)
	if host != "" {
		b = appendLine(b, "Host", host)
	}
	for name, values := range r.Header {
		if isServersOwn(name) || name == "Host" {
			continue
		}
		for _, value := range values {
			if !isToken(name) || !isText(value) {
				return nil, errHeaderLine
			}
			b = appendLine(b, name, value)
		}
	}
	switch {
	case r.ContentLength > 0:
		b = appendLine(b, "Content-Length", strconv.FormatInt(r.ContentLength, 10))
	case r.ContentLength < 0 && r.Body != nil && r.Body != nethttp.NoBody && minor > 0:
		b = appendLine(b, "Transfer-Encoding", "chunked")
	}
	return append(b, "\r\n"...), nil
}

// importBody gives x the body of r: read as a whole, unless the route streams it or the client waits to be asked for it.
func (x *exchange) importBody(w nethttp.ResponseWriter, r *nethttp.Request) error {
	max := x.limit
	if r.ContentLength > max {
		return errBodyTooBig
	}
	if r.Body == nil || r.Body == nethttp.NoBody || r.ContentLength == 0 {
		x.body.set(nil)
		return nil
	}
	x.body.reader = importedBody{nethttp.MaxBytesReader(w, r.Body, max), x, r}
	if x.route.stream {
		// Else net/http throws away what is unread of the body when the answer begins.
		_ = nethttp.NewResponseController(w).EnableFullDuplex()
	}
	if x.route.stream || x.head.expect {
		return nil
	}
	_, err := x.ctx.PeekBody()
	return err
}

// importedBody reads the body of a request of net/http with our errors.
type importedBody struct {
	r   io.Reader
	x   *exchange
	req *nethttp.Request
}

func (b importedBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	_, known := errors.AsType[*Error](err)
	switch {
	case err == nil, known, err == ErrClientGone: // the last two of a body of ours, behind a middleware
	case err == io.EOF:
		b.x.importTrailers(b.req.Trailer)
	case b.req.Context().Err() != nil:
		err = ErrClientGone
	default:
		if _, tooBig := errors.AsType[*nethttp.MaxBytesError](err); tooBig {
			err = errBodyTooBig
		} else {
			err = &Error{Code: 400, Detail: "the body could not be read", Err: err}
		}
	}
	return n, err
}

// importTrailers keeps the trailers that net/http has read.
func (x *exchange) importTrailers(h nethttp.Header) {
	in := &x.body.in
	in.tail.reset()
	in.tailRaw = in.tailRaw[:0]
	for name, values := range h {
		for _, value := range values {
			at := len(in.tailRaw)
			in.tailRaw = appendLine(in.tailRaw, name, value)
			in.tail.fields = append(in.tail.fields, field{
				name:  span{uint32(at), uint32(at + len(name))},
				value: span{uint32(at + len(name) + 2), uint32(len(in.tailRaw) - 2)},
			})
		}
	}
}

// netCarrier takes an answer to net/http.
type netCarrier struct {
	w nethttp.ResponseWriter
	r *nethttp.Request
}

// netLines returns lines, as appendLine makes them, as net/http has them.
func netLines(lines []byte) nethttp.Header {
	h := make(nethttp.Header)
	for name, value := range fieldsIn(lines) {
		h.Add(string(name), string(value))
	}
	return h
}

// importHeader has the answer begin with the lines that somebody has set in front of us, so that a handler may add to them,
// replace and remove them.
func (r *response) importHeader(h nethttp.Header) {
	for rest := headerLines(nil, h, nil); len(rest) > 0; {
		name, value, after := cutLine(rest)
		r.appendHeader(name, value)
		rest = after
	}
}

// header puts the lines of x in the place of those that importHeader has taken.
func (n *netCarrier) header(x *exchange) {
	h := n.w.Header()
	for name, values := range h {
		if len(values) > 0 && isLine(name) {
			delete(h, name)
		}
	}
	maps.Copy(h, netLines(x.fields))
	if x.wantClose || x.close {
		h["Connection"] = append([]string{"close"}, h["Connection"]...)
	}
}

func (n *netCarrier) start(x *exchange) error {
	n.header(x)
	h := n.w.Header()
	if name := x.server.name(); name != "-" && x.own&ownServer == 0 && x.nested == nil {
		h.Set("Server", name)
	}
	if x.length >= 0 && !bodyless(x.status) {
		h.Set("Content-Length", strconv.FormatInt(x.length, 10))
	} else {
		h.Del("Content-Length") // of somebody in front, whose body is not what is sent
	}
	if h.Get("Content-Type") == "" {
		h["Content-Type"] = nil // nobody is to guess it
	}
	n.w.WriteHeader(x.status)
	return nil
}

func (n *netCarrier) write(p []byte) error {
	_, err := n.w.Write(p)
	return n.failed(err)
}

func (n *netCarrier) failed(err error) error {
	if err != nil && n.r.Context().Err() != nil {
		return ErrClientGone
	}
	return err
}

func (n *netCarrier) flush() error { return n.failed(n.control().Flush()) }

func (n *netCarrier) control() *nethttp.ResponseController { return nethttp.NewResponseController(n.w) }

func (n *netCarrier) file(f reactor.File, off, length int64) error {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return closing(f, os.NewSyscallError("fcntl", err))
	}
	own := os.NewFile(uintptr(fd), "file")
	defer own.Close()
	if err := f.Close(); err != nil {
		return err
	}
	_, err = io.Copy(n.w, io.NewSectionReader(own, off, length))
	return n.failed(err)
}

func (n *netCarrier) finish(trailer []byte) error {
	if len(trailer) > 0 {
		_ = n.flush() // else net/http may find that the body is short, and send it without trailers
	}
	for name, value := range fieldsIn(trailer) {
		n.w.Header().Add(nethttp.TrailerPrefix+string(name), string(value))
	}
	return nil
}

func (n *netCarrier) interim(code int, lines []byte) error {
	h := n.w.Header()
	before := maps.Clone(h)
	extra := netLines(lines)
	maps.Copy(h, extra)
	n.w.WriteHeader(code)
	for name := range extra {
		delete(h, name)
		if was, ok := before[name]; ok {
			h[name] = was
		}
	}
	return nil
}

func (n *netCarrier) remoteAddr() reactor.InetAddress {
	if ip, err := netip.ParseAddr(n.r.RemoteAddr); err == nil { // as middleware leaves it that believes a header
		return reactor.InetAddressFrom(netip.AddrPortFrom(ip, 0))
	}
	addr, _ := reactor.ParseInetAddress(n.r.RemoteAddr) // the zero address where it is none
	return addr
}

func (n *netCarrier) localAddr() reactor.InetAddress {
	local, ok := n.r.Context().Value(nethttp.LocalAddrContextKey).(interface{ String() string })
	if !ok {
		return reactor.InetAddress{}
	}
	addr, _ := reactor.ParseInetAddress(local.String())
	return addr
}

// recorder is the ResponseWriter of App.Test.
type recorder struct {
	header, sent nethttp.Header
	code         int
	body         bytes.Buffer
}

func (rec *recorder) Header() nethttp.Header { return rec.header }

func (rec *recorder) WriteHeader(code int) {
	if rec.code == 0 && code >= 200 {
		rec.code, rec.sent = code, rec.header.Clone()
	}
}

func (rec *recorder) Write(p []byte) (int, error) {
	rec.WriteHeader(200)
	return rec.body.Write(p)
}

// Flush implements http.Flusher: everything is there at once anyway.
func (rec *recorder) Flush() { rec.WriteHeader(200) }

func (rec *recorder) response(r *nethttp.Request) *nethttp.Response {
	rec.WriteHeader(200)
	if rec.sent["Content-Type"] == nil {
		delete(rec.sent, "Content-Type")
	}
	if rec.sent.Get("Date") == "" {
		rec.sent.Set("Date", time.Now().UTC().Format(timeFormat))
	}
	res := &nethttp.Response{
		Status: strconv.Itoa(rec.code) + " " + StatusText(rec.code), StatusCode: rec.code,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: rec.sent, Body: nethttp.NoBody, ContentLength: int64(rec.body.Len()), Request: r,
	}
	if r.Method != "HEAD" && !bodyless(rec.code) {
		res.Body = io.NopCloser(&rec.body)
	}
	for name, values := range rec.header {
		if name, ok := strings.CutPrefix(name, nethttp.TrailerPrefix); ok {
			if res.Trailer == nil {
				res.Trailer = make(nethttp.Header)
			}
			res.Trailer[name] = values
		}
	}
	return res
}
