package middleware

import (
	"net"
	"strconv"

	"github.com/carillon-go/carillon/http"
)

// RedirectHTTPS redirects requests that did not come by TLS, as [IsHTTPS] knows it, to the same host, path and query by HTTPS
// at this port, by 308, which keeps method and body. It is for an App that listens for both, and around any handler for a
// server that only redirects. A request without a host, of HTTP/1.0, is refused by 400.
//
// The host is what the client sent, so an App that is to redirect to its own names only has routes for these, or checks.
//
// It belongs inside [RealIP] where that tells it of TLS, and outside of [SecureHeaders]. It panics on a port that is none.
func RedirectHTTPS(port int) http.Middleware {
	if port < 1 || port > 65535 {
		panic("middleware: RedirectHTTPS: port " + strconv.Itoa(port))
	}
	suffix := ""
	if port != 443 {
		suffix = ":" + strconv.Itoa(port)
	}
	return func(next http.Handler) http.Handler {
		return func(c *http.Ctx) error {
			if IsHTTPS(c) {
				return next(c)
			}
			host := c.Host()
			if host == "" {
				return http.NewError(400, "HTTPS is needed, and the request has no Host")
			}
			return c.Redirect(308, "https://"+withoutPort(host)+suffix+pathAndQuery(c))
		}
	}
}

// withoutPort cuts the port off a valid host, and leaves the brackets of an IPv6 address.
func withoutPort(host string) string {
	name, _, err := net.SplitHostPort(host)
	switch {
	case err != nil:
		return host
	case host[0] == '[':
		return "[" + name + "]"
	}
	return name
}

// pathAndQuery are as the client sent them.
func pathAndQuery(c *http.Ctx) string {
	path := c.RawPath()
	if query := c.RawQuery(); query != "" {
		path += "?" + query
	}
	return path
}
