package middleware_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
)

func TestRateLimit(t *testing.T) {
	onBoth(t, func() *http.App {
		app := http.New()
		app.Use(
			middleware.RealIP(netip.MustParsePrefix("127.0.0.0/8")),
			middleware.RateLimit(middleware.RateLimitOptions{Rate: rate.Every(time.Hour), Burst: 2}),
		)
		app.Get("/{$}", saying("hello"))
		app.Get("/inline", saying("hello"), http.Inline)
		tenant := app.Group("/tenant", middleware.RateLimit(middleware.RateLimitOptions{
			Rate: rate.Every(time.Hour), Burst: 1, Key: func(c *http.Ctx) string { return c.Header("X-Tenant") },
		}))
		tenant.Get("/{$}", saying("hello"))
		return app
	}, func(t *testing.T, url string) {
		ask := askAt(t, url)
		for i, tc := range []struct {
			request string
			lines   []string
			code    int
		}{
			{"GET /", []string{"X-Forwarded-For: 192.0.2.1"}, 200},
			{"GET /inline", []string{"X-Forwarded-For: 192.0.2.1"}, 200},
			{"GET /", []string{"X-Forwarded-For: 192.0.2.1"}, 429},
			{"GET /nowhere", []string{"X-Forwarded-For: 192.0.2.1"}, 429}, // what the App answers counts as well
			{"GET /", []string{"X-Forwarded-For: 192.0.2.2"}, 200},
			{"GET /", []string{"X-Forwarded-For: 2001:db8::1"}, 200},
			{"GET /", []string{"X-Forwarded-For: 2001:db8::2"}, 200},
			{"GET /", []string{"X-Forwarded-For: 2001:db8::3"}, 429},
			{"GET /", []string{"X-Forwarded-For: 2001:db8:0:1::1"}, 200},
			{"GET /tenant/", []string{"X-Forwarded-For: 192.0.2.10", "X-Tenant: a"}, 200},
			{"GET /tenant/", []string{"X-Forwarded-For: 192.0.2.11", "X-Tenant: a"}, 429},
			{"GET /tenant/", []string{"X-Forwarded-For: 192.0.2.12", "X-Tenant: b"}, 200},
			{"GET /tenant/", []string{"X-Forwarded-For: 192.0.2.13"}, 200},
			{"GET /tenant/", []string{"X-Forwarded-For: 192.0.2.14"}, 429},
		} {
			res, body := ask(t, tc.request, tc.lines...)
			if res.StatusCode != tc.code {
				t.Errorf("%d: %s %v: %d, want %d", i, tc.request, tc.lines, res.StatusCode, tc.code)
			}
			if tc.code != 429 {
				continue
			}
			const problem = `{"detail":"too many requests: slow down","status":429,"title":"Too Many Requests"}`
			var seconds int
			if _, err := fmt.Sscan(res.Header.Get("Retry-After"), &seconds); err != nil || seconds < 3500 || seconds > 3600 ||
				res.Header.Get("Content-Type") != "application/problem+json" || body != problem {
				t.Errorf("%d: %v %q", i, res.Header, body)
			}
		}
	})
}

func ExampleRateLimit() {
	app := http.New()
	// Thirty a minute for each client, ten of them at once.
	app.Use(middleware.RateLimit(middleware.RateLimitOptions{Rate: rate.Every(time.Minute / 30), Burst: 10}))
	app.Get("/{$}", func(c *http.Ctx) error { return c.Text(200, "hello") })

	for range 10 {
		inProcess(app, "GET /")
	}
	res := inProcess(app, "GET /")
	fmt.Println(res.StatusCode, res.Header.Get("Retry-After"))
	// Output: 429 2
}
