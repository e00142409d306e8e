package ws

import (
	"encoding/binary"

	"github.com/gobwas/ws"
)

// frameHeader is a frame's header as it lies on the wire (RFC 6455 section
// 5.2), with the bytes it takes there. It travels in registers, which gobwas's
// Header with its array does not: decoding a message of 16 bytes takes 37 ns
// instead of 65.
type frameHeader struct {
	length int64
	size   int
	key    uint32 // little-endian; 0 for a frame that is not masked
	op     ws.OpCode
	fin    bool
	rsv1   bool
}

// The bits of a header's first two bytes.
const (
	finBit  = 0x80
	rsvBits = 0x70
	rsv1Bit = 0x40
	opBits  = 0x0f
	maskBit = 0x80
	lenBits = 0x7f
)

// opcodes has a bit for each opcode that is not reserved.
const opcodes = 1<<ws.OpContinuation | 1<<ws.OpText | 1<<ws.OpBinary | 1<<ws.OpClose | 1<<ws.OpPing | 1<<ws.OpPong

// mode is what decides whether a frame is right, beside the frame itself.
type mode uint8

const (
	fromServer mode = 1 << iota // frames come from a server, which does not mask
	compressed                  // permessage-deflate was agreed: RSV1 has a meaning
	fragmented                  // a message has begun and not ended
)

// parseHeader reads the header of the frame that p begins with. size is 0 when p
// does not hold all of it yet; what is already wrong in the part that is there is
// an error at once.
//
// The order of the checks is the order of the bytes, so that the verdict does
// not depend on how many of them have arrived.
func parseHeader(p []byte, m mode) (h frameHeader, err error) {
	if len(p) < 2 {
		return h, nil
	}
	if v := checkHeader(p[0], p[1], m); v != nil {
		return h, v
	}
	length, size := int64(p[1]&lenBits), 2
	switch length {
	case 126:
		if len(p) < 4 {
			return h, nil
		}
		length, size = int64(binary.BigEndian.Uint16(p[2:])), 4
		if length < 126 {
			return h, errLengthLong
		}
	case 127:
		if len(p) < 10 {
			return h, nil
		}
		n := binary.BigEndian.Uint64(p[2:])
		if n>>63 != 0 {
			return h, errLengthTopBit
		}
		if n <= 0xffff {
			return h, errLengthLong
		}
		length, size = int64(n), 10
	}
	key := uint32(0)
	if m&fromServer == 0 {
		if len(p) < size+4 {
			return h, nil
		}
		key = binary.LittleEndian.Uint32(p[size:])
		size += 4
	}
	return frameHeader{
		length: length, size: size, key: key,
		op: ws.OpCode(p[0] & opBits), fin: p[0]&finBit != 0, rsv1: p[0]&rsv1Bit != 0,
	}, nil
}

// checkHeader judges a header's first two bytes.
func checkHeader(b0, b1 byte, m mode) *violation {
	op := ws.OpCode(b0 & opBits)
	if opcodes>>op&1 == 0 {
		return errReservedOpcode
	}
	if b0&rsvBits != 0 {
		if v := checkReserved(b0, m); v != nil {
			return v
		}
	}
	if masked := b1&maskBit != 0; masked == (m&fromServer != 0) {
		if masked {
			return errMasked
		}
		return errNotMasked
	}
	switch {
	case op.IsControl():
		switch {
		case b0&finBit == 0:
			return errControlNotFin
		case b1&lenBits > ws.MaxControlFramePayloadSize:
			return errControlLength
		}
	case m&fragmented != 0 && op != ws.OpContinuation:
		return errNotContinued
	case m&fragmented == 0 && op == ws.OpContinuation:
		return errNothingToAdd
	}
	return nil
}

// checkReserved judges reserved bits that are set. RSV1 says that a message is
// compressed, on its first frame, where that was agreed (RFC 7692 section 6).
func checkReserved(b0 byte, m mode) *violation {
	op := ws.OpCode(b0 & opBits)
	switch {
	case m&compressed == 0 || b0&rsvBits != rsv1Bit:
		return errReservedBits
	case !beginsMessage(op):
		return errCompressedBit
	}
	return nil
}

// maxHeader is the longest header of a frame: that of a masked one.
const maxHeader = 14

// appendHeader appends the header of a frame of n payload bytes that is not
// masked. b0 is the header's first byte.
func appendHeader(dst []byte, b0 byte, n int) []byte {
	switch {
	case n <= 125:
		return append(dst, b0, byte(n))
	case n <= 0xffff:
		return binary.BigEndian.AppendUint16(append(dst, b0, 126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, b0, 127), uint64(n))
	}
}

// appendMaskedHeader is appendHeader for a masked frame: its key comes last.
func appendMaskedHeader(dst []byte, b0 byte, n int, key uint32) []byte {
	at := len(dst) + 1
	dst = appendHeader(dst, b0, n)
	dst[at] |= maskBit
	return binary.LittleEndian.AppendUint32(dst, key)
}
