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

// askPatience bounds the waits of these tests. It passes only when something is broken.
const askPatience = 20 * time.Second

// bothWays runs check against the app that build fills, on the reactor and as a handler of net/http.
func bothWays(t *testing.T, build func(app *http.App), check func(t *testing.T, url string)) {
	t.Run("reactor", func(t *testing.T) {
		app := http.New()
		build(app)
		check(t, startApp(t, app))
	})
	t.Run("net/http", func(t *testing.T) {
		app := http.New()
		quiet(app)
		build(app)
		s := httptest.NewUnstartedServer(app)
		s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		s.Start()
		defer s.Close()
		check(t, s.URL)
	})
}

func quiet(app *http.App) {
	if app.Server.Logger == nil {
		app.Server.Logger = slog.New(slog.DiscardHandler)
	}
}

// startApp serves app on the reactor until the test ends, and returns its URL.
func startApp(t testing.TB, app *http.App) string {
	t.Helper()
	quiet(app)
	addr, err := app.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), askPatience)
		defer cancel()
		if err := app.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return "http://" + addr.String()
}

// request makes a request; lines are "Name: value".
func request(t testing.TB, method, url, body string, lines ...string) *nethttp.Request {
	t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := nethttp.NewRequest(method, url, r)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ":")
		req.Header.Add(name, strings.TrimSpace(value))
	}
	return req
}

// ask sends a request and returns its answer with the body as it was sent.
func ask(t testing.TB, req *nethttp.Request) (*nethttp.Response, string) {
	t.Helper()
	tr := &nethttp.Transport{DisableCompression: true}
	defer tr.CloseIdleConnections()
	c := nethttp.Client{Transport: tr, Timeout: askPatience}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// tornGet wants an answer whose body does not come to its end.
func tornGet(t testing.TB, url string) {
	t.Helper()
	res, err := (&nethttp.Transport{DisableKeepAlives: true}).RoundTrip(request(t, "GET", url, ""))
	if err == nil {
		_, err = io.ReadAll(res.Body)
		res.Body.Close()
	}
	if err == nil {
		t.Errorf("%s: a part was taken for the whole", url)
	}
}

// at returns the record with that index.
func (r *records) at(i int) map[string]slog.Value {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list[i]
}

// last returns the latest record.
func (r *records) last() map[string]slog.Value {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list[len(r.list)-1]
}
