package ws

// Handler is what a server does with its connections. One Handler serves all
// connections of an Endpoint; what belongs to one of them goes into
// Conn.SetValue. For one connection the three run on its loop, one at a time:
// OnOpen first, OnClose last and exactly once. Like everything on a loop they
// must not block. A panic in one of them is logged and closes that connection
// with CodeInternalError.
type Handler interface {
	// OnOpen runs after the handshake, before any message is read.
	OnOpen(*Conn)

	// OnMessage takes a whole message, OpText or OpBinary. The payload belongs
	// to the connection and is valid until OnMessage returns: copy it to keep
	// it. Handing it to Send needs no copy, and it may be changed in place. A
	// text has been checked to be UTF-8.
	OnMessage(*Conn, Op, []byte)

	// OnClose runs when nothing more will be received: with the peer's code
	// and reason when it sent a close frame (CodeNoStatus when that was empty);
	// with the code this side closed with when the peer broke the protocol or a
	// limit, or the handler panicked; and with CodeAbnormal when the connection
	// was lost, the reason then being the error. Send returns ErrClosed.
	OnClose(*Conn, Code, string)
}

// FragmentHandler is a Handler that takes messages in pieces, as they arrive, so
// that none has to fit into memory: then OnMessage is not called. A message that
// came whole is one piece.
type FragmentHandler interface {
	Handler

	// OnFragment takes the next piece of a message; last says that it is the
	// end. Pieces have nothing to do with the peer's frames; the last may be empty,
	// a text may be cut inside a character, and a message that came compressed is one
	// piece, when all of it is there. WithMaxMessage and WithMaxFragments bound the
	// whole message here too. What came so far of a
	// text can be the beginning of valid UTF-8. When the connection ends there
	// may be no last piece. The payload is as in OnMessage.
	OnFragment(c *Conn, op Op, p []byte, last bool)
}

// NopHandler does nothing: embed it to write only the methods you need.
type NopHandler struct{}

func (NopHandler) OnOpen(*Conn)                {}
func (NopHandler) OnMessage(*Conn, Op, []byte) {}
func (NopHandler) OnClose(*Conn, Code, string) {}
