package middleware_test

import (
	"context"
	"io"
	"log/slog"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon/http"
)

// asker makes one request, with header lines "Name: value", and returns its answer with the whole body.
type asker func(t testing.TB, request string, lines ...string) (*nethttp.Response, string)

// underBoth runs check against the app on the reactor, and under a server of net/http.
func underBoth(t *testing.T, makeApp func() *http.App, check func(t *testing.T, ask asker)) {
	t.Run("reactor", func(t *testing.T) {
		check(t, askAt(t, serveApp(t, makeApp())))
	})
	t.Run("net/http", func(t *testing.T) {
		app := makeApp()
		app.Server.Logger = slog.New(slog.DiscardHandler)
		s := httptest.NewServer(app)
		t.Cleanup(s.Close)
		check(t, askAt(t, s.URL))
	})
}

// serveApp starts app on a loopback port and returns its URL.
func serveApp(t testing.TB, app *http.App) string {
	t.Helper()
	if app.Server.Logger == nil {
		app.Server.Logger = slog.New(slog.DiscardHandler)
	}
	addr, err := app.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := app.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return "http://" + addr.String()
}

// askAt is an asker whose connections end with the test. A request is "METHOD /path", and behind a blank its body.
func askAt(t testing.TB, url string) asker {
	transport := &nethttp.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return func(t testing.TB, request string, lines ...string) (*nethttp.Response, string) {
		t.Helper()
		parts := strings.SplitN(request, " ", 3)
		var body io.Reader
		if len(parts) > 2 {
			body = strings.NewReader(parts[2])
		}
		r, err := nethttp.NewRequest(parts[0], url+parts[1], body)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			name, value, _ := strings.Cut(line, ": ")
			if name == "Host" {
				r.Host = value
			} else {
				r.Header.Add(name, value)
			}
		}
		res, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(text)
	}
}

// inProcess has app answer without a socket: for examples and for tests of many cases.
func inProcess(app *http.App, request string, lines ...string) *nethttp.Response {
	method, path, _ := strings.Cut(request, " ")
	r := httptest.NewRequest(method, path, nil)
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		if name == "Host" {
			r.Host = value
		} else {
			r.Header.Add(name, value)
		}
	}
	res, err := app.Test(r)
	if err != nil {
		panic(err)
	}
	return res
}

// mustPanic wants each of these to be refused at construction.
func mustPanic(t *testing.T, cases map[string]func()) {
	t.Helper()
	for name, f := range cases {
		t.Run(name, func(t *testing.T) {
			defer func() {
				text, ok := recover().(string)
				if !ok || !strings.HasPrefix(text, "middleware: ") {
					t.Errorf("panics with %q, want a text of this package", text)
				}
			}()
			f()
		})
	}
}

func saying(text string) http.Handler {
	return func(c *http.Ctx) error { return c.Text(200, text) }
}
