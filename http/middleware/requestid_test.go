package middleware_test

import (
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
)

func TestRequestID(t *testing.T) {
	made := regexp.MustCompile(`^[a-z2-7]{26}$`)
	onBoth(t, func() *http.App {
		app := http.New()
		app.Use(middleware.RequestID())
		app.Get("/", func(c *http.Ctx) error {
			ctx, cancel := context.WithCancel(c)
			defer cancel()
			return c.Text(200, middleware.RequestIDOf(ctx))
		})
		app.Get("/error", func(c *http.Ctx) error { return http.NewError(400, middleware.RequestIDOf(c)) })
		app.Get("/async", func(c *http.Ctx) error {
			a, err := c.Async()
			if err != nil {
				return err
			}
			go func() {
				if err := a.Answer(func(c *http.Ctx) error { return c.Text(200, middleware.RequestIDOf(c)) }); err != nil {
					t.Error(err)
				}
			}()
			return nil
		})
		return app
	}, func(t *testing.T, url string) {
		for _, tc := range []struct {
			name, id string
			taken    bool
		}{
			{"none", "", false},
			{"sane", "Abc-1.2_3", true},
			{"longest", strings.Repeat("x", 128), true},
			{"too long", strings.Repeat("x", 129), false},
			{"blank", "a b", false},
			{"quote", `a"b`, false},
			{"percent", "a%0ab", false},
			{"not ASCII", "é", false},
		} {
			for _, path := range []string{"/", "/error", "/async"} {
				var lines []string
				if tc.id != "" {
					lines = append(lines, "X-Request-Id: "+tc.id)
				}
				res, body := do(t, request(t, "GET", url+path, "", lines...))
				got := res.Header.Get("X-Request-Id")
				if tc.taken && got != tc.id || !tc.taken && !made.MatchString(got) || !strings.Contains(body, got) {
					t.Errorf("%s %s: %q, body %q", tc.name, path, got, body)
				}
			}
		}
	})
}

func TestRequestIDOptions(t *testing.T) {
	app := http.New()
	n := 0
	app.Use(middleware.RequestID(middleware.RequestIDOptions{Header: "Trace", Ignore: true, New: func() string {
		n++
		return fmt.Sprint("mine-", n)
	}}))
	for _, want := range []string{"mine-1", "mine-2"} {
		req := httptest.NewRequest("GET", "/", nil)
		req.Header.Set("Trace", "theirs")
		if res, err := app.Test(req); err != nil || res.Header.Get("Trace") != want {
			t.Errorf("%v %v", res, err)
		}
	}
	if id := middleware.RequestIDOf(t.Context()); id != "" {
		t.Errorf("an id from nowhere: %q", id)
	}
}

// Options that make no sense are found when the middleware is made, not by a request.
func TestOptionsThatMakeNoSense(t *testing.T) {
	for name, make := range map[string]func(){
		"RequestID, header":   func() { middleware.RequestID(middleware.RequestIDOptions{Header: "a b"}) },
		"two options":         func() { middleware.Recover(middleware.RecoverOptions{}, middleware.RecoverOptions{}) },
		"Compress, coding":    func() { middleware.Compress(middleware.CompressOptions{Codings: []string{"deflate"}}) },
		"Compress, identity":  func() { middleware.Compress(middleware.CompressOptions{Codings: []string{"identity"}}) },
		"Compress, level":     func() { middleware.Compress(middleware.CompressOptions{Level: 4}) },
		"Compress, size":      func() { middleware.Compress(middleware.CompressOptions{MinSize: -1}) },
		"Compress, type":      func() { middleware.Compress(middleware.CompressOptions{Types: []string{"json"}}) },
		"Compress, wildcard":  func() { middleware.Compress(middleware.CompressOptions{Types: []string{"*/json"}}) },
		"Compress, parameter": func() { middleware.Compress(middleware.CompressOptions{Types: []string{"text/css; charset=utf-8"}}) },
		"Decompress":          func() { middleware.Decompress(0) },
		"ETag":                func() { middleware.ETag(middleware.ETagOptions{MaxSize: -1}) },
		"Timeout":             func() { middleware.Timeout(0) },
		"BodyLimit":           func() { middleware.BodyLimit(-1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			make()
		}()
	}
}

func ExampleRequestID() {
	app := http.New()
	app.Use(middleware.RequestID())
	app.Get("/", func(c *http.Ctx) error { return c.Text(200, "request "+middleware.RequestIDOf(c)) })

	req := httptest.NewRequest("GET", "/", nil)
	req.Header.Set("X-Request-Id", "4711")
	res, err := app.Test(req)
	if err != nil {
		panic(err)
	}
	body, _ := io.ReadAll(res.Body)
	fmt.Printf("%s, %s\n", body, res.Header.Get("X-Request-Id"))
	// Output: request 4711, 4711
}
