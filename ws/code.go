package ws

import "fmt"

// Code is the status code of a close (RFC 6455 section 7.4, and the IANA
// registry for 1012 to 1014). An application's own codes are 4000 to 4999;
// 3000 to 3999 belong to libraries and frameworks that registered them.
type Code uint16

const (
	CodeNormalClosure   Code = 1000 // the purpose has been fulfilled
	CodeGoingAway       Code = 1001 // the server goes down, or the page was left
	CodeProtocolError   Code = 1002
	CodeUnsupportedData Code = 1003 // a type of message that the receiver cannot accept
	CodeNoStatus        Code = 1005 // never sent: the close frame had no code
	CodeAbnormal        Code = 1006 // never sent: lost without a close frame
	CodeInvalidPayload  Code = 1007 // such as a text that is not UTF-8
	CodePolicyViolation Code = 1008
	CodeMessageTooBig   Code = 1009
	CodeMandatoryExt    Code = 1010 // sent by clients only
	CodeInternalError   Code = 1011
	CodeServiceRestart  Code = 1012
	CodeTryAgainLater   Code = 1013
	CodeBadGateway      Code = 1014
	CodeTLSHandshake    Code = 1015 // never sent: the TLS handshake failed
)

// Sendable reports whether a close frame may carry c: 1000 to 1003, 1007 to
// 1014 and 3000 to 4999.
func (c Code) Sendable() bool {
	return c >= 1000 && c <= 1003 || c >= 1007 && c <= 1014 || c >= 3000 && c <= 4999
}

// String returns the number and, for the codes of RFC 6455, the name.
func (c Code) String() string {
	if name, ok := codeNames[c]; ok {
		return fmt.Sprintf("%d %s", uint16(c), name)
	}
	return fmt.Sprintf("%d", uint16(c))
}

var codeNames = map[Code]string{
	CodeNormalClosure:   "normal closure",
	CodeGoingAway:       "going away",
	CodeProtocolError:   "protocol error",
	CodeUnsupportedData: "unsupported data",
	CodeNoStatus:        "no status",
	CodeAbnormal:        "abnormal closure",
	CodeInvalidPayload:  "invalid payload",
	CodePolicyViolation: "policy violation",
	CodeMessageTooBig:   "message too big",
	CodeMandatoryExt:    "mandatory extension",
	CodeInternalError:   "internal error",
	CodeServiceRestart:  "service restart",
	CodeTryAgainLater:   "try again later",
	CodeBadGateway:      "bad gateway",
	CodeTLSHandshake:    "TLS handshake",
}
