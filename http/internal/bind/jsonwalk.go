package bind

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// walker goes through a JSON text that encoding/json found valid, to name the places in it. What it is called for is
// rare or asked for, so that decoding itself need not keep track.
type walker struct {
	data  []byte
	path  []step                    // from the root to the value that is visited
	visit func(start, end int) bool // after each value, what lies in it first; false stops
	done  bool
}

// step is one level of a path: a member of an object or an element of an array.
type step struct {
	key   []byte // of a member, as it is written, with its quotes; nil for an element
	keyAt int
	index int
	at    int // where the value begins
}

// value visits the value at i or behind the white space there, and returns where it ends.
func (w *walker) value(i int) int {
	start := w.space(i)
	switch c := w.data[start]; c {
	case '{', '[':
		i = w.container(start, c == '{')
	case '"':
		i = stringEnd(w.data, start)
	default:
		for i = start; i < len(w.data) && !isSpace(w.data[i]) && strings.IndexByte(",]}", w.data[i]) < 0; i++ {
		}
	}
	if !w.done && !w.visit(start, i) {
		w.done = true
	}
	return i
}

func (w *walker) container(i int, object bool) int {
	i = w.space(i + 1)
	for n := 0; w.data[i] != '}' && w.data[i] != ']'; n++ {
		s := step{index: n}
		if object {
			end := stringEnd(w.data, i)
			s.key, s.keyAt = w.data[i:end], i
			i = w.space(w.space(end) + len(":"))
		}
		s.at = i
		w.path = append(w.path, s)
		i = w.value(i)
		if w.done {
			return i
		}
		w.path = w.path[:len(w.path)-1]
		if i = w.space(i); w.data[i] == ',' {
			i = w.space(i + 1)
		}
	}
	return i + 1
}

func (w *walker) space(i int) int {
	for i < len(w.data) && isSpace(w.data[i]) {
		i++
	}
	return i
}

// stringEnd returns where the string that begins at i ends, behind its quote.
func stringEnd(data []byte, i int) int {
	for i++; data[i] != '"'; i++ {
		if data[i] == '\\' {
			i++
		}
	}
	return i + 1
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// Bounds of what a path repeats of the client's names.
const (
	maxKey   = 64  // bytes of one name
	maxPlace = 256 // bytes of a path; of a longer one its end is kept
)

// place returns a path as the client reads it, in ASCII.
func place(path []step) string {
	var s []byte
	for _, p := range path {
		switch {
		case p.key == nil:
			s = append(s, '[')
			s = strconv.AppendInt(s, int64(p.index), 10)
			s = append(s, ']')
			continue
		case !isPlain(p.key[1 : len(p.key)-1]):
			name := keyText(p.key)
			if len(name) > maxKey {
				name = name[:maxKey] + "..."
			}
			s = append(s, '[')
			s = strconv.AppendQuoteToASCII(s, name)
			s = append(s, ']')
			continue
		case len(s) > 0:
			s = append(s, '.')
		}
		s = append(s, p.key[1:len(p.key)-1]...)
	}
	if len(s) > maxPlace {
		return "..." + string(s[len(s)-maxPlace:])
	}
	return string(s)
}

// isPlain says whether a name is written in a path as it is.
func isPlain(name []byte) bool {
	for _, c := range name {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return len(name) > 0 && len(name) <= maxKey
}

// keyText returns the name that is written as key, as encoding/json reads it.
func keyText(key []byte) string {
	for _, c := range key {
		if c == '\\' || c >= utf8.RuneSelf {
			var s string
			if err := json.Unmarshal(key, &s); err == nil {
				return s
			}
			break
		}
	}
	return string(key[1 : len(key)-1])
}

// quoteAt returns the character at data[at] in quotes, or its byte in hexadecimal when it is none.
func quoteAt(data []byte, at int) string {
	r, n := utf8.DecodeRune(data[at:])
	if r == utf8.RuneError && n == 1 {
		return fmt.Sprintf("byte 0x%02X", data[at])
	}
	return strconv.QuoteRuneToASCII(r)
}
