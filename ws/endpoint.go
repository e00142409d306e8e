package ws

import (
	"errors"
	"log/slog"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/reactor"
)

// endpoint is what all connections of one Endpoint share.
type endpoint struct {
	config
	handler   Handler
	callbacks reactor.Callbacks
}

// Endpoint makes an http.Handler that answers the opening handshake (RFC 6455
// section 4.2) and serves h from then on. What is no good handshake gets an
// HTTP error: 405 for other methods, 426 for requests without Upgrade and for
// versions other than 13, 403 for origins that are not allowed, 400 for the
// rest. Extensions are declined.
func Endpoint(h Handler, opts ...Option) http.Handler {
	if h == nil {
		panic("ws: Endpoint without a Handler")
	}
	e := &endpoint{config: defaults(), handler: h}
	for _, opt := range opts {
		opt(&e.config)
	}
	e.callbacks = reactor.Callbacks{
		Connection: func(tcp *reactor.TcpConnection) {
			if !tcp.Connected() {
				of(tcp).lost(tcp.Err())
			}
		},
		Message:       func(tcp *reactor.TcpConnection, in *reactor.Buffer) { of(tcp).read(in) },
		HighWater:     func(tcp *reactor.TcpConnection, _ int) { of(tcp).highWater() },
		LowWater:      func(tcp *reactor.TcpConnection) { of(tcp).resume() },
		WriteComplete: func(tcp *reactor.TcpConnection) { of(tcp).resume() },
		HalfClose:     func(tcp *reactor.TcpConnection) { of(tcp).halfClosed() },
		Timeout:       func(tcp *reactor.TcpConnection) { of(tcp).timeout() },
		Drain:         func(tcp *reactor.TcpConnection) { of(tcp).drain() },
	}
	return e.serve
}

// of is the Conn that serves tcp since open.
func of(tcp *reactor.TcpConnection) *Conn { return tcp.Context().(*Conn) }

func (e *endpoint) log() *slog.Logger {
	if e.logger != nil {
		return e.logger
	}
	return slog.Default()
}

// serve is the http.Handler.
func (e *endpoint) serve(ctx *http.Ctx) error {
	var hs handshake
	for name, value := range ctx.Headers() {
		hs.add(name, value)
	}
	r := hs.verify(ctx.Method(), ctx.Proto())
	if r == nil && !hs.originAllowed(ctx.Host(), e.origins) {
		r = refuseOrigin
	}
	if r != nil {
		return r.answer(ctx)
	}
	subprotocol := hs.subprotocol(e.subprotocols)
	header := [][2]string{
		{"Upgrade", "websocket"},
		{"Connection", "Upgrade"},
		{"Sec-WebSocket-Accept", acceptKey(hs.key)},
	}
	if subprotocol != "" {
		header = append(header, [2]string{"Sec-WebSocket-Protocol", subprotocol})
	}
	if err := setHeaders(ctx, header); err != nil {
		return err
	}
	if err := ctx.NoContent(101); err != nil {
		return err
	}
	return ctx.Upgrade(func(tcp *reactor.TcpConnection) { e.open(tcp, subprotocol) })
}

func (r *refusal) answer(ctx *http.Ctx) error {
	if err := setHeaders(ctx, r.header); err != nil {
		return err
	}
	return ctx.Text(r.status, r.reason+"\n")
}

func setHeaders(ctx *http.Ctx, header [][2]string) error {
	var errs error
	for _, h := range header {
		errs = errors.Join(errs, ctx.SetHeader(h[0], h[1]))
	}
	return errs
}

// open takes the connection over from HTTP, on its loop.
func (e *endpoint) open(tcp *reactor.TcpConnection, subprotocol string) {
	c := &Conn{
		tcp: tcp, endpoint: e, dec: decoder{limits: &e.limits},
		lastRead: tcp.Loop().Now(), subprotocol: subprotocol,
	}
	tcp.SetContext(c)
	tcp.SetCallbacks(&e.callbacks)
	if e.pingAfter > 0 {
		tcp.SetDeadline(c.lastRead + e.pingAfter)
	}
	defer func() {
		if v := recover(); v != nil {
			c.panicked(v)
		}
	}()
	e.handler.OnOpen(c)
}
