package proxy

import (
	"strings"

	"github.com/carillon-go/carillon/http"
)

// optionSet are the names of fields that concern one connection: those of RFC 9110 section 7.6.1, and those that a
// Connection field names.
type optionSet struct{ listed []string }

// hopByHop always stay behind. Trailer is not among them: the trailers are passed on.
var hopByHop = [...]string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Transfer-Encoding", "Upgrade",
}

func (s *optionSet) add(value string) {
	for option := range strings.SplitSeq(value, ",") {
		if option = strings.Trim(option, " \t"); option != "" {
			s.listed = append(s.listed, option)
		}
	}
}

// named says whether Connection names it.
func (s *optionSet) named(name string) bool { return containsFold(s.listed, name) }

// has says whether a field stays behind.
func (s *optionSet) has(name string) bool {
	for _, h := range hopByHop {
		if strings.EqualFold(h, name) {
			return true
		}
	}
	return s.named(name)
}

func hasToken(value, token string) bool {
	for e := range strings.SplitSeq(value, ",") {
		if strings.EqualFold(strings.Trim(e, " \t"), token) {
			return true
		}
	}
	return false
}

// forwarded is what proxies in front, which are trusted, have said of the client.
type forwarded struct{ via, proto, host, standard string }

// isForwarded knows the fields that only proxies may set, also in the spelling that servers of the CGI kind take for the same.
func isForwarded(name string) bool {
	switch strings.ToLower(strings.ReplaceAll(name, "_", "-")) {
	case "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-forwarded-prefix", "x-forwarded-server",
		"x-forwarded-scheme", "x-forwarded-ssl", "x-real-ip", "forwarded":
		return true
	}
	return false
}

func (f *forwarded) add(name, value string) {
	join := func(to *string) {
		if *to != "" {
			*to += ", "
		}
		*to += value
	}
	switch strings.ToLower(name) {
	case "x-forwarded-for":
		join(&f.via)
	case "forwarded":
		join(&f.standard)
	case "x-forwarded-proto":
		f.proto = value
	case "x-forwarded-host":
		f.host = value
	}
}

// write adds what this proxy knows: the peer, the scheme and the host.
func (f *forwarded) write(c *http.Ctx, add func(name, value string)) {
	peer := c.RemoteAddr().AddrPort().Addr().Unmap().WithZone("")
	if f.proto == "" {
		f.proto = scheme(c)
	}
	if f.host == "" {
		f.host = c.Host()
	}
	who := "unknown" // RFC 7239 section 6.2: the peer of a Unix socket has no address
	if peer.IsValid() {
		who = peer.String()
		if f.via != "" {
			f.via += ", "
		}
		f.via += who
		if peer.Is6() {
			who = `"[` + who + `]"`
		}
	}
	if f.via != "" {
		add("X-Forwarded-For", f.via)
	}
	add("X-Forwarded-Proto", f.proto)
	element := "for=" + who
	if f.host != "" {
		add("X-Forwarded-Host", f.host)
		element += `;host="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(f.host) + `"`
	}
	element += ";proto=" + scheme(c)
	if f.standard != "" {
		element = f.standard + ", " + element
	}
	add("Forwarded", element)
}
