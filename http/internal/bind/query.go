package bind

import (
	"net/url"
	"strconv"
	"strings"
)

// QueryLimits bounds what Query takes. The zero value is the default.
type QueryLimits struct {
	MaxPairs int // name=value pairs; 0 means 1,000
}

const defaultPairs = 1000

// Query reads application/x-www-form-urlencoded text, a query without its "?" or a form's body, and returns its names
// and values decoded: "+" is a blank, %XX a byte. A pair without "=" has an empty value; empty pairs, as in "a=1&&b=2",
// are skipped. What url.ParseQuery refuses is refused, so ";" too, and so are pairs past the limit, before anything is
// kept of them.
//
// An error is an *Error without Field that says at which byte, from 0, the text is wrong; no values come with it. The
// strings of a []byte are copies; those of a string may share its memory.
func Query[S string | []byte](raw S, limits QueryLimits) (url.Values, error) {
	text := string(raw)
	most := limits.MaxPairs
	if most <= 0 {
		most = defaultPairs
	}
	room := min(strings.Count(text, "&")+1, most)
	values := make(url.Values, min(room, 32))
	backing := make([]string, 0, room) // of the lists with one value, which most are
	for at := 0; at < len(text); {
		p, err := nextPair(text, at)
		if err != nil {
			return nil, err
		}
		at = p.end + 1
		if p.empty() {
			continue
		}
		if most--; most < 0 {
			return nil, &Error{Reason: "has more than " + strconv.Itoa(room) + " names and values"}
		}
		name, value := decoded(text[p.start:p.equals], p.nameEncoded), ""
		if p.equals < p.end {
			value = decoded(text[p.equals+1:p.end], p.valueEncoded)
		}
		if list := values[name]; list != nil {
			values[name] = append(list, value)
			continue
		}
		backing = append(backing, value)
		n := len(backing)
		values[name] = backing[n-1 : n : n]
	}
	return values, nil
}

// First finds the first pair with the given name in raw and returns its value decoded, as Query would, without reading
// what comes behind it. It allocates nothing but the value, and that neither when raw is a string and the value has
// nothing to decode. ok is false when there is no such pair.
//
// What is wrong ahead of the pair or in it is an error, the same as Query's; it is the caller who limits how long raw is.
func First[S string | []byte](raw S, name string) (value string, ok bool, err error) {
	for at := 0; at < len(raw); {
		p, perr := nextPair(raw, at)
		if perr != nil {
			return "", false, perr
		}
		at = p.end + 1
		if p.empty() || !equalDecoded(raw[p.start:p.equals], name) {
			continue
		}
		if p.equals == p.end {
			return "", true, nil
		}
		return decoded(raw[p.equals+1:p.end], p.valueEncoded), true, nil
	}
	return "", false, nil
}

// pair is where one name=value lies in a raw query.
type pair struct {
	start, equals, end        int // equals is end in a pair without "="
	nameEncoded, valueEncoded bool
}

func (p pair) empty() bool { return p.start == p.end }

// nextPair reads the pair that begins at start, up to "&" or the end, and checks its escapes.
func nextPair[S string | []byte](raw S, start int) (pair, *Error) {
	p := pair{start: start, equals: -1}
	encoded := false
	i := start
	for ; i < len(raw) && raw[i] != '&'; i++ {
		switch raw[i] {
		case '=':
			if p.equals < 0 {
				p.equals, p.nameEncoded, encoded = i, encoded, false
			}
		case '+':
			encoded = true
		case '%':
			if i+2 >= len(raw) || unhex(raw[i+1]) < 0 || unhex(raw[i+2]) < 0 {
				return p, &Error{Reason: "bad percent-encoding at byte " + strconv.Itoa(i)}
			}
			encoded = true
			i += 2
		case ';':
			return p, &Error{Reason: "';' at byte " + strconv.Itoa(i) + " separates nothing: write it as %3B"}
		}
	}
	p.end, p.valueEncoded = i, encoded
	if p.equals < 0 {
		p.equals, p.nameEncoded = i, encoded
	}
	return p, nil
}

// decoded returns raw, whose escapes are checked, as it reads decoded.
func decoded[S string | []byte](raw S, encoded bool) string {
	if !encoded {
		return string(raw)
	}
	var s strings.Builder
	s.Grow(len(raw))
	for i := 0; i < len(raw); {
		c, width := decodeByte(raw, i)
		s.WriteByte(c)
		i += width
	}
	return s.String()
}

// equalDecoded says whether raw, whose escapes are checked, reads as s when it is decoded.
func equalDecoded[S string | []byte](raw S, s string) bool {
	if len(raw) < len(s) {
		return false
	}
	i := 0
	for j := range len(s) {
		if i >= len(raw) {
			return false
		}
		c, width := decodeByte(raw, i)
		if c != s[j] {
			return false
		}
		i += width
	}
	return i == len(raw)
}

// decodeByte returns the byte that raw has at i, and how many bytes of raw it is written with.
func decodeByte[S string | []byte](raw S, i int) (c byte, width int) {
	switch raw[i] {
	case '+':
		return ' ', 1
	case '%':
		return byte(unhex(raw[i+1])<<4 | unhex(raw[i+2])), 3
	}
	return raw[i], 1
}

// unhex returns the value of a HEXDIG, -1 for any other byte.
func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
