package ws

import (
	"testing"
	"unicode/utf8"
)

// TestCheckUTF8 holds the incremental check against its definition, for every
// sequence of up to four bytes drawn from the values where something changes.
func TestCheckUTF8(t *testing.T) {
	begins := beginnings()
	edges := []byte{'a', 0x80, 0x90, 0xa0, 0xbf, 0xc1, 0xc2, 0xe0, 0xe1, 0xed, 0xf0, 0xf1, 0xf4, 0xf5}
	var walk func(p []byte)
	walk = func(p []byte) {
		wantN, want := 0, false
		for k := max(0, len(p)-3); k <= len(p); k++ {
			if utf8.Valid(p[:k]) && (k == len(p) || begins[string(p[k:])]) {
				wantN, want = k, true
			}
		}
		n, ok := checkUTF8(p)
		if ok != want || ok && n != wantN {
			t.Fatalf("% x: %d, %v; want %d, %v", p, n, ok, wantN, want)
		}
		if len(p) == 4 {
			return
		}
		for _, b := range edges {
			walk(append(p[:len(p):len(p)], b))
		}
	}
	walk(nil)
}

// beginnings has everything that is a character without its end. All 64
// characters that differ in their last byte only have the same.
func beginnings() map[string]bool {
	all := make(map[string]bool)
	for r := rune(0); r <= utf8.MaxRune; r += 64 {
		if !utf8.ValidRune(r) {
			continue
		}
		p := utf8.AppendRune(nil, r)
		for i := 1; i < len(p); i++ {
			all[string(p[:i])] = true
		}
	}
	return all
}
