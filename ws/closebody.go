package ws

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// maxReason is the longest close reason, in bytes: a control frame's 125 less
// the code (RFC 6455 section 5.5).
const maxReason = ws.MaxControlFramePayloadSize - 2

// closeByte is the first byte of a close frame.
const closeByte = finBit | byte(ws.OpClose)

// parseCloseBody reads a close frame's payload. An empty one is CodeNoStatus.
func parseCloseBody(p []byte) (Code, string, error) {
	switch {
	case len(p) == 0:
		return CodeNoStatus, "", nil
	case len(p) == 1:
		return 0, "", errCloseBody
	}
	code := Code(binary.BigEndian.Uint16(p))
	if !code.Sendable() {
		return 0, "", errCloseCode
	}
	if !utf8.Valid(p[2:]) {
		return 0, "", errCloseUTF8
	}
	return code, string(p[2:]), nil
}

// closable reports whether a close frame may carry code and reason.
func closable(code Code, reason string) bool {
	return (code.Sendable() || code == CodeNoStatus && reason == "") &&
		len(reason) <= maxReason && utf8.ValidString(reason)
}

// appendCloseBody appends a close frame's payload; CodeNoStatus has none.
func appendCloseBody(dst []byte, code Code, reason string) []byte {
	if code == CodeNoStatus {
		return dst
	}
	return append(binary.BigEndian.AppendUint16(dst, uint16(code)), reason...)
}
