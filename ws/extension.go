package ws

import "strings"

// extension is one element of Sec-WebSocket-Extensions (RFC 6455 section 9.1):
// in a request an offer, in a response what the server accepted.
type extension struct {
	name   string
	params []extensionParam
}

// extensionParam is a parameter of an extension. A quoted value is given
// without its quotes and backslashes.
type extensionParam struct {
	name     string
	value    string
	hasValue bool // false for a bare name, whose value is ""
}

// parseExtensions reads the values of all Sec-WebSocket-Extensions lines of a
// message, which together are one list (RFC 6455 section 11.3.2):
//
//	extension-list  = 1#extension
//	extension       = token *( ";" extension-param )
//	extension-param = token [ "=" (token | quoted-string) ]
//
// The list rule lets elements be empty, and blanks stand between tokens. A
// quoted value has to be a token once its quotes are gone. ok is false when a
// line breaks the grammar: no part of the list is to be believed then.
func parseExtensions(lines []string) (list []extension, ok bool) {
	for _, line := range lines {
		s := fieldScanner{rest: line}
		for {
			s.blanks()
			switch {
			case s.rest == "":
			case s.take(','):
				continue
			default:
				ext, ok := s.extension()
				if !ok {
					return nil, false
				}
				list = append(list, ext)
				if s.take(',') {
					continue
				}
			}
			break
		}
		if s.rest != "" {
			return nil, false
		}
	}
	return list, true
}

// fieldScanner reads a field value from its front.
type fieldScanner struct{ rest string }

func (s *fieldScanner) blanks() { s.rest = strings.TrimLeft(s.rest, " \t") }

// take takes c, and the blanks behind it, if it comes next.
func (s *fieldScanner) take(c byte) bool {
	if s.rest == "" || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	s.blanks()
	return true
}

// token takes a token and the blanks behind it; "" says that none comes next.
func (s *fieldScanner) token() string {
	n := 0
	for n < len(s.rest) && isTokenChar(s.rest[n]) {
		n++
	}
	token := s.rest[:n]
	s.rest = s.rest[n:]
	s.blanks()
	return token
}

// extension takes an extension with its parameters.
func (s *fieldScanner) extension() (ext extension, ok bool) {
	if ext.name = s.token(); ext.name == "" {
		return ext, false
	}
	for s.take(';') {
		p := extensionParam{name: s.token()}
		if p.name == "" {
			return ext, false
		}
		if s.take('=') {
			p.hasValue = true
			if p.value = s.value(); p.value == "" {
				return ext, false
			}
		}
		ext.params = append(ext.params, p)
	}
	return ext, true
}

// value takes a token, bare or in quotes; "" says that none comes next.
func (s *fieldScanner) value() string {
	if s.rest == "" || s.rest[0] != '"' {
		return s.token()
	}
	var b strings.Builder
	for i := 1; i < len(s.rest); i++ {
		c := s.rest[i]
		if c == '"' {
			s.rest = s.rest[i+1:]
			s.blanks()
			return b.String()
		}
		if c == '\\' {
			if i++; i == len(s.rest) {
				break
			}
			c = s.rest[i]
		}
		if !isTokenChar(c) {
			break
		}
		b.WriteByte(c)
	}
	return ""
}

// isTokenChar reports whether a token may contain c (RFC 9110 section 5.6.2).
func isTokenChar(c byte) bool {
	return c > ' ' && c < 0x7f && strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) < 0
}
