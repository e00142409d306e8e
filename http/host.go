package http

import (
	"bytes"
	"net/netip"
)

// checkHost applies RFC 9112 section 3.2: exactly one Host in HTTP/1.1, never two, always a valid one. The authority of an
// absolute target takes its place, but must name the same server: a cache or a rule ahead of us may have looked at either.
func (h *head) checkHost(raw []byte) error {
	switch {
	case h.known[knownHost] > 1:
		return errManyHosts
	case h.known[knownHost] == 0:
		if h.minor > 0 {
			return errNoHost
		}
		return nil
	}
	host := h.fields[h.knownAt[knownHost]].value
	if b := host.of(raw); len(b) == 0 || !bytes.Equal(b, h.goodHost) {
		if !validHost(b) {
			return errBadHost
		}
		h.goodHost = append(h.goodHost[:0], b...)
	}
	if h.form != absoluteForm {
		h.host = host
		return nil
	}
	port := "80"
	if lower[raw[h.target.off+4]] == 's' { // https
		port = "443"
	}
	if !sameHost(h.host.of(raw), host.of(raw), port) {
		return errHostMismatch
	}
	return nil
}

// validHost accepts uri-host [ ":" port ] of RFC 9110 section 7.2, not empty, without percent-encoding (no host name that
// resolves has any) and without an IPv6 zone (it means something on the client's machine only). The port is at most 65535.
func validHost(b []byte) bool {
	name, port, hasPort := splitPort(b)
	if hasPort && !validPort(port) || len(name) == 0 {
		return false
	}
	if name[0] != '[' {
		return skip(name, 0, classHost) == len(name)
	}
	if name[len(name)-1] != ']' || bytes.IndexByte(name, '%') >= 0 {
		return false
	}
	ip, err := netip.ParseAddr(string(name[1 : len(name)-1]))
	return err == nil && ip.Is6()
}

// validPort accepts a number of up to five digits, not above 65535. RFC 3986 section 3.2.3 allows an empty port.
func validPort(b []byte) bool {
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
		n = n*10 + int(c-'0')
	}
	return len(b) <= 5 && n <= 65535
}

// splitPort cuts at the first colon that follows the host; a second one ends up in the port and is refused there.
func splitPort(b []byte) (name, port []byte, hasPort bool) {
	from := 0
	if len(b) > 0 && b[0] == '[' {
		if from = bytes.IndexByte(b, ']'); from < 0 {
			return b, nil, false
		}
	}
	i := bytes.IndexByte(b[from:], ':')
	if i < 0 {
		return b, nil, false
	}
	return b[:from+i], b[from+i+1:], true
}

// sameHost compares two valid hosts, without regard to case and to whether the scheme's default port is written out.
func sameHost(a, b []byte, defaultPort string) bool {
	an, ap, _ := splitPort(a)
	bn, bp, _ := splitPort(b)
	if len(ap) == 0 {
		ap = []byte(defaultPort)
	}
	if len(bp) == 0 {
		bp = []byte(defaultPort)
	}
	return bytes.EqualFold(an, bn) && bytes.Equal(ap, bp)
}
