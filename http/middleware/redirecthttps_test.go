package middleware_test

import (
	"crypto/tls"
	nethttp "net/http"
	"net/netip"
	"testing"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
)

// secureApp says by which way requests came.
func secureApp(m ...http.Middleware) *http.App {
	app := http.New()
	app.Use(m...)
	app.Any("/{rest...}", func(c *http.Ctx) error { return c.Text(200, "here") })
	return app
}

func TestRedirectHTTPS(t *testing.T) {
	trust := middleware.RealIPWith(middleware.RealIPOptions{Trusted: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Proto: true})
	app := secureApp(trust, middleware.RedirectHTTPS(443))
	odd := secureApp(middleware.RedirectHTTPS(8443))
	for name, tc := range map[string]struct {
		app      *http.App
		method   string
		url      string
		over     *tls.ConnectionState
		proto    string
		code     int
		location string
	}{
		"plain":                  {app, "GET", "http://example.com/a%2Fb?c=d&e", nil, "", 308, "https://example.com/a%2Fb?c=d&e"},
		"a port":                 {app, "GET", "http://example.com:8080/", nil, "", 308, "https://example.com/"},
		"a method with a body":   {app, "POST", "http://example.com/form", nil, "", 308, "https://example.com/form"},
		"IPv6":                   {odd, "GET", "http://[2001:db8::1]:80/x", nil, "", 308, "https://[2001:db8::1]:8443/x"},
		"IPv6 without a port":    {odd, "GET", "http://[2001:db8::1]/x", nil, "", 308, "https://[2001:db8::1]:8443/x"},
		"two slashes":            {app, "GET", "http://example.com//evil.example/", nil, "", 308, "https://example.com//evil.example/"},
		"TLS":                    {app, "GET", "http://example.com/", &tls.ConnectionState{}, "", 200, ""},
		"a proxy that tells TLS": {app, "GET", "http://example.com/", nil, "https", 200, ""},
		"a proxy that tells plain HTTP, and speaks TLS itself": {app, "GET", "http://example.com/", &tls.ConnectionState{}, "http", 308, "https://example.com/"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := nethttp.NewRequest(tc.method, tc.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.TLS, r.RemoteAddr = tc.over, "192.0.2.1:1234"
			if tc.proto != "" {
				r.Header.Set("X-Forwarded-Proto", tc.proto)
			}
			res, err := tc.app.Test(r)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != tc.code || res.Header.Get("Location") != tc.location {
				t.Errorf("%d %q; want %d %q", res.StatusCode, res.Header.Get("Location"), tc.code, tc.location)
			}
		})
	}
}

// TestSecureHeadersOverTLS: HSTS is sent where the connection is over TLS, without a proxy that says so.
func TestSecureHeadersOverTLS(t *testing.T) {
	app := secureApp(middleware.SecureHeaders(middleware.SecureHeadersOptions{HSTS: -1}))
	for want, over := range map[string]*tls.ConnectionState{"": nil, "max-age=0": {}} {
		r, err := nethttp.NewRequest("GET", "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.TLS = over
		res, err := app.Test(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := res.Header.Get("Strict-Transport-Security"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
