package ws

// violation is what a peer did wrong: the code that RFC 6455 section 7.4 names
// for it and, for whoever reads it on the other side, the reason.
type violation struct {
	code   Code
	reason string
}

func (v *violation) Error() string { return "ws: " + v.code.String() + ": " + v.reason }

// All violations are made beforehand, so that a hostile peer costs no garbage.
var (
	errLengthTopBit   = &violation{CodeProtocolError, "the top bit of the length is set"}
	errLengthLong     = &violation{CodeProtocolError, "the length is not in its shortest form"}
	errUTF8           = &violation{CodeInvalidPayload, "the text is not UTF-8"}
	errTooBig         = &violation{CodeMessageTooBig, "the message is too big"}
	errTooManyFrames  = &violation{CodePolicyViolation, "the message has too many fragments"}
	errCloseBody      = &violation{CodeProtocolError, "the close frame has half a code"}
	errCloseCode      = &violation{CodeProtocolError, "the close code is not for use in a frame"}
	errCloseUTF8      = &violation{CodeInvalidPayload, "the close reason is not UTF-8"}
	errReservedOpcode = &violation{CodeProtocolError, "reserved opcode"}
	errControlLength  = &violation{CodeProtocolError, "a control frame of more than 125 bytes"}
	errControlNotFin  = &violation{CodeProtocolError, "a fragmented control frame"}
	errReservedBits   = &violation{CodeProtocolError, "reserved bits without an extension"}
	errCompressedBit  = &violation{CodeProtocolError, "the bit of a compressed message where no message begins"}
	errNotMasked      = &violation{CodeProtocolError, "a client's frame is not masked"}
	errMasked         = &violation{CodeProtocolError, "a server's frame is masked"}
	errNotContinued   = &violation{CodeProtocolError, "a new message inside a fragmented one"}
	errNothingToAdd   = &violation{CodeProtocolError, "a continuation of nothing"}
)
