package middleware

import (
	"strings"

	"github.com/carillon-go/carillon/http/internal/syntax"
)

// The Forwarded header line, RFC 7239: a list of elements, each "for=192.0.2.43;proto=https" with values that may be
// quoted-strings. It is read from the right, for only its right end was written by somebody who is trusted: a quote that a
// client has opened and not closed must not swallow what a proxy has added behind it.

// cutLastForwarded cuts the last element off line, at the last comma that is outside of quotes as seen from the right.
func cutLastForwarded(line string) (rest, last string, more bool) {
	quoted := false
	for i := len(line) - 1; i >= 0; i-- {
		switch {
		case line[i] == '"' && !isEscaped(line, i):
			quoted = !quoted
		case line[i] == ',' && !quoted:
			return line[:i], syntax.TrimOWS(line[i+1:]), true
		}
	}
	return "", syntax.TrimOWS(line), false
}

// isEscaped says whether an odd number of backslashes stands before s[i].
func isEscaped(s string, i int) bool {
	n := 0
	for i--; i >= 0 && s[i] == '\\'; i-- {
		n++
	}
	return n%2 == 1
}

// readForwarded reads one element: RFC 7239 section 4. One that is malformed, names a parameter twice, or has no address in
// for, is a hop without an addr.
func readForwarded(element string) hop {
	params := make(map[string]string, 4)
	for rest := element; rest != ""; {
		name, value, after, ok := cutForwardedPair(rest)
		if _, twice := params[name]; !ok || twice {
			return hop{}
		}
		if name != "" {
			params[name] = value
		}
		rest = after
	}
	// Unlike those of X-Forwarded-For, addresses of IPv6 have brackets here.
	node := params["for"]
	if strings.Count(node, ":") > 1 && node[0] != '[' {
		return hop{}
	}
	return hop{addr: parseNode(node), proto: params["proto"]}
}

// cutForwardedPair cuts "name=value" and the semicolon behind it off s; name, in small letters, is "" where nothing stands
// before the semicolon.
func cutForwardedPair(s string) (name, value, rest string, ok bool) {
	s = syntax.TrimOWS(s)
	if s == "" || s[0] == ';' {
		return "", "", strings.TrimPrefix(s, ";"), true
	}
	name, rest, ok = strings.Cut(s, "=")
	if !ok || !syntax.IsToken(name) {
		return "", "", "", false
	}
	if strings.HasPrefix(rest, `"`) {
		value, rest, ok = cutQuoted(rest)
	} else {
		end := strings.IndexByte(rest, ';')
		if end < 0 {
			end = len(rest)
		}
		value, rest = syntax.TrimOWS(rest[:end]), rest[end:]
		// "[" and ":" of an address belong in quotes, but proxies are seen that leave these out.
		ok = value != "" && strings.IndexFunc(value, func(r rune) bool {
			return r > '~' || !syntax.IsToken(string(r)) && !strings.ContainsRune("[]:", r)
		}) < 0
	}
	rest = strings.TrimLeft(rest, " \t")
	if !ok || rest != "" && rest[0] != ';' {
		return "", "", "", false
	}
	return strings.ToLower(name), value, strings.TrimPrefix(rest, ";"), true
}

// cutQuoted cuts a quoted-string off s, which begins with a quote: RFC 9110 section 5.6.4.
func cutQuoted(s string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}
