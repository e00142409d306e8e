package proxy

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
)

// requestHead is what is sent to an upstream in front of the body.
type requestHead struct {
	method, path, query string // path and query as they are sent, without the upstream's base
	host                string // the client's
	lines               []byte // header lines but Host
	hasQuery            bool
	chunked             bool
	upgrade             string
	repeatable          bool // sending it twice does what sending it once does
	drop                optionSet
}

// newTransfer takes all that it needs from the request, in its handler: below a mount the path is another one afterwards.
func (p *proxy) newTransfer(c *http.Ctx) (*transfer, error) {
	t := &transfer{p: p, method: c.Method(), whole: true}
	h := &t.head
	h.method, h.host = c.Method(), c.Host()
	var err error
	if h.path, err = outgoingPath(c.Path(), c.RawPath()); err != nil {
		return nil, err
	}
	_, h.query, h.hasQuery = strings.Cut(c.Target(), "?")
	h.query = asciiOnly(h.query)
	switch h.method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE": // RFC 9110 section 9.2.2
		h.repeatable = true
	}
	for name, value := range c.Headers() {
		if strings.EqualFold(name, "Connection") {
			h.drop.add(value)
		}
	}
	h.readUpgrade(c)
	p.writeLines(c, h)
	return t, nil
}

// outgoingPath is path as the client has spelled it: raw is the whole path of the request, of which path may be the end. A path
// with dot segments would leave the upstream's base, or get around a rule in front of it.
func outgoingPath(path, raw string) (string, error) {
	if hasDots(path) {
		return "", http.NewError(400, "dot segments in the path")
	}
	whole, err := url.PathUnescape(raw)
	if err != nil || !strings.HasSuffix(whole, path) {
		return (&url.URL{Path: path}).EscapedPath(), nil
	}
	at := 0
	for range len(whole) - len(path) {
		if raw[at] == '%' {
			at += 2
		}
		at++
	}
	if raw = raw[at:]; !strings.HasPrefix(raw, "/") { // the slash itself was encoded
		return (&url.URL{Path: path}).EscapedPath(), nil
	}
	return asciiOnly(raw), nil
}

// hasDots looks for dot segments, also for what only some upstreams take for one: behind a backslash, and with a parameter ("..;x").
func hasDots(path string) bool {
	for segment := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' || r == '\\' }) {
		if segment, _, _ = strings.Cut(segment, ";"); segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// asciiOnly percent-encodes what a URI cannot hold and clients send all the same.
func asciiOnly(s string) string {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			b := []byte(s[:i])
			for ; i < len(s); i++ {
				if c := s[i]; c <= ' ' || c >= 0x7f {
					b = append(b, '%', hex[c>>4], hex[c&15])
				} else {
					b = append(b, c)
				}
			}
			return string(b)
		}
	}
	return s
}

// readUpgrade finds out whether the client wants another protocol, for which a request without a body is needed. One that carries
// requests itself (h2c, another HTTP, TLS) is not asked for: what came behind it would meet none of the rules in front of the proxy.
func (h *requestHead) readUpgrade(c *http.Ctx) {
	for wanted := range strings.SplitSeq(c.Header("Upgrade"), ",") {
		name, _, _ := strings.Cut(strings.Trim(wanted, " \t"), "/")
		switch strings.ToLower(name) {
		case "h2c", "h2", "http", "tls":
			return
		}
	}
	if c.Proto() == "HTTP/1.1" && h.drop.named("upgrade") && c.ContentLength() == 0 && h.method == "GET" {
		h.upgrade = c.Header("Upgrade")
	}
}

// writeLines makes the header lines.
func (p *proxy) writeLines(c *http.Ctx, h *requestHead) {
	add := func(name, value string) {
		h.lines = append(append(append(append(h.lines, name...), ": "...), value...), "\r\n"...)
	}
	trusted := p.trusts(c.RemoteAddr().AddrPort().Addr())
	var before forwarded
	expects, trailers := false, false
	for name, value := range c.Headers() {
		switch {
		case strings.EqualFold(name, "Host"), strings.EqualFold(name, "Content-Length"):
		case strings.EqualFold(name, "Expect"):
			expects = true
		case strings.EqualFold(name, "TE"):
			trailers = trailers || hasToken(value, "trailers")
		case isForwarded(name):
			if trusted {
				before.add(name, value)
			}
		case h.drop.has(name):
		default:
			add(name, value)
		}
	}
	switch n := c.ContentLength(); {
	case n > 0, n == 0 && c.PeekHeader("Content-Length") != nil:
		add("Content-Length", strconv.FormatInt(n, 10))
	case n < 0:
		h.chunked = true
		add("Transfer-Encoding", "chunked")
	case h.method == "POST" || h.method == "PUT" || h.method == "PATCH": // RFC 9110 section 8.6
		add("Content-Length", "0")
	}
	if expects && c.ContentLength() != 0 {
		add("Expect", "100-continue")
	}
	before.write(c, add)
	switch {
	case h.upgrade != "":
		add("Connection", "Upgrade")
		add("Upgrade", h.upgrade)
	case trailers: // what is passed on to the client's side is its own to read
		add("Connection", "TE")
		add("TE", "trailers")
	}
}

// bytes is the head for an upstream.
func (h *requestHead) bytes(p *proxy, u *upstream) []byte {
	host := h.host
	if p.replaceHost {
		if host = p.host; host == "" {
			host = u.host
		}
	} else if host == "" { // of HTTP/1.0
		host = u.host
	}
	b := make([]byte, 0, len(h.lines)+len(h.path)+len(h.query)+len(u.base)+len(host)+64)
	b = append(append(b, h.method...), ' ')
	b = append(append(b, u.base...), h.path...)
	if h.hasQuery {
		b = append(append(b, '?'), h.query...)
	}
	b = append(append(append(b, " HTTP/1.1\r\nHost: "...), host...), "\r\n"...)
	return append(append(b, h.lines...), "\r\n"...)
}

// dropped says whether a trailer line stays behind.
func (h *requestHead) dropped(name string) bool { return h.drop.has(name) || isForwarded(name) }

func (p *proxy) trusts(peer netip.Addr) bool {
	for _, n := range p.trusted {
		if n.Contains(peer.Unmap()) {
			return true
		}
	}
	return false
}

// scheme is how the client has come.
func scheme(c *http.Ctx) string {
	if middleware.IsHTTPS(c) {
		return "https"
	}
	return "http"
}
