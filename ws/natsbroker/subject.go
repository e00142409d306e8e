package natsbroker

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// maxToken is how long a topic may be in a subject, in bytes; a longer one is there by its
// hash. A server takes protocol lines of 4 KiB by default.
const maxToken = 200

// token is a topic as one token of a NATS subject: letters, digits, '-' and '_' stand for
// themselves, every other byte is '=' and two hexadecimal digits. Different topics have
// different tokens.
func token(topic string) string {
	var b strings.Builder
	for i := range len(topic) {
		if c := topic[i]; isPlain(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('=')
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
		}
	}
	if b.Len() > maxToken {
		sum := sha256.Sum256([]byte(topic))
		return "~" + hex.EncodeToString(sum[:])
	}
	return b.String()
}

const upperHex = "0123456789ABCDEF"

func isPlain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// subjects are the names that a broker uses, all beneath its prefix.
type subjects struct{ prefix string }

// of is where the messages of a topic go that are not stored.
func (s subjects) of(topic string) string {
	if topic == "" {
		return s.prefix + ".all"
	}
	return s.prefix + ".t." + token(topic)
}

// stored is where the messages go that the stream keeps, and kept where the stream brings
// them from there, with their numbers.
func (s subjects) stored(topic string) string { return s.prefix + ".s." + token(topic) }
func (s subjects) kept(topic string) string   { return s.prefix + ".k." + token(topic) }
