package middleware_test

import (
	"errors"
	nethttp "net/http"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
)

// In net/http a handler finds in its Header what the middleware around it has set, and Add adds to that. So it must here,
// or a handler that varies by something takes Origin out of Vary, and a cache hands one origin's answer to another.
func TestHandlersOfNetHTTPAddToWhatMiddlewareHasSet(t *testing.T) {
	onBoth(t, func() *http.App {
		app := http.New()
		app.Use(
			middleware.CORS(middleware.CORSOptions{AllowOrigins: []string{"https://app.example"}}),
			func(next http.Handler) http.Handler {
				return func(c *http.Ctx) error {
					return errors.Join(c.AddHeader("Set-Cookie", "outer=1"), c.SetHeader("x-gone", "1"), next(c))
				}
			},
		)
		handler := nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.Header().Add("Vary", "Accept-Encoding")
			w.Header().Del("X-Gone")
			nethttp.SetCookie(w, &nethttp.Cookie{Name: "inner", Value: "1"})
		})
		app.Handle("/handler", handler)
		app.Get("/behind", func(c *http.Ctx) error { return c.Text(200, "x") }, http.With(http.WrapMiddleware(
			func(next nethttp.Handler) nethttp.Handler {
				return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
					handler(w, r)
					next.ServeHTTP(w, r)
				})
			})))
		return app
	}, func(t *testing.T, url string) {
		ask := askAt(t, url)
		for _, path := range []string{"/handler", "/behind"} {
			res, _ := ask(t, "GET "+path, "Origin: https://app.example")
			for name, want := range map[string]string{
				"Vary": "Origin, Accept-Encoding", "Set-Cookie": "outer=1, inner=1", "X-Gone": "", allowOrigin: "https://app.example",
			} {
				if got := strings.Join(res.Header.Values(name), ", "); got != want {
					t.Errorf("%s: %s: %q, want %q", path, name, got, want)
				}
			}
		}
	})
}
