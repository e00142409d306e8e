package middleware

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/internal/syntax"
)

// RealIPOptions say which proxies are believed, and what.
type RealIPOptions struct {
	// Trusted are the networks of the proxies. Whoever can connect from there can say who he is, so name no network that has
	// clients in it.
	Trusted []netip.Prefix
	// Unix trusts whoever connects by a Unix socket.
	Unix bool
	// Forwarded reads Forwarded (RFC 7239) instead of X-Forwarded-For. Only one of the two is ever read: a proxy that sets one
	// passes the other through as the client has sent it.
	Forwarded bool
	// Proto believes a trusted proxy also about how the client came, which [IsHTTPS] then tells: X-Forwarded-Proto, when it
	// has one value, or the proto that Forwarded has for the client. The proxy must set it for every request; one that
	// passes it through lets clients choose.
	Proto bool
}

// RealIP sets Ctx.ClientIP to the address that proxies in trusted networks tell by X-Forwarded-For. It is [RealIPWith] with
// these networks alone.
//
//	app.Use(middleware.RealIP(netip.MustParsePrefix("10.0.0.0/8")))
func RealIP(trusted ...netip.Prefix) http.Middleware {
	return RealIPWith(RealIPOptions{Trusted: trusted})
}

// RealIPWith sets Ctx.ClientIP to the address that trusted proxies tell. Each proxy adds, at the right, the address that it
// was called from; what stands left of that came with the request and may be made up. So the entries are read from right to
// left, those of several lines as if they were one, as long as each was written by a proxy that is trusted: the first address
// that is not is the client. An entry that is no address, or unknown or obfuscated, ends the reading as well; the client is
// then the proxy that wrote it, and the leftmost one when all are trusted. A peer that is not trusted is the client itself,
// whatever it sends. Addresses of IPv4 in IPv6 count as those of IPv4.
//
// It belongs outside of all that asks for the client: [Log] (which still shows the peer), [RateLimit]. It panics when it is
// to trust nobody, and on a prefix that is not valid.
func RealIPWith(opts RealIPOptions) http.Middleware {
	r := newRealIP(opts)
	return func(next http.Handler) http.Handler {
		return func(c *http.Ctx) error {
			r.find(c)
			return next(c)
		}
	}
}

type httpsKey struct{}

// IsHTTPS says whether the client came by TLS: by what a proxy has told that [RealIPWith] was told to believe about it, else
// by the connection.
func IsHTTPS(c *http.Ctx) bool {
	if https, told := http.Get[bool](c, httpsKey{}); told {
		return https
	}
	return c.Secure()
}

type realIP struct {
	RealIPOptions
	name string // of the header line
	cut  func(line string) (rest, last string, more bool)
	read func(element string) hop
}

// hop is what one entry says. An addr that is not valid is none.
type hop struct {
	addr  netip.Addr
	proto string
}

func newRealIP(opts RealIPOptions) *realIP {
	if len(opts.Trusted) == 0 && !opts.Unix {
		panic("middleware: RealIP trusts nobody: name the networks of the proxies")
	}
	r := &realIP{RealIPOptions: opts, name: "X-Forwarded-For", cut: cutLastElement, read: readXForwardedFor}
	r.Trusted = nil
	for _, p := range opts.Trusted {
		if !p.IsValid() {
			panic(fmt.Sprintf("middleware: RealIP: the prefix %v is not valid", p))
		}
		if p.Addr().Is4In6() {
			if p.Bits() < 96 {
				panic(fmt.Sprintf("middleware: RealIP: the prefix %v is neither of IPv4 nor of IPv6", p))
			}
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		r.Trusted = append(r.Trusted, p)
	}
	if opts.Forwarded {
		r.name, r.cut, r.read = "Forwarded", cutLastForwarded, readForwarded
	}
	return r
}

func (r *realIP) trusts(ip netip.Addr) bool {
	for _, p := range r.Trusted {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

func (r *realIP) find(c *http.Ctx) {
	peer := c.RemoteAddr()
	if peer.IsUnix() && !r.Unix || !peer.IsUnix() && !r.trusts(peer.AddrPort().Addr().Unmap().WithZone("")) {
		return
	}
	var client hop
	if c.PeekHeader(r.name) != nil {
		client = r.client(slices.Collect(c.HeaderLines(r.name)))
	}
	if client.addr.IsValid() {
		c.SetClientIP(client.addr)
	}
	if r.Proto {
		proto := client.proto
		if !r.Forwarded {
			proto = onlyValue(slices.Collect(c.HeaderLines("X-Forwarded-Proto")))
		}
		if proto != "" {
			c.Set(httpsKey{}, strings.EqualFold(proto, "https"))
		}
	}
}

func onlyValue(lines []string) string {
	if len(lines) != 1 {
		return ""
	}
	return strings.TrimSpace(lines[0])
}

// client reads lines that a trusted peer has sent. The hop has no addr when they tell none.
func (r *realIP) client(lines []string) (client hop) {
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, more := lines[i], true; more; {
			var element string
			rest, element, more = r.cut(rest)
			h := r.read(element)
			if !h.addr.IsValid() {
				return client
			}
			client = h
			if !r.trusts(h.addr) {
				return client
			}
		}
	}
	return client
}

// cutLastElement cuts the last element off a list without quotes.
func cutLastElement(line string) (rest, last string, more bool) {
	i := strings.LastIndexByte(line, ',')
	if i < 0 {
		return "", syntax.TrimOWS(line), false
	}
	return line[:i], syntax.TrimOWS(line[i+1:]), true
}

func readXForwardedFor(element string) hop { return hop{addr: parseNode(element)} }

// parseNode reads an address, with or without a port: "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]",
// "[2001:db8::1]:80". What is none is not valid, nor is one with a zone, which means something on the proxy only.
func parseNode(s string) netip.Addr {
	host := s
	var port string
	switch {
	case strings.HasPrefix(s, "["):
		end := strings.IndexByte(s, ']')
		if end < 0 || strings.IndexByte(s[:end], ':') < 0 {
			return netip.Addr{}
		}
		host, port = s[1:end], s[end+1:]
	case strings.Count(s, ":") == 1:
		i := strings.IndexByte(s, ':')
		host, port = s[:i], s[i:]
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Zone() != "" || port != "" && !isNodePort(port) {
		return netip.Addr{}
	}
	return ip.Unmap()
}

// isNodePort accepts ":" and a port, which may be obfuscated: RFC 7239 section 6.
func isNodePort(s string) bool {
	s = strings.TrimPrefix(strings.TrimPrefix(s, ":"), "_")
	return s != "" && nameBytes.HasAll(s)
}
