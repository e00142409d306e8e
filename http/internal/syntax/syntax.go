// Package syntax says what RFC 9110 and RFC 3986 let stand in the strings that header lines are made of. All of it may be
// called from any goroutine.
package syntax

import "strings"

// Set is a set of bytes, which one load asks. It must not change once it is in use.
type Set [256]bool

// Where returns the set of the bytes that in is true for.
func Where(in func(c byte) bool) *Set {
	var s Set
	for c := range s {
		s[c] = in(byte(c))
	}
	return &s
}

// HasAll says whether s holds every byte of text.
func (s *Set) HasAll(text string) bool {
	for i := range len(text) {
		if !s[text[i]] {
			return false
		}
	}
	return true
}

// PercentEncode encodes the bytes of text that are not in s as RFC 3986 section 2.1 says, with capitals. A percent sign is
// left as it is where s has it.
func (s *Set) PercentEncode(text string) string {
	for i := range len(text) {
		if !s[text[i]] {
			return s.encode(text, i)
		}
	}
	return text
}

func (s *Set) encode(text string, from int) string {
	const digits = "0123456789ABCDEF"
	b := make([]byte, from, len(text)+16)
	copy(b, text)
	for i := from; i < len(text); i++ {
		if c := text[i]; s[c] {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return string(b)
}

// IsAlnum says whether c is an ASCII letter or digit.
func IsAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// Token are the bytes of a token: tchar of RFC 9110 section 5.6.2.
var Token = Where(func(c byte) bool { return IsAlnum(c) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0 })

// Text are the bytes that may stand in a field value: RFC 9110 section 5.5.
var Text = Where(func(c byte) bool { return c >= 0x20 && c != 0x7f || c == '\t' })

// IsToken says whether s is a token: not empty, tchar only.
func IsToken(s string) bool { return s != "" && Token.HasAll(s) }

// IsText says whether s may stand in a field value.
func IsText(s string) bool { return Text.HasAll(s) }

// TrimOWS cuts optional white space (RFC 9110 section 5.6.3) off both ends of s. It is less than what strings.TrimSpace cuts.
func TrimOWS(s string) string { return strings.Trim(s, " \t") }
