package ws

import "unicode/utf8"

// textCheck checks a text that comes in pieces (RFC 6455 section 8.1), and fails
// as soon as no continuation can make it valid. The zero value is ready.
type textCheck struct {
	tail [utf8.UTFMax]byte // the beginning of a character of which the rest is awaited
	n    uint8
}

// add takes the next piece, and reports whether all may still become valid.
func (t *textCheck) add(p []byte) bool {
	for t.n > 0 && len(p) > 0 {
		t.tail[t.n] = p[0]
		t.n++
		p = p[1:]
		if head := t.tail[:t.n]; utf8.FullRune(head) {
			if !utf8.Valid(head) {
				return false
			}
			t.n = 0
		}
	}
	n, ok := checkUTF8(p)
	t.n += uint8(copy(t.tail[t.n:], p[n:]))
	return ok
}

// complete reports whether the text ends with a whole character.
func (t *textCheck) complete() bool { return t.n == 0 }

// checkUTF8 checks the head of a text of which more may follow. n is how much of
// p is whole, valid characters. ok is false as soon as no continuation can make p
// valid; what is left when it is true, p[n:], is at most three bytes that begin a
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
