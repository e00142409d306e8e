package ws

import (
	"fmt"
	"net/url"
	"strings"
)

// originPattern is one entry of WithOrigins.
type originPattern struct {
	any    bool   // "*"
	scheme string // lower case
	host   string // lower case, with the port unless it is the scheme's; after "*." when wild
	wild   bool   // any subdomain of host, not host itself
}

// parseOriginPattern reads "*", "https://app.example", "https://*.app.example"
// or either with a port.
func parseOriginPattern(s string) (originPattern, error) {
	if s == "*" {
		return originPattern{any: true}, nil
	}
	wildless := strings.Replace(s, "://*.", "://", 1)
	scheme, host, ok := parseOrigin(wildless)
	if !ok || strings.Contains(host, "*") {
		return originPattern{}, fmt.Errorf("ws: %q is no origin: want scheme://host, scheme://*.host or *", s)
	}
	return originPattern{scheme: scheme, host: host, wild: wildless != s}, nil
}

func (p originPattern) match(scheme, host string) bool {
	switch {
	case p.any:
		return true
	case p.scheme != scheme:
		return false
	case p.wild:
		return strings.HasSuffix(host, p.host) && strings.HasSuffix(strings.TrimSuffix(host, p.host), ".")
	default:
		return p.host == host
	}
}

// originAllowed judges a request's Origin (RFC 6454 section 7; RFC 6455 section
// 10.2). Without one the client is no browser and is let in. The origin that
// the page's own server has is always allowed: same host and port as the
// request's Host. The scheme of the request is not compared, since a proxy that
// ends TLS hides it.
func (hs *handshake) originAllowed(host string, allowed []originPattern) bool {
	if hs.origins == 0 {
		return true
	}
	if hs.origins > 1 {
		return false
	}
	// "null", of sandboxed pages and local files, has no host: only "*" admits it.
	scheme, from, ok := parseOrigin(hs.origin)
	for _, p := range allowed {
		if p.any || ok && p.match(scheme, from) {
			return true
		}
	}
	return ok && from == canonicalHost(scheme, host)
}

// parseOrigin splits a serialised origin into its scheme and its canonical host.
func parseOrigin(s string) (scheme, host string, ok bool) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Hostname() == "" || u.User != nil ||
		u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "", "", false
	}
	return u.Scheme, canonicalHost(u.Scheme, u.Host), true
}

// canonicalHost is host[:port] in lower case, without the scheme's own port.
func canonicalHost(scheme, host string) string {
	host = strings.ToLower(host)
	switch scheme {
	case "http", "ws":
		host = strings.TrimSuffix(host, ":80")
	case "https", "wss":
		host = strings.TrimSuffix(host, ":443")
	}
	return host
}
