package http

import "math"

// check judges a head whose lines are all sound: whether we know the method, where the request ends, whom it is for.
// What two readers of the same bytes could understand differently is refused, for that is how requests are smuggled.
func (h *head) check(raw []byte) error {
	if h.method == "" { // not known from its first bytes
		h.method = methodOf(h.verb.of(raw))
	}
	if h.method == "" {
		return errMethod
	}
	if err := h.checkTarget(raw); err != nil {
		return err
	}
	if err := h.checkHost(raw); err != nil {
		return err
	}
	if err := h.checkBody(raw); err != nil {
		return err
	}
	h.readConnection(raw)
	return h.readExpect(raw)
}

// checkBody finds the length of the body, RFC 9112 section 6.3.
func (h *head) checkBody(raw []byte) error {
	coded, sized := h.known[knownCoding], h.known[knownLength]
	switch {
	case coded == 0 && sized == 0:
		return nil
	case coded > 0 && sized > 0:
		return errLengthCoding
	case coded > 1:
		return errCodingTwice
	case sized > 1: // even of one value: RFC 9110 section 8.6 leaves the choice, and a sound client never asks for it
		return errLengthTwice
	case sized == 1:
		n, ok := parseLength(h.last(raw, knownLength))
		if !ok {
			return errLength
		}
		h.length = n
		return nil
	case h.minor == 0:
		return errCoding10
	}
	h.chunked = true
	return checkCoding(h.last(raw, knownCoding))
}

// parseLength reads 1*DIGIT, RFC 9110 section 8.6, that fits an int64.
func parseLength(b []byte) (int64, bool) {
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' || n > (math.MaxInt64-int64(c-'0'))/10 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(b) > 0
}

// checkCoding wants "chunked" and nothing else, RFC 9112 section 6.1. A list of other codings that is well formed is 501,
// as that section asks; chunked twice, or not last, is malformed.
func checkCoding(b []byte) error {
	if equalFold(b, "chunked") {
		return nil
	}
	unknown := false
	for rest := b; rest != nil; {
		var name []byte
		name, rest = nextElement(rest)
		end := skip(name, 0, classToken)
		if end == 0 || end < len(name) && name[end] != ';' && name[end] != ' ' && name[end] != '\t' {
			return errCoding
		}
		if equalFold(name[:end], "chunked") {
			if rest != nil || end < len(name) {
				return errCoding
			}
			continue
		}
		unknown = true
	}
	if !unknown {
		return errCoding
	}
	return errCodingName
}

// readConnection decides whether the connection stays, RFC 9112 section 9.3. Tokens that we do not know mean nothing to us.
func (h *head) readConnection(raw []byte) {
	h.close = h.minor == 0
	if h.known[knownConnection] == 0 {
		return
	}
	closes, keeps := false, false
	for i := range h.fields {
		if f := &h.fields[i]; equalFold(f.name.of(raw), "connection") {
			for rest := f.value.of(raw); rest != nil; {
				var token []byte
				token, rest = nextElement(rest)
				closes = closes || equalFold(token, "close")
				keeps = keeps || equalFold(token, "keep-alive")
			}
		}
	}
	h.close = closes || h.minor == 0 && !keeps
}

// readExpect accepts the one expectation there is, RFC 9110 section 10.1.1; HTTP/1.0 has none, and ignores the field.
func (h *head) readExpect(raw []byte) error {
	if h.known[knownExpect] == 0 || h.minor == 0 {
		return nil
	}
	if h.known[knownExpect] > 1 || !equalFold(h.last(raw, knownExpect), "100-continue") {
		return errExpect
	}
	h.expect = true
	return nil
}
