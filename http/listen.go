package http

import (
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// ListenOption sets what applies to one listener of a Server.
type ListenOption func(o *listenOptions)

type listenOptions struct {
	reactor []reactor.ServerOption
	preface Preface
}

// ListenWith gives options to the listener itself, behind those of Server.ListenOptions: reactor.WithListenFD takes over a
// socket that listens already.
func ListenWith(opts ...reactor.ServerOption) ListenOption {
	return func(o *listenOptions) { o.reactor = append(o.reactor, opts...) }
}

// A Preface reads what stands in front of the first request of a connection, such as the header of the PROXY protocol. It is given
// the bytes that have come so far, and the peer of the connection, and returns the length of the preface, and the addresses that
// Ctx.RemoteAddr and Ctx.LocalAddr are to return from then on; those that are not valid stay as they were. n is 0 while more bytes are needed, and -1
// when there is no preface and none is needed. An error closes the connection. It runs on the connection's loop. With ListenTLS it
// stands in front of TLS.
type Preface func(b []byte, peer reactor.InetAddress) (n int, remote, local reactor.InetAddress, err error)

// WithPreface has each connection begin by a preface. It must come within Server.HeaderTimeout, in front of TLS within the time
// that a handshake may take.
func WithPreface(read Preface) ListenOption {
	return func(o *listenOptions) { o.preface = read }
}

// prefaced reads the prefaces of a listener's connections.
type prefaced struct {
	server *Server
	read   Preface
}

// callbacks of a listener's connections: with a preface they begin by that.
func (s *Server) callbacksFor(o *listenOptions, secure bool) *reactor.Callbacks {
	cb := s.callbacks()
	if o.preface == nil {
		return cb
	}
	p := &prefaced{s, o.preface}
	if secure {
		return p.inFrontOfTLS(o, cb)
	}
	return &reactor.Callbacks{
		Connection: func(tcp *reactor.TcpConnection) {
			if tcp.Connected() {
				tcp.SetDeadline(after(tcp.Loop().Now(), s.workers[tcp.Loop()].times.header))
			}
		},
		Message: func(tcp *reactor.TcpConnection, in *reactor.Buffer) { p.receive(tcp, in, cb) },
		Timeout: func(tcp *reactor.TcpConnection) { tcp.ForceClose() },
		Drain: func(tcp *reactor.TcpConnection) {
			if idle := s.retireAfter(); idle > 0 {
				tcp.SetDeadline(tcp.Loop().Now() + idle)
				return
			}
			tcp.Shutdown()
		},
	}
}

func (p *prefaced) receive(tcp *reactor.TcpConnection, in *reactor.Buffer, next *reactor.Callbacks) {
	n, remote, local, err := p.read(in.Peek(), tcp.PeerAddr())
	switch {
	case err != nil:
		p.server.logger().Debug("http: connection refused", "remote", tcp.PeerAddr().String(), "error", err)
		tcp.ForceClose()
		return
	case n == 0:
		return
	case n > 0:
		in.Retrieve(n)
	}
	c := &conn{tcp: tcp, place: p.placeOf(tcp, remote, local)}
	tcp.SetContext(c)
	tcp.SetCallbacks(next)
	c.rest()
}

// placeOf is the place of a connection whose preface has named addresses.
func (p *prefaced) placeOf(tcp *reactor.TcpConnection, remote, local reactor.InetAddress) *place {
	w := p.server.workers[tcp.Loop()]
	at := w.placeOf(tcp)
	if remote.IsValid() || local.IsValid() {
		at = &place{worker: w, local: at.local, remote: remote}
		if local.IsValid() {
			at.local = local
		}
	}
	return at
}

// inFrontOfTLS has the preface read before the handshake. What it names waits in the connection's context.
func (p *prefaced) inFrontOfTLS(o *listenOptions, cb *reactor.Callbacks) *reactor.Callbacks {
	o.reactor = append(o.reactor, reactor.WithTLSPreface(func(tcp *reactor.TcpConnection, b []byte) (int, error) {
		n, remote, local, err := p.read(b, tcp.PeerAddr())
		if err == nil && n != 0 {
			tcp.SetContext(p.placeOf(tcp, remote, local))
		}
		return n, err
	}))
	whole := *cb
	whole.Connection = func(tcp *reactor.TcpConnection) {
		if at, ok := tcp.Context().(*place); ok {
			c := &conn{tcp: tcp, place: at}
			tcp.SetContext(c)
			c.begin()
			return
		}
		cb.Connection(tcp)
	}
	return &whole
}

// remoteAddr is the peer of the connection, or whom a preface has named in its place.
func (c *conn) remoteAddr() reactor.InetAddress {
	if c.remote.IsValid() {
		return c.remote
	}
	return c.tcp.PeerAddr()
}

// retireAfter is how long connections may still wait for a request while the server shuts down.
func (s *Server) retireAfter() time.Duration {
	idle := time.Duration(s.retire.Load())
	if by := s.retireBy.Load(); by != nil && idle > 0 { // time for the answer is left
		idle = min(idle, max(time.Until(*by)/2, 0))
	}
	return idle
}
