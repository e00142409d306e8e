package ws

import (
	"crypto/sha1"
	"encoding/base64"
	"strings"
)

// handshake is what a client's opening request says (RFC 6455 section 4.1),
// gathered header by header.
type handshake struct {
	upgrade    bool // Upgrade has the token websocket
	connection bool // Connection has the token upgrade
	key        string
	keys       int
	version    string
	versions   int
	origin     string
	origins    int
	protocols  []string // in the client's order of preference
	extensions []string // the values of Sec-WebSocket-Extensions
}

// add takes one header. Those that are lists may come in several lines (RFC
// 9110 section 5.3); of the others the number is counted, since twice is wrong.
func (hs *handshake) add(name, value string) {
	switch {
	case strings.EqualFold(name, "Upgrade"):
		hs.upgrade = hs.upgrade || hasToken(value, "websocket")
	case strings.EqualFold(name, "Connection"):
		hs.connection = hs.connection || hasToken(value, "upgrade")
	case strings.EqualFold(name, "Sec-WebSocket-Key"):
		hs.key = value
		hs.keys++
	case strings.EqualFold(name, "Sec-WebSocket-Version"):
		hs.version = value
		hs.versions++
	case strings.EqualFold(name, "Origin"):
		hs.origin = value
		hs.origins++
	case strings.EqualFold(name, "Sec-WebSocket-Extensions"):
		hs.extensions = append(hs.extensions, value)
	case strings.EqualFold(name, "Sec-WebSocket-Protocol"):
		for p := range strings.SplitSeq(value, ",") {
			if p = trimOWS(p); p != "" {
				hs.protocols = append(hs.protocols, p)
			}
		}
	}
}

// refusal is the answer to a request that does not become a WebSocket.
type refusal struct {
	status int
	reason string
	header [][2]string
}

// askUpgrade tells a client of something else what is spoken here (RFC 9110
// section 15.5.22).
var askUpgrade = &refusal{426, "this resource speaks WebSocket", [][2]string{
	{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Version", "13"},
}}

var (
	refuseMethod     = &refusal{405, "a WebSocket begins with GET", [][2]string{{"Allow", "GET"}}}
	refuseProto      = &refusal{400, "a WebSocket begins with HTTP/1.1", nil}
	refuseConnection = &refusal{400, "Connection does not have the token Upgrade", nil}
	refuseVersion    = &refusal{426, "the WebSocket version is not 13", [][2]string{{"Sec-WebSocket-Version", "13"}}}
	refuseKey        = &refusal{400, "Sec-WebSocket-Key is not 16 bytes of base64", nil}
	refuseOrigin     = &refusal{403, "the origin is not allowed", nil}
)

// verify holds a request against RFC 6455 section 4.2.1; nil is a good one.
// Extensions need no look: one that is not answered is declined. The origin is
// judged by originAllowed.
func (hs *handshake) verify(method, proto string) *refusal {
	switch {
	case method != "GET":
		return refuseMethod
	case proto != "HTTP/1.1":
		return refuseProto
	case !hs.upgrade:
		return askUpgrade
	case !hs.connection:
		return refuseConnection
	case hs.versions != 1 || hs.version != "13":
		return refuseVersion
	case hs.keys != 1 || !validKey(hs.key):
		return refuseKey
	}
	return nil
}

// subprotocol picks the first of the server's names that the client offers.
// Names are case-sensitive. "" is none: the header is then left out.
func (hs *handshake) subprotocol(served []string) string {
	for _, s := range served {
		for _, p := range hs.protocols {
			if p == s {
				return s
			}
		}
	}
	return ""
}

// keyLen is the length of 16 bytes in base64, with its padding.
const keyLen = 24

func validKey(key string) bool {
	if len(key) != keyLen {
		return false
	}
	// Decode ignores line ends, so the count of decoded bytes is the judge.
	var nonce [18]byte
	n, err := base64.StdEncoding.Decode(nonce[:], []byte(key))
	return err == nil && n == 16
}

// acceptKey is the proof that the server understood (RFC 6455 section 4.2.2,
// item 5.4).
func acceptKey(key string) string {
	const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	sum := sha1.Sum([]byte(key + guid))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// hasToken reports whether a comma-separated list has token, in any case.
func hasToken(list, token string) bool {
	for item := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(trimOWS(item), token) {
			return true
		}
	}
	return false
}

// trimOWS takes off the optional white space of RFC 9110 section 5.6.3, which
// is narrower than Unicode's.
func trimOWS(s string) string { return strings.Trim(s, " \t") }

// isToken reports whether s is a token of RFC 9110 section 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenChar(s[i]) {
			return false
		}
	}
	return s != ""
}
