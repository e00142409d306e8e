package http

import (
	"encoding/binary"
	"math/bits"

	"github.com/carillon-go/carillon/http/internal/syntax"
)

// Classes of bytes, as bits of one table: the parser asks one load a byte.
const (
	classToken  = 1 << iota // tchar, RFC 9110 section 5.6.2
	classTarget             // may stand in a request-target: see below
	classHost               // may stand in a registered name or IPv4 address, RFC 3986 section 3.2.2, without "%"
	classHex                // HEXDIG of either case
)

var class = func() (t [256]uint8) {
	set := func(bit uint8, s string) {
		for i := 0; i < len(s); i++ {
			t[s[i]] |= bit
		}
	}
	for c := range t {
		c := byte(c)
		if syntax.Token[c] {
			t[c] |= classToken
		}
		if syntax.IsAlnum(c) {
			t[c] |= classHost
		}
	}
	set(classHost, "-._~!$&'()*+,;=")
	set(classHex, "0123456789abcdefABCDEF")
	// RFC 3986 allows less in a target than people send: raw UTF-8 in a path and "|" in a query come from curl and from
	// browsers, and change nothing about where the target ends. What could change it, or hide a part of it from the
	// next reader of the line, is refused: blanks, control bytes and the fragment's "#".
	for c := 0x21; c < 0x100; c++ {
		if c != 0x7f && c != '#' {
			t[c] |= classTarget
		}
	}
	return t
}()

// lower maps the ASCII capitals to small letters and leaves every other byte as it is.
var lower = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
		if 'A' <= i && i <= 'Z' {
			t[i] += 'a' - 'A'
		}
	}
	return t
}()

// skip returns the offset of the first byte of b at or after i that is not of the class, or len(b).
func skip(b []byte, i int, bit uint8) int {
	for i < len(b) && class[b[i]]&bit != 0 {
		i++
	}
	return i
}

// skipText returns the offset of the first byte of b at or after i that may not stand in a field value (RFC 9110
// section 5.5: a control byte other than HTAB), or len(b). It looks at eight bytes at a time, because values are most
// of a request.
func skipText(b []byte, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for i+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[i:])
		del := x ^ ones*0x7f
		hit := ((x-ones*0x20) & ^x | (del-ones) & ^del) & highs // bytes < 0x20, bytes == 0x7f; the lowest bit set is exact
		if hit == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(hit) / 8
		if b[i] != '\t' {
			return i
		}
		i++
	}
	for i < len(b) && (b[i] >= 0x20 && b[i] != 0x7f || b[i] == '\t') {
		i++
	}
	return i
}

// equalFold compares without regard to the case of ASCII letters; want is in small letters.
func equalFold(b []byte, want string) bool {
	if len(b) != len(want) {
		return false
	}
	for i := range len(want) {
		if lower[b[i]] != want[i] {
			return false
		}
	}
	return true
}

// sameName compares two field names without regard to the case of ASCII letters.
func sameName(b []byte, name string) bool {
	if len(b) != len(name) {
		return false
	}
	for i := range len(name) {
		if b[i] != name[i] && lower[b[i]] != lower[name[i]] {
			return false
		}
	}
	return true
}

func isToken(s string) bool { return syntax.IsToken(s) }

func isText(s string) bool { return syntax.IsText(s) }

// trim cuts optional white space (RFC 9110 section 5.6.3) off both ends of b[off:end] and returns the new bounds.
func trim(b []byte, off, end int) (int, int) {
	for off < end && (b[off] == ' ' || b[off] == '\t') {
		off++
	}
	for end > off && (b[end-1] == ' ' || b[end-1] == '\t') {
		end--
	}
	return off, end
}

// nextElement cuts the first element off a comma-separated list (RFC 9110 section 5.6.1), without the white space around it.
func nextElement(list []byte) (element, rest []byte) {
	end := len(list)
	rest = nil
	for i, c := range list {
		if c == ',' {
			end, rest = i, list[i+1:]
			break
		}
	}
	off, end := trim(list, 0, end)
	return list[off:end], rest
}
