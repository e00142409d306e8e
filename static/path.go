package static

import (
	"bytes"
	"strings"
)

// maxPath is the longest name looked up: PATH_MAX of Linux less the final NUL
// (path_resolution(7)). Longer ones cannot name a file.
const maxPath = 4095

// appendName turns the decoded path of a request into the name to look up
// beneath the root, appended to dst: "/a/b" becomes "a/b", "/" becomes "".
// folder tells that the path ended in a slash, which the name leaves out.
//
// ok is false for a path that can name nothing that is served: one that does
// not start with "/", with an empty segment ("//"), with a segment that
// starts with a dot (hidden names, and with them "." and ".."), with a NUL,
// or longer than the system takes. Nothing is decoded here: "%2e" that is
// left in the path is the three bytes of a name.
func appendName(dst, path []byte) (name []byte, folder, ok bool) {
	if len(path) == 0 || path[0] != '/' || len(path) > maxPath || bytes.IndexByte(path, 0) >= 0 {
		return dst, false, false
	}
	for rest := path[1:]; len(rest) > 0; {
		segment, tail, slash := bytes.Cut(rest, []byte{'/'})
		if len(segment) == 0 || hidden(segment) {
			return dst, false, false
		}
		rest, folder = tail, slash
	}
	end := len(path)
	if folder {
		end--
	}
	return append(dst, path[1:end]...), folder || len(path) == 1, true
}

// hidden reports whether one segment is a name that is never served or listed.
func hidden[T string | []byte](segment T) bool { return len(segment) > 0 && segment[0] == '.' }

// appendEscaped appends s with every byte percent-encoded that is neither an
// unreserved character (RFC 3986, 2.3) nor in keep. With nothing to keep, a path
// segment means the same bytes in any URL: no "?", "#", "%", ":" or byte that is
// not UTF-8 can be misread.
func appendEscaped(dst []byte, s, keep string) []byte {
	for i := range len(s) {
		if c := s[i]; unreserved(c) || strings.IndexByte(keep, c) >= 0 {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

const upperHex = "0123456789ABCDEF"

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}

// folderTarget is where a request for a folder without its final slash is
// sent: a relative reference (RFC 3986, 4.2) to the last segment as the
// client wrote it, so it stays right under any prefix that a router or a proxy
// took off, and on the same host. The leading "./" keeps a colon in the name
// from making it a scheme. Bytes that do not belong in a path are escaped, so
// a browser cannot take a backslash for a slash.
func folderTarget(rawPath, rawQuery string) string {
	last := rawPath[strings.LastIndexByte(rawPath, '/')+1:]
	dst := append(make([]byte, 0, len(last)+len(rawQuery)+16), "./"...)
	dst = appendEscaped(dst, last, "%!$&'()*+,;=:@")
	dst = append(dst, '/')
	if rawQuery != "" {
		dst = append(dst, '?')
		dst = appendEscaped(dst, rawQuery, "%!$&'()*+,;=:@/?")
	}
	return string(dst)
}
