package middleware_test

import (
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
)

func TestBodyLimit(t *testing.T) {
	onBoth(t, func() *http.App {
		app := http.New()
		echo := func(c *http.Ctx) error {
			body, err := c.Body()
			if err != nil {
				return err
			}
			return c.Text(200, string(body))
		}
		g := app.Group("", middleware.BodyLimit(4))
		g.Post("/", echo)
		g.Post("/inline", echo, http.Inline)
		g.Post("/stream", func(c *http.Ctx) error {
			body, err := io.ReadAll(c.BodyReader())
			if err != nil {
				return err
			}
			return c.Text(200, string(body))
		}, http.StreamBody)
		g.Post("/unread", func(c *http.Ctx) error { return c.Text(200, "unread") }, http.StreamBody)
		app.Post("/none", echo, http.With(middleware.BodyLimit(0)))
		return app
	}, func(t *testing.T, url string) {
		for _, tc := range []struct {
			path, body string
			chunked    bool
			code       int
			want       string
		}{
			{"/", "1234", false, 200, "1234"},
			{"/", "12345", false, 413, ""},
			{"/", "1234", true, 200, "1234"},
			{"/", "12345", true, 413, ""},
			{"/inline", "12345", false, 413, ""},
			{"/inline", "1234", false, 200, "1234"},
			{"/stream", "1234", true, 200, "1234"},
			{"/stream", "12345", true, 413, ""},
			{"/stream", "12345", false, 413, ""},
			{"/unread", "12345", true, 200, "unread"}, // nobody has looked
			{"/unread", "12345", false, 413, ""},
			{"/none", "1", false, 413, ""},
			{"/none", "", false, 200, ""},
		} {
			req := request(t, "POST", url+tc.path, tc.body)
			if tc.chunked {
				req.ContentLength, req.Body = -1, io.NopCloser(strings.NewReader(tc.body))
			}
			res, body := do(t, req)
			if res.StatusCode != tc.code || tc.code == 200 && body != tc.want {
				t.Errorf("%+v: %d %q", tc, res.StatusCode, body)
			}
		}
	})
}

func ExampleBodyLimit() {
	app := http.New()
	app.Post("/comments", func(c *http.Ctx) error { return c.NoContent(201) }, http.With(middleware.BodyLimit(10)))
	for _, body := range []string{"short", "longer than that"} {
		res, err := app.Test(httptest.NewRequest("POST", "/comments", strings.NewReader(body)))
		if err != nil {
			panic(err)
		}
		fmt.Println(res.StatusCode, http.StatusText(res.StatusCode))
	}
	// Output:
	// 201 Created
	// 413 Content Too Large
}
