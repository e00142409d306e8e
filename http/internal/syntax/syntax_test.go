package syntax

import (
	"net/url"
	"strings"
	"testing"
)

// RFC 9110 section 5.6.2 excludes controls, blanks, delimiters and what is not ASCII.
func TestIsToken(t *testing.T) {
	for c := range 256 {
		s := string([]byte{'a', byte(c), 'z'})
		want := c > ' ' && c < 0x7f && !strings.ContainsRune("\"(),/:;<=>?@[\\]{}", rune(c))
		if IsToken(s) != want {
			t.Errorf("IsToken(%q) = %v", s, !want)
		}
	}
	if IsToken("") {
		t.Error("nothing is a token")
	}
}

// RFC 9110 section 5.5: field-vchar is VCHAR and obs-text, and between them stand blanks and tabs.
func TestIsText(t *testing.T) {
	for c := range 256 {
		s := string([]byte{'a', byte(c), 'z'})
		want := c == '\t' || c == ' ' || c >= 0x21 && c <= 0x7e || c >= 0x80
		if IsText(s) != want {
			t.Errorf("IsText(%q) = %v", s, !want)
		}
	}
	if !IsText("") {
		t.Error("an empty value is one")
	}
}

func TestPercentEncode(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"", ""},
		{"plain", "plain"},
		{"a b", "a%20b"},
		{"\x00\xff", "%00%FF"},
		{"100%", "100%25"},
		{"grün", "gr%C3%BCn"},
	} {
		got := Token.without('%').PercentEncode(tc.in)
		if got != tc.want {
			t.Errorf("%q becomes %q, want %q", tc.in, got, tc.want)
		}
		if back, err := url.PathUnescape(got); err != nil || back != tc.in {
			t.Errorf("%q is read as %q, %v", got, back, err)
		}
	}
	if got := Token.PercentEncode("%41 b"); got != "%41%20b" {
		t.Errorf("a percent sign of the set: %q", got)
	}
	clean := strings.Repeat("clean", 10)
	if n := testing.AllocsPerRun(100, func() { Token.PercentEncode(clean) }); n != 0 {
		t.Errorf("%v allocations where there is nothing to encode", n)
	}
}

func (s *Set) without(c byte) *Set {
	return Where(func(b byte) bool { return s[b] && b != c })
}

func TestTrimOWS(t *testing.T) {
	if got := TrimOWS(" \ta b\t "); got != "a b" {
		t.Errorf("%q", got)
	}
	if got := TrimOWS("\u00a0\v\r\n"); got != "\u00a0\v\r\n" {
		t.Errorf("cuts more than blanks and tabs: %q", got)
	}
}
