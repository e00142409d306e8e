package ws

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// target is what a URL of a WebSocket names (RFC 6455 section 3).
type target struct {
	url  *url.URL // with the scheme http, or https for TLS
	host string   // a name, or an address without brackets
	port uint16
	tls  *tls.Config // nil: none
}

func parseTarget(raw string) (target, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return target{}, fmt.Errorf("%w: %w", ErrBadURL, err)
	}
	bad := func(why string) (target, error) {
		return target{}, fmt.Errorf("%w %q: %s", ErrBadURL, u.Redacted(), why)
	}
	switch u.Scheme {
	case "ws", "http":
		u.Scheme = "http"
	case "wss", "https":
		u.Scheme = "https"
	default:
		return bad("want ws://HOST[:PORT]/PATH, or wss:")
	}
	if u.Fragment != "" || strings.Contains(raw, "#") {
		return bad("a fragment has no meaning here")
	}
	if u.Hostname() == "" {
		return bad("no host")
	}
	t := target{url: u, host: u.Hostname()}
	if t.port, err = portOf(u); err != nil {
		return bad("bad port")
	}
	u.Host = strings.TrimSuffix(u.Host, ":")
	return t, nil
}

// secure completes config, which may be nil, for a target of wss:.
func (t *target) secure(config *tls.Config) {
	if t.url.Scheme != "https" {
		return
	}
	if config == nil {
		config = new(tls.Config)
	}
	t.tls = config.Clone()
	if t.tls.ServerName == "" {
		t.tls.ServerName = t.host
	}
	// A server that chose HTTP/2 could not be asked for a WebSocket in this way.
	t.tls.NextProtos = slices.DeleteFunc(slices.Clone(config.NextProtos), func(p string) bool { return p == "h2" })
	if len(t.tls.NextProtos) == 0 {
		t.tls.NextProtos = []string{"http/1.1"}
	}
}

// portOf is the port of an http or https URL.
func portOf(u *url.URL) (uint16, error) {
	switch {
	case u.Port() != "":
	case u.Scheme == "https":
		return 443, nil
	default:
		return 80, nil
	}
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("ws: bad port %q", u.Port())
	}
	return uint16(n), nil
}

// address is host and port as a proxy wants them.
func (t target) address() string {
	return net.JoinHostPort(t.host, strconv.Itoa(int(t.port)))
}

// escapeQuery escapes what may not stand in a request line as it is.
func escapeQuery(q string) string {
	var b strings.Builder
	for i := range len(q) {
		if c := q[i]; c <= ' ' || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
