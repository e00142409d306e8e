package ws

import (
	"encoding/binary"

	"github.com/gobwas/ws"
)

// frameHeader is a frame's header as it lies on the wire (RFC 6455 section
// 5.2), with the bytes it takes there.
type frameHeader struct {
	ws.Header
	size int
}

// parseHeader reads the header that p begins with and holds it against what is
// allowed in state. size is 0 when p does not hold all of it yet; what is
// already wrong in the part that is there is an error at once.
//
// The order of the checks is the order of the bytes, so that the verdict does
// not depend on how many of them have arrived.
func parseHeader(p []byte, state ws.State) (h frameHeader, err error) {
	if len(p) < 2 {
		return h, nil
	}
	h.Fin = p[0]&0x80 != 0
	h.Rsv = p[0] >> 4 & 7
	h.OpCode = ws.OpCode(p[0] & 0x0f)
	h.Masked = p[1]&0x80 != 0
	h.Length = int64(p[1] & 0x7f)
	// 126 and 127 stand for lengths that no control frame may have, so the check
	// of the short form is the check of the length too.
	if err := ws.CheckHeader(h.Header, state); err != nil {
		return h, headerViolation(err)
	}
	size := 2
	switch h.Length {
	case 126:
		if len(p) < 4 {
			return h, nil
		}
		h.Length = int64(binary.BigEndian.Uint16(p[2:]))
		if h.Length < 126 {
			return h, errLengthLong
		}
		size = 4
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
		h.Length, size = int64(n), 10
	}
	if h.Masked {
		if len(p) < size+4 {
			return h, nil
		}
		copy(h.Mask[:], p[size:])
		size += 4
	}
	h.size = size
	return h, nil
}

// headerViolation gives gobwas's verdict its close code.
func headerViolation(err error) error {
	switch err {
	case ws.ErrProtocolOpCodeReserved:
		return errReservedOpcode
	case ws.ErrProtocolControlPayloadOverflow:
		return errControlLength
	case ws.ErrProtocolControlNotFinal:
		return errControlNotFin
	case ws.ErrProtocolNonZeroRsv:
		return errReservedBits
	case ws.ErrProtocolMaskRequired:
		return errNotMasked
	case ws.ErrProtocolMaskUnexpected:
		return errMasked
	case ws.ErrProtocolContinuationExpected:
		return errNotContinued
	default:
		return errNothingToAdd
	}
}

// maxHeader is the longest header of a frame that goes out unmasked.
const maxHeader = 10

// appendHeader appends the header of a whole, unmasked frame of n payload bytes.
func appendHeader(dst []byte, op ws.OpCode, n int) []byte {
	b0 := 0x80 | byte(op)
	switch {
	case n <= 125:
		return append(dst, b0, byte(n))
	case n <= 0xffff:
		return binary.BigEndian.AppendUint16(append(dst, b0, 126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, b0, 127), uint64(n))
	}
}
