package ws

import (
	"bytes"
	"sync"
)

// Prepared is a message that is encoded once, and compressed at most once for each
// size of window, and sent to many connections. It never changes; any goroutine may
// use it, also several at a time.
type Prepared struct {
	op      Op
	frame   []byte // as a server sends it
	payload []byte // the end of frame

	mu         sync.Mutex
	compressed map[uint8][]byte // guarded by mu: frames by the bits of their window
}

// Prepare encodes a message, for Conn.SendPrepared. p is copied. It panics when
// op is neither OpText nor OpBinary. A text must be UTF-8, which is not checked.
func Prepare(op Op, p []byte) *Prepared {
	if !beginsMessage(op) {
		panic(ErrBadOp)
	}
	frame := serverFrame(finBit|byte(op), p)
	return &Prepared{op: op, frame: frame, payload: frame[len(frame)-len(p):]}
}

// serverFrame is a whole frame as a server sends it. b0 is its first byte.
func serverFrame(b0 byte, p []byte) []byte {
	return append(appendHeader(make([]byte, 0, maxHeader+len(p)), b0, len(p)), p...)
}

// Op says what the message holds.
func (m *Prepared) Op() Op { return m.op }

// Bytes returns a copy of the payload.
func (m *Prepared) Bytes() []byte { return bytes.Clone(m.payload) }

// deflated is the message compressed for receivers with such a window, as a frame;
// nil when that is no smaller. The level is that of whoever asks first.
func (m *Prepared) deflated(level int, bits uint8) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	frame, done := m.compressed[bits]
	if !done {
		if body, smaller := deflateOnce(nil, m.payload, level, bits); smaller {
			frame = serverFrame(finBit|rsv1Bit|byte(m.op), body)
		}
		if m.compressed == nil {
			m.compressed = make(map[uint8][]byte, 1)
		}
		m.compressed[bits] = frame
	}
	return frame
}
