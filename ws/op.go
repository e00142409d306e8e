package ws

import "github.com/gobwas/ws"

// Op says what a message holds: an opcode of RFC 6455 section 5.2. Messages
// are OpText or OpBinary; the other opcodes are the package's own affair.
type Op = ws.OpCode

// beginsMessage reports whether op is OpText or OpBinary.
func beginsMessage(op Op) bool { return op == OpText || op == OpBinary }

const (
	// OpText is a message of UTF-8. What a handler receives has been checked;
	// what it sends is not, and a peer closes with 1007 when it is not UTF-8.
	OpText = ws.OpText
	// OpBinary is a message of any bytes.
	OpBinary = ws.OpBinary
)
