package middleware_test

import (
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
)

// helloTag is the tag of "hello": it must be the same in every process and in every version.
const helloTag = `"LPJNul-wow4m6Dsqxbning"`

func tagged() *http.App {
	app := http.New()
	app.Use(middleware.ETag(middleware.ETagOptions{MaxSize: 5}))
	hello := func(c *http.Ctx) error { return c.Text(200, "hello") }
	app.Get("/{$}", hello)
	app.Get("/inline", hello, http.Inline)
	app.Post("/{$}", hello)
	app.Get("/empty", func(c *http.Ctx) error { return c.Text(200, "") })
	app.Get("/large", func(c *http.Ctx) error { return c.Text(200, "hello!") })
	app.Get("/created", func(c *http.Ctx) error { return c.Text(201, "hello") })
	app.Get("/own", func(c *http.Ctx) error { return errors.Join(c.SetHeader("ETag", `"own"`), hello(c)) })
	app.Get("/secret", func(c *http.Ctx) error {
		return errors.Join(c.SetHeader("Cache-Control", "private, no-store"), hello(c))
	})
	app.Get("/kept", func(c *http.Ctx) error {
		return errors.Join(c.SetHeader("Cache-Control", "max-age=60"), c.SetHeader("Vary", "Origin"), hello(c))
	})
	app.Get("/stream", func(c *http.Ctx) error {
		return c.Stream(200, "text/plain", func(s *http.Stream) error { _, err := s.WriteString("hello"); return err })
	})
	return app
}

func TestETag(t *testing.T) {
	onBoth(t, tagged, func(t *testing.T, url string) {
		for _, tc := range []struct {
			name, method, path, match string
			code                      int
			tag                       string
		}{
			{"tag", "GET", "/", "", 200, helloTag},
			{"on a loop", "GET", "/inline", "", 200, helloTag},
			{"HEAD", "HEAD", "/", "", 200, helloTag},
			{"another method", "POST", "/", "", 200, ""},
			{"too large", "GET", "/large", "", 200, ""},
			{"another status", "GET", "/created", "", 201, ""},
			{"404", "GET", "/nowhere", "", 404, ""},
			{"of the handler", "GET", "/own", "", 200, `"own"`},
			{"no-store", "GET", "/secret", "", 200, ""},
			{"stream", "GET", "/stream", "", 200, ""},
			{"match", "GET", "/", helloTag, 304, helloTag},
			{"match, on a loop", "GET", "/inline", helloTag, 304, helloTag},
			{"match, HEAD", "HEAD", "/", helloTag, 304, helloTag},
			{"match, weak comparison", "GET", "/", "W/" + helloTag, 304, helloTag},
			{"match, list", "GET", "/", `"a", W/"b,c" ,` + helloTag, 304, helloTag},
			{"match, any", "GET", "/", "*", 304, helloTag},
			{"match, another method", "POST", "/", "*", 200, ""},
			{"no match", "GET", "/", `"a", "b"`, 200, helloTag},
			{"a tag within a tag", "GET", "/", `"a,` + strings.Trim(helloTag, `"`) + `"`, 200, helloTag},
			{"no quotes", "GET", "/", strings.Trim(helloTag, `"`), 200, helloTag},
			{"quote without end", "GET", "/", `"`, 200, helloTag},
			{"too large to match", "GET", "/large", "*", 200, ""},
			{"what a cache needs", "GET", "/kept", helloTag, 304, helloTag},
		} {
			req := request(t, tc.method, url+tc.path, "")
			if tc.match != "" {
				req.Header.Set("If-None-Match", tc.match)
			}
			res, body := do(t, req)
			if res.StatusCode != tc.code || res.Header.Get("ETag") != tc.tag {
				t.Errorf("%s: %d %v", tc.name, res.StatusCode, res.Header)
			}
			if tc.code != 304 {
				continue
			}
			if body != "" || res.Header.Get("Content-Type") != "" || res.Header.Get("Content-Length") != "" {
				t.Errorf("%s: %q %v", tc.name, body, res.Header)
			}
			if tc.path == "/kept" && (res.Header.Get("Cache-Control") != "max-age=60" || res.Header.Get("Vary") != "Origin") {
				t.Errorf("%s: %v", tc.name, res.Header)
			}
		}
		req := request(t, "GET", url, "", `If-None-Match: "a"`, "If-None-Match: "+helloTag)
		if res, _ := do(t, req); res.StatusCode != 304 {
			t.Errorf("two lines: %d", res.StatusCode)
		}
		empty, _ := do(t, request(t, "GET", url+"/empty", ""))
		if tag := empty.Header.Get("ETag"); tag == "" || tag == helloTag {
			t.Errorf("empty body: %q", tag)
		}
	})
}

// Inside of Compress a tag is that of the plain body, and weak; around it each coding has a strong one of its own.
func TestETagAndCompress(t *testing.T) {
	for _, tc := range []struct {
		name   string
		around []http.Middleware
		weak   bool
	}{
		{"Compress, ETag", []http.Middleware{middleware.Compress(), middleware.ETag()}, true},
		{"ETag, Compress", []http.Middleware{middleware.ETag(), middleware.Compress()}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onBoth(t, func() *http.App {
				app := http.New()
				app.Use(tc.around...)
				ringing(app)
				return app
			}, func(t *testing.T, url string) {
				plain, _ := do(t, request(t, "GET", url+"/text", ""))
				packed, _ := do(t, request(t, "GET", url+"/text", "", "Accept-Encoding: br"))
				plainTag, tag := plain.Header.Get("ETag"), packed.Header.Get("ETag")
				if tc.weak && tag != "W/"+plainTag || !tc.weak && (tag == plainTag || !strings.HasPrefix(tag, `"`)) {
					t.Errorf("plain %q, compressed %q", plainTag, tag)
				}
				res, body := do(t, request(t, "GET", url+"/text", "", "Accept-Encoding: br", "If-None-Match: "+tag))
				if res.StatusCode != 304 || body != "" || res.Header.Get("Vary") != "Accept-Encoding" || res.Header.Get("Content-Encoding") != "" {
					t.Errorf("%d %q %v", res.StatusCode, body, res.Header)
				}
			})
		})
	}
}

func ExampleETag() {
	app := http.New()
	app.Use(middleware.ETag())
	app.Get("/", func(c *http.Ctx) error { return c.Text(200, "hello") })

	req := httptest.NewRequest("GET", "/", nil)
	for range 2 {
		res, err := app.Test(req)
		if err != nil {
			panic(err)
		}
		body, _ := io.ReadAll(res.Body)
		fmt.Printf("%d %s\n", res.StatusCode, body)
		req.Header.Set("If-None-Match", res.Header.Get("ETag"))
	}
	// Output:
	// 200 hello
	// 304
}
