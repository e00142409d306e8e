package middleware_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
)

func panicking(c *http.Ctx) error { panic(errors.New("on request")) }

func TestRecover(t *testing.T) {
	own, seen := &records{}, make(chan error, 1)
	onBoth(t, func() *http.App {
		app := http.New()
		own.list = nil
		app.Use(middleware.RequestID(), func(next http.Handler) http.Handler {
			return func(c *http.Ctx) error {
				err := next(c)
				seen <- err
				return err
			}
		}, middleware.Recover(middleware.RecoverOptions{Logger: slog.New(own)}))
		app.Get("/panic", panicking)
		app.Get("/nil", func(c *http.Ctx) error { panic(nil) })
		app.Get("/inline", panicking, http.Inline)
		app.Get("/fine", func(c *http.Ctx) error { return c.Text(200, "fine") })
		return app
	}, func(t *testing.T, url string) {
		for i, path := range []string{"/panic", "/inline", "/nil"} {
			res, body := do(t, request(t, "GET", url+path, "", "X-Request-Id: id-7"))
			if res.StatusCode != 500 || res.Close || res.Header.Get("Content-Type") != "application/problem+json" || strings.Contains(body, "on request") {
				t.Errorf("%s: %d close %v %q %v", path, res.StatusCode, res.Close, body, res.Header)
			}
			if e, ok := errors.AsType[*http.Error](<-seen); !ok || e.Code != 500 {
				t.Errorf("%s: outside is seen %v", path, e)
			}
			got := own.at(i)
			for key, want := range map[string]string{"level": "ERROR", "method": "GET", "path": path, "request_id": "id-7"} {
				if got[key].String() != want {
					t.Errorf("%s: %s is %q", path, key, got[key])
				}
			}
			if path != "/nil" && (got["panic"].String() != "on request" || !strings.Contains(got["stack"].String(), "panicking")) {
				t.Errorf("%s: %v", path, got)
			}
		}
		if _, body := do(t, request(t, "GET", url+"/fine", "")); body != "fine" || <-seen != nil {
			t.Errorf("%q", body)
		}
	})
}

// Behind the beginning of an answer, and for ErrAbortHandler, there is nothing to tell: the connection is cut.
func TestRecoverPassesOnWhatCannotBeAnswered(t *testing.T) {
	own := &records{}
	onBoth(t, func() *http.App {
		app := http.New()
		own.list = nil
		app.Use(middleware.Recover(middleware.RecoverOptions{Logger: slog.New(own)}))
		app.Get("/abort", func(c *http.Ctx) error { panic(nethttp.ErrAbortHandler) })
		app.Get("/stream", func(c *http.Ctx) error {
			return c.Stream(200, "text/plain", func(s *http.Stream) error {
				if err := s.Flush(); err != nil {
					t.Error(err)
				}
				panic("in the middle")
			})
		})
		return app
	}, func(t *testing.T, url string) {
		for _, path := range []string{"/abort", "/stream"} {
			res, err := nethttp.Get(url + path)
			if err == nil {
				_, err = io.ReadAll(res.Body)
				res.Body.Close()
			}
			if err == nil {
				t.Errorf("%s: a part was taken for the whole", path)
			}
		}
		nethttp.DefaultClient.CloseIdleConnections()
		if len(own.list) != 0 {
			t.Errorf("logged here what the server logs: %v", own.list)
		}
	})
}

// A panic behind Async is the server's: an error would be ignored, and the client would wait for ever.
func TestRecoverLeavesAsyncToTheServer(t *testing.T) {
	onBoth(t, func() *http.App {
		app := http.New()
		app.Use(middleware.Recover())
		app.Get("/", func(c *http.Ctx) error {
			if _, err := c.Async(); err != nil {
				t.Error(err)
			}
			panic("before anybody could answer")
		})
		return app
	}, func(t *testing.T, url string) {
		if res, _ := do(t, request(t, "GET", url, "")); res.StatusCode != 500 {
			t.Error(res.StatusCode)
		}
	})
}

// Without a logger of its own Recover uses the server's.
func TestRecoverLogsWithTheServer(t *testing.T) {
	var out bytes.Buffer
	app := http.New()
	app.Server.Logger = slog.New(slog.NewJSONHandler(&out, nil))
	app.Use(middleware.Recover())
	app.Get("/", panicking)
	if res, err := app.Test(httptest.NewRequest("GET", "/", nil)); err != nil || res.StatusCode != 500 {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n"); n != 1 || !strings.Contains(out.String(), `"panic":"on request"`) {
		t.Errorf("%d lines: %s", n, out.String())
	}
}

func ExampleRecover() {
	app := http.New()
	app.Server.Logger = slog.New(slog.DiscardHandler)
	app.Use(middleware.Recover())
	app.Get("/", func(c *http.Ctx) error {
		names := strings.Fields(c.Header("Names"))
		return c.Text(200, names[0]) // nobody has looked whether there is one
	})
	res, err := app.Test(httptest.NewRequest("GET", "/", nil))
	if err != nil {
		panic(err)
	}
	body, _ := io.ReadAll(res.Body)
	fmt.Printf("%d %s\n", res.StatusCode, body)
	// Output: 500 {"status":500,"title":"Internal Server Error"}
}
