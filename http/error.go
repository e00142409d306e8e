package http

import (
	"errors"
	"log/slog"
	"strconv"
	"strings"
)

// Error is an error that knows by which status a client hears of it. A handler that returns one, wrapped or not, has
// its request answered by that status; any other error is answered by 500, and its text stays in the log.
type Error struct {
	Code   int    // status code, 400 to 599
	Detail string // one line for the client; "" says no more than the status does
	Err    error  // the cause, for errors.Is and the log; never sent
	// Header are lines for the answer, such as Retry-After or WWW-Authenticate; nil is none.
	Header map[string]string
	// Members are what a problem document says beyond its standard members: RFC 9457 section 3.2; nil is none.
	Members map[string]any
}

// NewError returns an error that is answered by code, with detail in the body.
func NewError(code int, detail string) *Error { return &Error{Code: code, Detail: detail} }

// Status returns the code of the answer.
func (e *Error) Status() int { return e.Code }

func (e *Error) Error() string {
	s := "http: " + strconv.Itoa(e.Code) + " " + StatusText(e.Code)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Fail answers for err as the server does for an error that a handler returns: by the server's ErrorHandler; what only the
// operator should read goes to the log, and an error after the beginning of the answer goes there alone. Middleware that
// wants to see the answer calls it, and returns nil in place of err.
func (c *Ctx) Fail(err error) {
	x := c.live()
	e, known := errors.AsType[*Error](err)
	if known && (e.Code < 400 || e.Code > 599) {
		known = false
	}
	if !errors.Is(err, ErrClientGone) && (x.phase != unanswered || !known || e.Code >= 500 && e.Err != nil) {
		x.logError("a handler failed", slog.Any("error", err))
	}
	switch {
	case x.phase == streaming:
		x.tear()
	case x.phase == answered:
	case known:
		x.server.writeError(c, e)
	default:
		x.server.writeError(c, &Error{Code: 500, Err: err})
	}
}

// writeError answers for e. Header lines that the handler has set stay, such as Allow, Retry-After or those of CORS, but for
// those that described the body it meant to send.
func (s *Server) writeError(c *Ctx, e *Error) {
	x := c.x
	x.deleteRepresentation()
	for name, value := range e.Header {
		if err := c.SetHeader(name, value); err != nil {
			x.logError("a header line of an error is not sent", slog.Any("error", err))
		}
	}
	write := s.ErrorHandler
	if write == nil {
		write = TextErrors
	}
	err, failed := x.call(func(c *Ctx) error { return write(c, e) }, c)
	x.close = x.close || failed
	switch {
	case x.phase == unanswered: // what it has begun with must not get in the way
		x.filters, x.filtering = nil, nil
		x.deleteRepresentation()
		err = TextErrors(c, e)
	case failed && x.phase == streaming:
		x.tear()
	}
	if err != nil {
		x.logError("error answer not sent", slog.Any("error", err))
	}
}

// TextErrors is the ErrorHandler of a Server that has none: one line of text.
func TextErrors(c *Ctx, e *Error) error {
	text := statusLines[e.Code-100][len("HTTP/1.1 "):]
	text = strings.TrimRight(text, " \r\n") // a code without a reason phrase ends in a blank
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return c.Text(e.Code, text+"\n")
}

// Errors of the methods of Ctx and Server, for errors.Is.
var (
	// ErrBadHeader: a field name that is no token, a value with CR, LF, NUL or another control byte, or a field that
	// only the server may set (Content-Length, Transfer-Encoding).
	ErrBadHeader = errors.New("http: header field refused")
	// ErrWritten: the request has its answer already.
	ErrWritten = errors.New("http: response already written")
	// ErrBadRedirect: a redirect's target that leads to another site in disguise, or holds control bytes.
	ErrBadRedirect = errors.New("http: redirect target refused")
	// ErrBadStatus: a status code that cannot be sent this way.
	ErrBadStatus = errors.New("http: status code refused")
	// ErrNotUpgraded: Upgrade without a 101 written before it.
	ErrNotUpgraded = errors.New("http: upgrade without a 101 response")
	// ErrServerStarted: Listen after Start, or Start twice.
	ErrServerStarted = errors.New("http: server already started")
	// ErrServerClosed: the server was shut down.
	ErrServerClosed = errors.New("http: server closed")
)

// What the parser refuses. All of these close the connection: where the next request would begin is no longer known.
var (
	errRequestLine  = NewError(400, "malformed request line")
	errVersion      = NewError(400, "malformed protocol version")
	errHTTPVersion  = NewError(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
	errMethod       = NewError(501, "unknown method")
	errTarget       = NewError(400, "malformed request target")
	errURITooLong   = NewError(414, "request target too long")
	errHeaderLine   = NewError(400, "malformed header line")
	errHeaderBig    = NewError(431, "header block too large")
	errHeaderMany   = NewError(431, "too many header lines")
	errNoHost       = NewError(400, "no Host header")
	errManyHosts    = NewError(400, "more than one Host header")
	errBadHost      = NewError(400, "malformed host")
	errHostMismatch = NewError(400, "Host header and request target disagree")
	errLength       = NewError(400, "malformed Content-Length")
	errLengthTwice  = NewError(400, "more than one Content-Length")
	errLengthCoding = NewError(400, "Content-Length together with Transfer-Encoding")
	errCoding       = NewError(400, "malformed Transfer-Encoding")
	errCodingTwice  = NewError(400, "more than one Transfer-Encoding")
	errCoding10     = NewError(400, "Transfer-Encoding in HTTP/1.0")
	errCodingName   = NewError(501, "only the transfer coding chunked is spoken here")
	errExpect       = NewError(417, "unknown expectation")
	errChunkSize    = NewError(400, "malformed chunk size")
	errChunkExt     = NewError(400, "malformed or oversized chunk extension")
	errChunkEnd     = NewError(400, "chunk data without its line end")
	errTrailer      = NewError(400, "header field not allowed in trailers")
	errBodyTooBig   = NewError(413, "request body too large")
	errDraining     = NewError(503, "the server is shutting down")
	errBodyCut      = &Error{Code: 400, Detail: "the body ended early", Err: ErrClientGone}
	errTimeout      = NewError(408, "request not received in time")
)
