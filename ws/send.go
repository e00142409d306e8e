package ws

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/carillon-go/carillon/reactor"
	"github.com/gobwas/ws"
	"github.com/valyala/bytebufferpool"
)

// Send sends p as one message. Any goroutine; messages leave in the order of
// the calls, and what one iteration of the loop sends leaves in one write. p is
// copied. A text must be UTF-8, which is not checked.
//
// Send does not wait for a slow peer: what it has not taken yet is held in
// memory, up to the limit of WithSendLimit, which also says what happens then.
// While a Writer is open its message goes first.
//
// The errors are ErrBadOp, ErrClosed, ErrSlow when p was not sent because the peer
// is too slow, and reactor.ErrOutputFull; without one the message is on its way,
// which does not say that it arrives.
func (c *Conn) Send(op Op, p []byte) error {
	if !beginsMessage(op) {
		return ErrBadOp
	}
	return c.post(message{op: op, payload: p})
}

// SendPrepared sends m like Send, without encoding or copying it for each
// connection. Any goroutine.
func (c *Conn) SendPrepared(m *Prepared) error {
	return c.post(message{op: m.op, payload: m.payload, prepared: m})
}

// message is one to be sent, before it is encoded.
type message struct {
	op       Op
	payload  []byte    // the caller's, until kept
	prepared *Prepared // what payload is from, or nil
}

// kept is m when it has to wait.
func (m message) kept() message {
	if m.prepared == nil {
		m.payload = append([]byte(nil), m.payload...)
	}
	return m
}

// post sends a message, or has it wait, or refuses it.
func (c *Conn) post(m message) error {
	c.mu.Lock()
	err := c.postLocked(m)
	c.mu.Unlock()
	if err == errCloseSlow {
		_ = c.tcp.Loop().RunInLoop(c.awaitCloseInLoop) // a loop that has quit closed it
		err = ErrSlow
	}
	return err
}

func (c *Conn) postLocked(m message) error {
	if c.closeSent {
		return ErrClosed
	}
	if c.tcp.PendingOutput() || c.rare.Load() != nil {
		if wait, err := c.admit(m); wait || err != nil {
			return err
		}
	}
	return c.write(m)
}

// write encodes a message and sends it. c.mu is held.
func (c *Conn) write(m message) error {
	compress := c.deflate != nil && c.deflate.options.worth(len(m.payload))
	switch {
	case m.prepared != nil && c.isServer():
		frame := m.prepared.frame
		if compress {
			frame = c.deflate.frameOf(m.prepared)
		}
		return sendError(c.tcp.SendNow(frame))
	case compress:
		return c.writeDeflated(m)
	default:
		return c.writeFrame(finBit|byte(m.op), m.payload)
	}
}

// sendControl sends a control frame other than close; those pass by messages that
// wait.
func (c *Conn) sendControl(op ws.OpCode, p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closeSent {
		return ErrClosed
	}
	return c.writeFrame(finBit|byte(op), p)
}

// writeFrame sends one frame, masked when this side is the client. b0 is its first
// byte. c.mu is held.
func (c *Conn) writeFrame(b0 byte, p []byte) error {
	if c.isServer() {
		return sendError(c.tcp.SendV(appendHeader(c.header[:0], b0, len(p)), p))
	}
	bb := maskedFrames.Get()
	defer giveBack(&maskedFrames, bb)
	// The keys come from the runtime's ChaCha8, seeded by the kernel: a server
	// cannot foresee them (RFC 6455 section 5.3).
	key := rand.Uint32()
	bb.B = appendMaskedHeader(bb.B[:0], b0, len(p), key)
	at := len(bb.B)
	bb.B = append(bb.B, p...)
	mask(bb.B[at:], key, 0)
	return sendError(c.tcp.Send(bb.B))
}

var maskedFrames bytebufferpool.Pool

func sendError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, reactor.ErrClosed), errors.Is(err, reactor.ErrLoopClosed):
		return ErrClosed
	default:
		return fmt.Errorf("ws: send: %w", err)
	}
}
