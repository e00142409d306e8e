package gen

import (
	"encoding/binary"
	"fmt"
)

// Opcodes of RFC 6455 section 5.2.
const (
	opContinuation = 0
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10

	fin          = 0x80
	masked       = 0x80
	maxFrameHead = 10  // of a server's frame
	maxControl   = 125 // payload bytes of a control frame
)

// maskKey is that of every frame sent: servers must not profit from a key of
// zeros, and have no way to profit from one that stays the same.
var maskKey = [4]byte{0x37, 0xfa, 0x21, 0x3d}

func appendHead(b []byte, op byte, n int, mask byte) []byte {
	b = append(b, fin|op)
	switch {
	case n <= 125:
		return append(b, mask|byte(n))
	case n <= 1<<16-1:
		return binary.BigEndian.AppendUint16(append(b, mask|126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(b, mask|127), uint64(n))
	}
}

// appendMasked appends one frame as a client sends it.
func appendMasked(b []byte, op byte, p []byte) []byte {
	b = append(appendHead(b, op, len(p), masked), maskKey[:]...)
	from := len(b)
	b = append(b, p...)
	mask(b[from:])
	return b
}

// mask applies the key to p, which begins a payload.
func mask(p []byte) {
	for i := range p {
		p[i] ^= maskKey[i%4]
	}
}

// frames follows what a server sends on one connection, wherever the reads end.
type frames struct {
	head    [maxFrameHead]byte // of the frame that is beginning, as far as it is there
	headLen uint8
	inside  bool // the head is whole: payload follows
	last    bool // the frame ends its message
	op      byte // of this frame
	message byte // opcode of the message that is not complete, 0 without
	left    uint64
	control []byte // payload of a control frame, as far as it is there
}

// atStart says whether the next byte begins a message or control frame.
func (f *frames) atStart() bool { return !f.inside && f.headLen == 0 && f.message == 0 }

// part is what frames.next found.
type part struct {
	op      byte   // of the message, or of the control frame
	data    []byte // more payload of a message; the whole one of a control frame
	end     bool   // the message or control frame is complete
	nothing bool   // only more bytes can tell
}

// next takes what it can from the start of b and returns the rest. An error is a
// frame that no server may send.
func (f *frames) next(b []byte) (p part, rest []byte, err error) {
	if !f.inside {
		if b, err = f.readHead(b); err != nil || !f.inside {
			return part{nothing: true}, b, err
		}
	}
	n := min(uint64(len(b)), f.left)
	data := b[:n]
	b, f.left = b[n:], f.left-n
	if f.op >= opClose {
		return f.controlFrame(data), b, nil
	}
	p = part{op: f.message, data: data}
	if f.left == 0 {
		f.inside, p.end = false, f.last
		if f.last {
			f.message = 0
		}
	}
	p.nothing = n == 0 && !p.end
	return p, b, nil
}

func (f *frames) controlFrame(data []byte) part {
	f.control = append(f.control, data...)
	if f.left > 0 {
		return part{nothing: true}
	}
	whole := f.control
	f.inside, f.control = false, nil
	return part{op: f.op, data: whole, end: true}
}

// readHead gathers the head of a frame from b. When it is whole, f is inside.
func (f *frames) readHead(b []byte) ([]byte, error) {
	for len(b) > 0 {
		f.head[f.headLen] = b[0]
		f.headLen++
		b = b[1:]
		if f.headLen >= 2 && int(f.headLen) == headSize(f.head[1]) {
			f.headLen = 0
			return b, f.begin()
		}
	}
	return b, nil
}

func headSize(second byte) int {
	switch second & 127 {
	case 126:
		return 4
	case 127:
		return maxFrameHead
	default:
		return 2
	}
}

// begin judges a whole head (RFC 6455 section 5.2).
func (f *frames) begin() error {
	first, second := f.head[0], f.head[1]
	f.inside, f.last, f.op = true, first&fin != 0, first&15
	switch second & 127 {
	case 126:
		f.left = uint64(binary.BigEndian.Uint16(f.head[2:]))
	case 127:
		f.left = binary.BigEndian.Uint64(f.head[2:])
	default:
		f.left = uint64(second & 127)
	}
	switch {
	case first&0x70 != 0 || second&masked != 0:
		return fmt.Errorf("frame head % x: a reserved bit or a mask", f.head[:2])
	case f.op >= opClose && (!f.last || f.left > maxControl || f.op > opPong):
		return fmt.Errorf("frame head % x: no control frame of a server", f.head[:2])
	case f.op >= opClose:
		return nil
	case f.op > opBinary:
		return fmt.Errorf("frame head % x: opcode %d", f.head[:2], f.op)
	case (f.op == opContinuation) != (f.message != 0):
		return fmt.Errorf("frame head % x: opcode %d within message of %d", f.head[:2], f.op, f.message)
	}
	if f.message == 0 {
		f.message = f.op
	}
	return nil
}
