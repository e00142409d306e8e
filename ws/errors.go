package ws

import (
	"errors"
	"fmt"

	"github.com/carillon-go/carillon/reactor"
)

// Errors that a caller can test for with errors.Is. Those of the connection's
// output are the reactor's, such as reactor.ErrOutputFull, wrapped.
var (
	// ErrClosed refuses a Send or Close after a close frame was sent or the
	// connection is gone. It is a reactor.ErrClosed too.
	ErrClosed = fmt.Errorf("ws: the closing handshake has begun: %w", reactor.ErrClosed)
	// ErrSlow says that a message was not sent because the peer does not take
	// what it is sent: see WithSendLimit.
	ErrSlow = errors.New("ws: the peer is too slow")
	// ErrWriting refuses a second Writer of a connection.
	ErrWriting = errors.New("ws: a message is being written already")
	// ErrBadOp refuses a Send of anything but OpText and OpBinary.
	ErrBadOp = errors.New("ws: a message is OpText or OpBinary")
	// ErrBadClose refuses a Close with a code that must not be sent, or with a
	// reason that is not UTF-8 or longer than 123 bytes.
	ErrBadClose = errors.New("ws: bad close code or reason")
	// ErrNotConnected refuses a Client's Send while it has no connection.
	ErrNotConnected = errors.New("ws: not connected")
	// ErrBadURL refuses a URL that names no WebSocket (RFC 6455 section 3).
	ErrBadURL = errors.New("ws: bad URL")
	// ErrBadRequest refuses header lines that must not be sent in a handshake.
	ErrBadRequest = errors.New("ws: bad header in the opening request")
	// ErrProxy refuses a proxy that is not reached by plain HTTP.
	ErrProxy = errors.New("ws: only http:// proxies are supported")
	// ErrReconnectStream refuses WithReconnect for a Stream.
	ErrReconnectStream = errors.New("ws: a Stream does not reconnect")
)

// CloseError is how a connection ended, as OnClose tells it: see Handler.
type CloseError struct {
	Code   Code
	Reason string
}

func (e *CloseError) Error() string {
	if e.Reason == "" {
		return "ws: closed: " + e.Code.String()
	}
	return "ws: closed: " + e.Code.String() + ": " + e.Reason
}

// Is lets errors.Is ask for a code: a target without Reason is any reason.
func (e *CloseError) Is(target error) bool {
	t, ok := target.(*CloseError)
	return ok && t.Code == e.Code && (t.Reason == "" || t.Reason == e.Reason)
}
