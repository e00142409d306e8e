package mux

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/carillon-go/carillon/http/internal/syntax"
)

// A SyntaxError says why Parse refused a pattern.
type SyntaxError struct {
	Pattern string
	Offset  int    // of the first byte that is wrong, counted from 0
	Reason  string // what is wrong there and what would be right
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("mux: pattern %q, byte %d: %s", e.Pattern, e.Offset, e.Reason)
}

// Parse reads a pattern of the form
//
//	[METHOD ][HOST]/[PATH]
//
// PATH is a list of segments between slashes: text, a {name} for any one segment that is not empty, and as the last one
// {name...} for all that follows, {$} for the path's end after a slash, or nothing (a trailing slash), which matches all that
// follows as well. Names are Go identifiers, each used once. Text may be percent-encoded; text whose encoding is malformed
// stands for itself.
//
// Besides what ServeMux refuses, these are errors, because no request could match:
//   - a path with empty, "." or ".." segments, whatever the method, for Clean removes them from every path;
//   - %2F and %00 in a segment, for a path is decoded before it is cut at its slashes, and holds no NUL;
//   - a host with a port or with bytes that no host has, "*" among them;
//   - a common method in the place of the host ("GET/") or in small letters ("get /").
//
// The error is a *SyntaxError.
func Parse(s string) (Pattern, error) {
	p := Pattern{str: s}
	at, reason := p.parse(s)
	if reason != "" {
		return Pattern{}, &SyntaxError{s, at, reason}
	}
	return p, nil
}

// parse returns where it stopped and why, or no reason.
func (p *Pattern) parse(s string) (at int, reason string) {
	if s == "" {
		return 0, `the pattern is empty; "/" matches every path`
	}
	if end := strings.IndexAny(s, " \t"); end >= 0 {
		if at, reason = checkMethod(s[:end]); reason != "" {
			return at, reason
		}
		p.method = s[:end]
		at = end + 1
		for at < len(s) && (s[at] == ' ' || s[at] == '\t') {
			at++
		}
	}
	slash := strings.IndexByte(s[at:], '/')
	if slash < 0 {
		return at, noPath(s, at)
	}
	if slash > 0 {
		if off, reason := checkHost(s[at : at+slash]); reason != "" {
			return at + off, reason
		}
		p.host = strings.ToLower(s[at : at+slash])
	}
	p.path = s[at+slash:]
	return p.parsePath(at + slash)
}

// commonMethods are those that a pattern misspells or misplaces; others are allowed all the same.
var commonMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}

// checkMethod accepts a token of RFC 9110 section 5.6.2, and no method at all.
func checkMethod(m string) (at int, reason string) {
	if strings.Contains(m, "/") {
		return len(m), "a blank ends the method, but a path stands before this one; in a path write %20 for a blank"
	}
	for i := range len(m) {
		if !syntax.Token[m[i]] {
			return i, fmt.Sprintf("%q cannot stand in a method", m[i])
		}
	}
	if up := strings.ToUpper(m); up != m && slices.Contains(commonMethods, up) {
		return 0, fmt.Sprintf("methods are case-sensitive; write %s", up)
	}
	return 0, ""
}

// noPath is the reason for a pattern without any slash from at on.
func noPath(s string, at int) string {
	rest := s[at:]
	switch {
	case rest == "":
		return fmt.Sprintf(`a path must follow the method; write "%s /" for every path`, strings.TrimRight(s, " \t"))
	case at == 0 && slices.Contains(commonMethods, rest):
		return fmt.Sprintf(`a path must follow the method; write "%s /" for every path`, rest)
	}
	return fmt.Sprintf(`the path must begin with a slash; write "%s" for a path or "%s" for a host`, "/"+rest, rest+"/")
}

// maxHost is the length of the longest host that can match: a domain name has at most 253 characters (RFC 1035 section 2.3.4).
const maxHost = 255

// checkHost accepts a registered name or IPv4 address (RFC 3986 section 3.2.2) without "%" and "*", and an IPv6 address in
// brackets. They are compared letter by letter: "[0::1]" is another host than "[::1]".
func checkHost(h string) (at int, reason string) {
	if slices.Contains(commonMethods, h) {
		return len(h), fmt.Sprintf(`a blank must follow the method; write "%s /"`, h)
	}
	if len(h) > maxHost {
		return maxHost, fmt.Sprintf("the host is longer than %d bytes", maxHost)
	}
	if h[0] == '[' {
		return checkIPv6(h)
	}
	for i := range len(h) {
		c := h[i]
		switch {
		case syntax.IsAlnum(c) || strings.IndexByte("-._~!$&'()+,;=", c) >= 0:
			continue
		case c == '{':
			return i, "a host has no wildcards; if this is the path, begin it with a slash"
		case c == '*':
			return i, `a host has no wildcards; leave it out to match every host`
		case c == ':':
			return i, `a host is matched without scheme and port: write "example.com/", and an IPv6 address in brackets`
		case c >= 0x80:
			return i, `a host is ASCII; write its "xn--" form`
		}
		return i, fmt.Sprintf("%q cannot stand in a host", c)
	}
	return 0, ""
}

