package ws

import (
	"encoding/binary"

	"github.com/gobwas/ws"
)

// testKey has four different bytes, so that an offset that is off by one shows.
var testKey = [4]byte{0x12, 0x9f, 0x6c, 0xe3}

// wireKey is testKey as the decoder holds it.
var wireKey = binary.LittleEndian.Uint32(testKey[:])

// cut is a frame with anything about it that a test wants to be wrong.
type cut struct {
	fin      bool
	rsv      byte
	op       ws.OpCode
	payload  string
	unmasked bool
	lenBytes int   // 0: shortest form; 1, 2, 8: the field to use
	announce int64 // instead of the payload's length, when not 0
}

func (f cut) bytes() []byte {
	n := int64(len(f.payload))
	if f.announce != 0 {
		n = f.announce
	}
	b := []byte{f.rsv<<4 | byte(f.op), 0}
	if f.fin {
		b[0] |= 0x80
	}
	size := f.lenBytes
	if size == 0 {
		switch {
		case n < 126:
			size = 1
		case n <= 0xffff:
			size = 2
		default:
			size = 8
		}
	}
	switch size {
	case 1:
		b[1] = byte(n)
	case 2:
		b[1] = 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	case 8:
		b[1] = 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	payload := []byte(f.payload)
	if !f.unmasked {
		b[1] |= 0x80
		b = append(b, testKey[:]...)
		for i := range payload {
			payload[i] ^= testKey[i&3]
		}
	}
	return append(b, payload...)
}

// whole1 is a good frame, more one that is to be continued.
func whole1(op ws.OpCode, payload string) []byte {
	return cut{fin: true, op: op, payload: payload}.bytes()
}

func more(op ws.OpCode, payload string) []byte { return cut{op: op, payload: payload}.bytes() }

func text(s string) []byte    { return whole1(ws.OpText, s) }
func binary1(s string) []byte { return whole1(ws.OpBinary, s) }
func ping(s string) []byte    { return whole1(ws.OpPing, s) }
func pong(s string) []byte    { return whole1(ws.OpPong, s) }
func cont(s string) []byte    { return more(ws.OpContinuation, s) }
func last(s string) []byte    { return whole1(ws.OpContinuation, s) }

func closing1(code Code, reason string) []byte {
	return whole1(ws.OpClose, string(binary.BigEndian.AppendUint16(nil, uint16(code)))+reason)
}

func join(frames ...[]byte) []byte {
	var all []byte
	for _, f := range frames {
		all = append(all, f...)
	}
	return all
}
