package reactor

import (
	"crypto/tls"
	"sync/atomic"
	"time"
)

// TLS secures the connections of a TcpServer or a TcpClient with crypto/tls, on
// their loops: no connection has a goroutine for it, and those who use a
// TcpConnection see plaintext only. It is given by WithTLS and WithClientTLS, may be
// shared, and must not change afterwards.
//
// Bytes are counted as they are held: output that is not encrypted yet as plaintext,
// what waits for the kernel as ciphertext. The end of the peer's stream
// (close_notify) is a half-close; a FIN without it closes with ErrTruncated.
type TLS struct {
	// Config is crypto/tls's own: certificates, versions, ALPN, client
	// certificates, session tickets. For a client it needs ServerName or
	// InsecureSkipVerify. A certificate is changed without a restart by
	// GetCertificate. A callback that panics fails its handshake, and is logged.
	// Its Renegotiation does not count: a server that asks for it is refused.
	Config *tls.Config

	// HandshakeTimeout bounds the time from the connection to the end of its
	// handshake, waiting for its turn included. 0: DefaultHandshakeTimeout.
	HandshakeTimeout time.Duration

	// MaxHandshakes bounds how many handshakes are under way at a time, of all
	// connections that share the TLS: a server's counts from the client's first
	// message. Others wait for their turn, unread; and while any wait, a peer must
	// go on with its own handshake within a second, so that peers which begin one
	// and fall silent do not keep the others out. 0: DefaultMaxHandshakes.
	MaxHandshakes int

	// Blocking says that callbacks of Config may wait, for a disk or another
	// server. Each step of a handshake then runs on a goroutine of its own, and
	// ClientHelloInfo.Context ends with the connection. Otherwise they run on the
	// loop, which EventLoop.IsInLoopThread does not know there.
	Blocking bool

	// Refuse, if it is not nil, makes the answer to a client whose first bytes, of
	// which it is given five, are not TLS. It is sent as it is. nil is no answer.
	// Loop goroutine.
	Refuse func(first []byte) []byte

	// Failed, if it is not nil, is told why a handshake failed. Loop goroutine.
	Failed func(peer InetAddress, err error)

	// Stats counts.
	Stats TLSStats

	gate handshakeGate
}

// TLSStats counts handshakes since the beginning. Any goroutine may read it.
type TLSStats struct {
	Handshakes atomic.Int64 // completed
	Resumed    atomic.Int64 // of them, those that resumed a session
	Failures   atomic.Int64 // ended otherwise: refused, timed out or broken off
}

// Defaults of TLS.
const (
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultMaxHandshakes    = 1024
)

// WithTLS secures the server's connections. The Connection callback then comes after
// the handshake, and not for one that fails.
func WithTLS(t *TLS) ServerOption { return func(o *serverOptions) { o.tls = t } }

// WithClientTLS secures a client's connection. A handshake that fails counts as an
// attempt to connect that failed.
func WithClientTLS(t *TLS) ClientOption { return func(o *clientOptions) { o.tls = t } }

// TLS returns what was negotiated; ok is false on a connection without TLS, or whose
// StartTLS has not come to its end. Any goroutine.
func (c *TcpConnection) TLS() (state tls.ConnectionState, ok bool) {
	if c.Secure() {
		return c.tls().conn.ConnectionState(), true
	}
	return state, false
}

// Secure reports whether TLS returns anything. Any goroutine.
func (c *TcpConnection) Secure() bool { return c.state.Load()&tlsSecured != 0 }

// shakingHands reports whether a handshake is under way. Loop goroutine only.
func (c *TcpConnection) shakingHands() bool {
	t := c.tls()
	return t != nil && t.handshake != nil
}

func (t *TLS) handshakeTimeout() time.Duration {
	if t.HandshakeTimeout > 0 {
		return t.HandshakeTimeout
	}
	return DefaultHandshakeTimeout
}