func checkIPv6(h string) (at int, reason string) {
	end := strings.IndexByte(h, ']')
	if end < 0 {
		return len(h), `the IPv6 address lacks its closing "]"`
	}
	if ip, err := netip.ParseAddr(h[1:end]); err != nil || !ip.Is6() || ip.Zone() != "" {
		return 1, "this is no IPv6 address; a host in brackets is one, without a zone"
	}
	if end+1 < len(h) {
		return end + 1, `a host is matched without its port; write "` + h[:end+1] + `/"`
	}
	return 0, ""
}

// parsePath cuts p.path, which begins at byte at of the pattern, into segments.
func (p *Pattern) parsePath(at int) (int, string) {
	rest := p.path
	for rest != "" {
		rest, at = rest[1:], at+1 // the slash
		if rest == "" {
			p.tail = tailRest
			return at, ""
		}
		text, more := rest, ""
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			text, more = rest[:i], rest[i:]
		}
		var off int
		var reason string
		if strings.IndexByte(text, '{') >= 0 {
			off, reason = p.addWildcard(text, more == "")
		} else {
			off, reason = p.addLiteral(text)
		}
		if reason != "" {
			return at + off, reason
		}
		rest, at = more, at+len(text)
	}
	return at, ""
}

func (p *Pattern) addLiteral(text string) (at int, reason string) {
	if decoded, err := url.PathUnescape(text); err == nil {
		text = decoded
	}
	switch {
	case text == "":
		return 0, "the path is cleaned before it is matched, so that it never has two slashes in a row; write one"
	case text == "." || text == "..":
		return 0, `the path is cleaned before it is matched, so that it never has "." or ".." segments; write it without`
	case strings.IndexByte(text, '/') >= 0:
		return 0, "the path is decoded before it is matched, so that %2F is a slash like any other; write /"
	case strings.IndexByte(text, 0) >= 0:
		return 0, "no path holds a NUL"
	}
	p.segs = append(p.segs, segment{text: text})
	return 0, ""
}

// addWildcard reads a segment that holds a brace.
func (p *Pattern) addWildcard(text string, last bool) (at int, reason string) {
	if i := strings.IndexByte(text, '{'); i > 0 {
		return i, fmt.Sprintf("a wildcard is a whole segment; write /%s or put a slash before it", text[i:])
	}
	inner, closed := strings.CutSuffix(text[1:], "}")
	switch i := strings.IndexByte(text, '}'); {
	case i < 0:
		return len(text), fmt.Sprintf("the wildcard lacks its closing brace; write %s}", text)
	case !closed || i != len(text)-1:
		return i + 1, fmt.Sprintf("a wildcard is a whole segment; write %s or put a slash after it", text[:i+1])
	}
	name, multi := strings.CutSuffix(inner, "...")
	switch {
	case inner == "$" && !last:
		return 0, "{$} is the path's end; nothing may follow it"
	case inner == "$":
		p.tail = tailSlash
		return 0, ""
	case name == "":
		return 1, "the wildcard has no name; write {name} or {name...}, and {$} for the path's end"
	case !isIdentifier(name):
		return 1, fmt.Sprintf("%q is no name for a wildcard: it must be a Go identifier, letters, digits and _ only", name)
	case multi && !last:
		return 0, fmt.Sprintf("%s takes the whole rest of the path; move it to the end, or write {%s}", text, name)
	case slices.Contains(p.names, name):
		return 1, fmt.Sprintf("the name %q is taken by an earlier wildcard; choose another", name)
	}
	p.names = append(p.names, name)
	if multi {
		p.tail = tailRest
	} else {
		p.segs = append(p.segs, segment{wild: true, text: name})
	}
	return 0, ""
}

func isIdentifier(s string) bool {
	for i, c := range s {
		if c != '_' && !unicode.IsLetter(c) && (i == 0 || !unicode.IsDigit(c)) {
			return false
		}
	}
	return s != ""
}
