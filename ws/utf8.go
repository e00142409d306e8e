package ws

import "unicode/utf8"

// checkUTF8 checks the head of a text of which more may follow (RFC 6455
// section 8.1). n is how much of p is whole, valid characters: the next check
// starts there. ok is false as soon as no continuation can make p valid; what
// is left when it is true, p[n:], is at most three bytes that begin a
// character.
func checkUTF8(p []byte) (n int, ok bool) {
	n = len(p)
	for i := n - 1; i >= 0 && i >= n-3; i-- {
		if utf8.RuneStart(p[i]) {
			// FullRune takes an impossible sequence for a whole one, so that only
			// a beginning that can still become a character is left out here.
			if !utf8.FullRune(p[i:]) {
				n = i
			}
			break
		}
	}
	return n, utf8.Valid(p[:n])
}
