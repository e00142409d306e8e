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
)
