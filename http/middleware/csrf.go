package middleware

import (
	"fmt"
	nethttp "net/http"
	"net/url"

	"github.com/carillon-go/carillon/http"
)

// CSRFOptions say which requests of foreign pages are let through all the same.
type CSRFOptions struct {
	// TrustedOrigins are origins, "https://pay.example.com", whose pages may do what the site's own may. Default none.
	TrustedOrigins []string
	// InsecureBypass are patterns of net/http's ServeMux for what foreign pages may call, as a login service does by POST:
	// "POST /login/callback". Such handlers must protect themselves. They are matched against the path as the App's routes
	// are: decoded, and only when it needs no cleaning. Default none.
	InsecureBypass []string
}

// CSRF refuses by 403 what a foreign page makes a browser do: cross-site request forgery. It decides as
// net/http.CrossOriginProtection does, and by it: GET, HEAD and OPTIONS are let through, and so must not change anything;
// other methods are when Sec-Fetch-Site says same-origin or none. Where that is missing, Origin must name the host of the
// request. A request with neither does not come from a browser, or from one of before 2020, and is let through.
//
// Handlers need no tokens in their forms. A WebSocket begins with GET, and so needs its own look at Origin; package ws has
// one.
//
// It belongs inside [CORS], whose AllowOrigins it does not know, and inside Log. It panics on origins and patterns that are
// malformed.
func CSRF(opts CSRFOptions) http.Middleware {
	protection := nethttp.NewCrossOriginProtection()
	for _, origin := range opts.TrustedOrigins {
		if err := protection.AddTrustedOrigin(origin); err != nil {
			panic(fmt.Sprintf("middleware: CSRF: %v", err))
		}
	}
	for _, pattern := range opts.InsecureBypass {
		protection.AddInsecureBypassPattern(pattern)
	}
	return func(next http.Handler) http.Handler {
		return func(c *http.Ctx) error {
			if !isForged(protection, c) {
				return next(c)
			}
			return http.NewError(403, "cross-origin request refused")
		}
	}
}

// isForged asks protection. What most requests are is let through at once, without making a request of net/http of it.
func isForged(protection *nethttp.CrossOriginProtection, c *http.Ctx) bool {
	switch c.Method() {
	case "GET", "HEAD", "OPTIONS":
		return false
	}
	site, origin := c.Header("Sec-Fetch-Site"), c.Header("Origin")
	if site == "same-origin" || site == "none" || site == "" && origin == "" {
		return false
	}
	r := &nethttp.Request{
		Method: c.Method(), Host: c.Host(), URL: &url.URL{Path: wholePath(c)},
		Header: nethttp.Header{"Sec-Fetch-Site": {site}, "Origin": {origin}},
	}
	return protection.Check(r) != nil
}
