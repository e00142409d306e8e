package reactor

import "errors"

var errSecuredTwice = errors.New("reactor: StartTLS over TLS")

// StartTLS secures a connection that was plaintext so far, where its protocol changes
// over, as behind a proxy's answer to CONNECT or a server's to STARTTLS. The
// connection of a TcpClient has the client's part in the handshake.
//
// done, which may be nil, is called when the handshake is complete; one that fails
// closes the connection, and Err says why. Until then there is no Message, what is
// sent waits, to leave encrypted, Shutdown closes at once, and TLS.HandshakeTimeout
// takes the place of the deadline that was set, and of the Timeout callback.
//
// Errors: ErrPlaintext where the input is not empty, since whoever put it there may
// not be whom TLS is spoken with, or output has not left yet (WriteComplete says
// when); ErrClosed when either side has ended its stream. Then nothing has changed.
//
// Loop goroutine only.
func (c *TcpConnection) StartTLS(t *TLS, done func(c *TcpConnection)) error {
	switch {
	case c.tls() != nil:
		return errSecuredTwice
	case c.State() != Connected || c.flags.any(peerClosed|finWanted|outputLost|destroying):
		return ErrClosed
	case c.in.Len() > 0 || c.PendingOutput():
		return ErrPlaintext
	}
	c.stopGathering() // in a Message callback: what it sends from now on is not to leave as it is
	stream := newTLSStream(c, t, c.shared.client)
	stream.handshake.told = done
	c.needRare().tls = stream
	c.state.Store(c.state.Load() | tlsStarted)
	stream.handshake.begin()
	return nil
}

// startedTLS goes on where StartTLS has left off.
func (h *handshake) startedTLS() {
	c := h.t.c
	c.updateReading() // for the high-water mark holds again
	c.flushLaterInLoop()
	if h.told != nil {
		h.told(c)
	}
}
