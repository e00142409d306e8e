package http

import "bytes"

// targetForm is one of the forms of RFC 9112 section 3.2. The authority-form belongs to CONNECT, which we do not speak.
type targetForm uint8

const (
	originForm   targetForm = iota // "/path?query"
	absoluteForm                   // "http://host/path?query"
	asteriskForm                   // "*", with OPTIONS only
)

// checkTarget splits the target and checks its percent-encoding. Nothing is decoded or cleaned here: one decoding, by
// decodePath, is all that a path ever sees.
func (h *head) checkTarget(raw []byte) error {
	off, end := int(h.target.off), int(h.target.end)
	switch {
	case raw[off] == '/':
		h.form = originForm
	case end-off == 1 && raw[off] == '*':
		if h.method != "OPTIONS" {
			return errTarget
		}
		h.form, h.path = asteriskForm, h.target
		return nil
	default:
		h.form = absoluteForm
		rest, ok := h.splitAuthority(raw, off, end)
		if !ok {
			return errTarget
		}
		off = rest
	}
	h.path = span{uint32(off), uint32(end)}
	if q := bytes.IndexByte(raw[off:end], '?'); q >= 0 {
		h.path.end = uint32(off + q)
		h.query, h.hasQuery = span{uint32(off + q + 1), uint32(end)}, true
		if _, ok := checkEscapes(h.query.of(raw)); !ok {
			return errTarget
		}
	}
	var ok bool
	if h.escaped, ok = checkEscapes(h.path.of(raw)); !ok {
		return errTarget
	}
	return nil
}

// splitAuthority reads "http://authority" or "https://authority" from raw[off:end] and returns where the path begins.
func (h *head) splitAuthority(raw []byte, off, end int) (int, bool) {
	target := raw[off:end]
	sep := bytes.Index(target, []byte("://"))
	if sep < 0 || !equalFold(target[:sep], "http") && !equalFold(target[:sep], "https") {
		return 0, false
	}
	off += sep + len("://")
	at := off
	for off < end && raw[off] != '/' && raw[off] != '?' {
		off++
	}
	h.host = span{uint32(at), uint32(off)}
	return off, validHost(h.host.of(raw))
}

// checkEscapes says whether b holds percent-encoding and whether all of it is well formed and free of NUL, which no path
// or file name can hold.
func checkEscapes(b []byte) (escaped, ok bool) {
	for {
		i := bytes.IndexByte(b, '%')
		if i < 0 {
			return escaped, true
		}
		if i+2 >= len(b) || class[b[i+1]]&class[b[i+2]]&classHex == 0 || b[i+1] == '0' && b[i+2] == '0' {
			return true, false
		}
		b, escaped = b[i+3:], true
	}
}

// decodePath appends the path to dst with its percent-encoding decoded once. Only for a path that checkEscapes accepted.
func decodePath(dst, path []byte) []byte {
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' {
			c = unhex(path[i+1])<<4 | unhex(path[i+2])
			i += 2
		}
		dst = append(dst, c)
	}
	return dst
}

// unhex returns the value of a HEXDIG.
func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return lower[c] - 'a' + 10
}
