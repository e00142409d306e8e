package http

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"strconv"
)

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

// importHeader has the answer begin with the lines that somebody has set in front of us, so that a handler may add to them,
// replace and remove them.
func (r *response) importHeader(h nethttp.Header) {
	for rest := headerLines(nil, h, nil); len(rest) > 0; {
		name, value, after := cutLine(rest)
		r.appendHeader(name, value)
		rest = after
	}
}
