package middleware_test

import (
	"fmt"
	nethttp "net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
)

func TestSecureHeaders(t *testing.T) {
	for _, tc := range []struct {
		name string
		opts middleware.SecureHeadersOptions
		path string
		want map[string]string // "" wants no such line
	}{
		{"defaults", middleware.SecureHeadersOptions{}, "/", map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "SAMEORIGIN", "Referrer-Policy": "strict-origin-when-cross-origin",
			"Permissions-Policy": "", "Content-Security-Policy": "", "Strict-Transport-Security": "", "Cross-Origin-Opener-Policy": "", "Cross-Origin-Resource-Policy": "",
		}},
		{"all", middleware.SecureHeadersOptions{
			ContentTypeOptions: "nosniff", FrameOptions: "DENY", ReferrerPolicy: "no-referrer", PermissionsPolicy: "camera=()",
			ContentSecurityPolicy: "default-src 'self'", OpenerPolicy: "same-origin", ResourcePolicy: "same-site",
		}, "/inline", map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Permissions-Policy": "camera=()",
			"Content-Security-Policy": "default-src 'self'", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-site",
		}},
		{"none", middleware.SecureHeadersOptions{ContentTypeOptions: "-", FrameOptions: "-", ReferrerPolicy: "-", ContentSecurityPolicy: "-", FrameAncestors: "-"}, "/", map[string]string{
			"X-Content-Type-Options": "", "X-Frame-Options": "", "Referrer-Policy": "", "Content-Security-Policy": "",
		}},
		{"frame-ancestors alone", middleware.SecureHeadersOptions{FrameAncestors: "'none'"}, "/", map[string]string{
			"X-Frame-Options": "", "Content-Security-Policy": "frame-ancestors 'none'",
		}},
		{"frame-ancestors behind a policy, and the older line asked for", middleware.SecureHeadersOptions{ContentSecurityPolicy: "default-src 'self'", FrameAncestors: "'self'", FrameOptions: "SAMEORIGIN"}, "/", map[string]string{
			"X-Frame-Options": "SAMEORIGIN", "Content-Security-Policy": "default-src 'self'; frame-ancestors 'self'",
		}},
		{"404", middleware.SecureHeadersOptions{}, "/nowhere", map[string]string{"X-Content-Type-Options": "nosniff"}},
		{"panic", middleware.SecureHeadersOptions{}, "/panic", map[string]string{"X-Content-Type-Options": "nosniff"}},
		{"the handler's own wins", middleware.SecureHeadersOptions{ContentSecurityPolicy: "default-src 'self'"}, "/own", map[string]string{
			"X-Frame-Options": "DENY", "Content-Security-Policy": "", "X-Content-Type-Options": "nosniff",
		}},
		{"that of net/http as well", middleware.SecureHeadersOptions{}, "/wrapped", map[string]string{"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff"}},
		{"HSTS is not sent in the clear, RFC 6797 section 7.2", middleware.SecureHeadersOptions{HSTS: time.Hour}, "/", map[string]string{"Strict-Transport-Security": ""}},
		{"HSTS always", middleware.SecureHeadersOptions{HSTS: 365 * 24 * time.Hour, HSTSSubdomains: true, HSTSPreload: true, HSTSAlways: true}, "/", map[string]string{
			"Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
		}},
		{"HSTS forgotten", middleware.SecureHeadersOptions{HSTS: -1, HSTSAlways: true}, "/", map[string]string{"Strict-Transport-Security": "max-age=0"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onBoth(t, func() *http.App {
				app := http.New()
				app.Use(middleware.SecureHeaders(tc.opts))
				app.Get("/{$}", saying("hello"))
				app.Get("/inline", saying("hello"), http.Inline)
				app.Get("/panic", func(*http.Ctx) error { panic("on purpose") })
				app.Get("/own", func(c *http.Ctx) error {
					c.DelHeader("Content-Security-Policy")
					return c.SetHeader("x-frame-options", "DENY")
				})
				app.Handle("/wrapped", nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
					w.Header().Set("X-Frame-Options", "DENY")
				}))
				return app
			}, func(t *testing.T, url string) {
				ask := askAt(t, url)
				res, _ := ask(t, "GET "+tc.path)
				for name, want := range tc.want {
					if got := strings.Join(res.Header.Values(name), ", "); got != want {
						t.Errorf("%s: %q, want %q", name, got, want)
					}
				}
			})
		})
	}
}

func TestSecureHeadersBehindTLS(t *testing.T) {
	app := http.New()
	app.Use(
		middleware.RealIPWith(middleware.RealIPOptions{Trusted: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Proto: true}),
		middleware.SecureHeaders(middleware.SecureHeadersOptions{HSTS: time.Hour}),
	)
	for line, want := range map[string]string{"X-Forwarded-Proto: https": "max-age=3600", "X-Forwarded-Proto: http": ""} {
		if got := inProcess(app, "GET /", line).Header.Get("Strict-Transport-Security"); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func TestSecureHeadersOptionsThatCannotBe(t *testing.T) {
	with := func(o middleware.SecureHeadersOptions) func() { return func() { middleware.SecureHeaders(o) } }
	mustPanic(t, map[string]func(){
		"line end":           with(middleware.SecureHeadersOptions{ContentSecurityPolicy: "default-src 'self';\nimg-src *"}),
		"always nothing":     with(middleware.SecureHeadersOptions{HSTSAlways: true}),
		"subdomains of none": with(middleware.SecureHeadersOptions{HSTSSubdomains: true}),
	})
}

func ExampleSecureHeaders() {
	app := http.New()
	app.Use(middleware.SecureHeaders(middleware.SecureHeadersOptions{
		ContentSecurityPolicy: "default-src 'self'",
		FrameAncestors:        "'none'",
	}))
	app.Get("/{$}", func(c *http.Ctx) error { return c.Text(200, "hello") })

	res := inProcess(app, "GET /")
	for _, name := range []string{"X-Content-Type-Options", "Referrer-Policy", "Content-Security-Policy"} {
		fmt.Printf("%s: %s\n", name, res.Header.Get(name))
	}
	// Output:
	// X-Content-Type-Options: nosniff
	// Referrer-Policy: strict-origin-when-cross-origin
	// Content-Security-Policy: default-src 'self'; frame-ancestors 'none'
}
