package http

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"

	"github.com/carillon-go/carillon/reactor"
)

// worker is what the connections of one loop share: scratch that only the request being handled needs. One exists for
// each loop of a server, for as long as the server runs; only the loop's goroutine touches it.
type worker struct {
	server     *Server
	loop       *reactor.EventLoop
	limits     Limits
	times      timeouts
	head       head
	tail       head
	ctx        Ctx
	date       dateLine
	serverLine []byte
	spare      []*inbound
}

func newWorker(s *Server, loop *reactor.EventLoop) *worker {
	w := &worker{server: s, loop: loop, limits: s.Limits.filled(), times: s.timeouts()}
	if s.Name != "-" {
		w.serverLine = []byte("Server: " + s.name() + "\r\n")
	}
	return w
}

// handle runs the server's handler on w.ctx and sees to it that the request has an answer.
func (w *worker) handle() {
	c := &w.ctx
	if c.head.form == asteriskForm {
		_ = c.NoContent(200) // RFC 9110 section 9.3.7: about the server, so the server answers, as net/http's does
		return
	}
	err, panicked := w.call(c)
	switch {
	case panicked:
		c.close = true
		if !c.written {
			w.writeError(c, 500, "")
		}
	case err != nil:
		c.Fail(err)
	case !c.written && c.status == 101:
		c.Fail(fmt.Errorf("%w: 101 without Upgrade", ErrBadStatus))
	case !c.written:
		if err := c.NoContent(c.status); err != nil {
			c.Fail(err)
		}
	case c.status == 101 && c.upgrade == nil:
		w.server.logger().Error("http: a handler wrote 101 and did not Upgrade", "path", c.Path())
		c.close = true
	}
}

// call keeps a panic of the handler from ending the process.
func (w *worker) call(c *Ctx) (err error, panicked bool) {
	defer func() {
		if v := recover(); v != nil {
			panicked = true
			w.server.logger().Error("http: panic in a handler", "panic", v, "method", c.head.method, "path", string(c.path),
				"remote", c.conn.tcp.PeerAddr().String(), "stack", string(debug.Stack()))
		}
	}()
	return w.server.Handler(c), false
}

// writeError answers by one line of text. Header lines that the handler has set stay, such as Allow, Retry-After or those
// of CORS, but for those that described the body it meant to send.
func (w *worker) writeError(c *Ctx, code int, detail string) {
	c.deleteRepresentation()
	text := statusLines[code-100][len("HTTP/1.1 "):]
	text = strings.TrimRight(text, " \r\n") // a code without a reason phrase ends in a blank
	if detail != "" {
		text += ": " + detail
	}
	if err := c.Text(code, text+"\n"); err != nil {
		w.server.logger().Error("http: error answer not sent", "error", err)
	}
}

// reportRefusal notes what clients do wrong, for whoever looks for it.
func (w *worker) reportRefusal(tcp *reactor.TcpConnection, e *Error) {
	if w.server.Refused != nil {
		w.server.Refused(tcp.PeerAddr(), e)
	}
	ctx, logger := context.Background(), w.server.logger()
	if !logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	logger.LogAttrs(ctx, slog.LevelDebug, "http: request refused",
		slog.Int("status", e.Code), slog.String("reason", e.Detail), slog.String("remote", tcp.PeerAddr().String()))
}

// take returns an inbound without a request.
func (w *worker) take() *inbound {
	if n := len(w.spare); n > 0 {
		in := w.spare[n-1]
		w.spare = w.spare[:n-1]
		return in
	}
	return new(inbound)
}

// Storage of requests that came in pieces is kept for the next of them, as far as it is small.
const (
	keptInbound = 16
	keptBody    = 64 << 10
)

func (w *worker) give(in *inbound) {
	if len(w.spare) < keptInbound && cap(in.data) <= keptBody {
		in.reset()
		w.spare = append(w.spare, in)
	}
}

var continueLine = []byte("HTTP/1.1 100 Continue\r\n\r\n")
