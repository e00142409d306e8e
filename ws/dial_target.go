package ws

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// target is what a URL of a WebSocket names (RFC 6455 section 3).
type target struct {
	url  *url.URL // with the scheme http
	host string   // a name, or an address without brackets
	port uint16
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
		return target{}, fmt.Errorf("%w: %q", ErrTLS, u.Redacted())
	default:
		return bad("want ws://HOST[:PORT]/PATH")
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

// portOf is the port of an http URL.
func portOf(u *url.URL) (uint16, error) {
	if u.Port() == "" {
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
