package http

import (
	nethttp "net/http"
	"strings"
	"testing"
)

// A body that is too large was answered 500 behind a middleware of net/http, which did not know why the route was refused.
func TestBodyTooBigBehindMiddleware(t *testing.T) {
	same := WrapMiddleware(func(next nethttp.Handler) nethttp.Handler { return next })
	onBoth(t, func() *App {
		app := New()
		app.Use(same, same)
		app.Post("/", echo, MaxBody(4))
		return app
	}, func(t *testing.T, url string) {
		for body, code := range map[string]int{"four": 200, "fifth": 413, strings.Repeat("x", 1<<10): 413} {
			if res, text := fetch(t, client(t), "POST", url+"/", body); res.StatusCode != code {
				t.Errorf("%d bytes: %d %q, want %d", len(body), res.StatusCode, text, code)
			}
		}
	})
}
