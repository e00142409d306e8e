package ws

import (
	"bytes"

	"github.com/carillon-go/carillon/reactor"
)

// Prepared is a message that is encoded once and sent to many connections. It
// never changes; any goroutine may use it, also several at a time.
type Prepared struct {
	op      Op
	frame   []byte // as a server sends it
	payload []byte // the end of frame
}

// Prepare encodes a message, for Conn.SendPrepared. p is copied. It panics when
// op is neither OpText nor OpBinary. A text must be UTF-8, which is not checked.
func Prepare(op Op, p []byte) *Prepared {
	if op != OpText && op != OpBinary {
		panic(ErrBadOp)
	}
	frame := appendHeader(make([]byte, 0, maxHeader+len(p)), finBit|byte(op), len(p))
	at := len(frame)
	frame = append(frame, p...)
	return &Prepared{op: op, frame: frame, payload: frame[at:]}
}

// Op says what the message holds.
func (m *Prepared) Op() Op { return m.op }

// Bytes returns a copy of the payload.
func (m *Prepared) Bytes() []byte { return bytes.Clone(m.payload) }

func (m *Prepared) sendTo(tcp *reactor.TcpConnection) error { return tcp.Send(m.frame) }
