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
	"github.com/carillon-go/carillon/reactor"
)

// patience bounds the waits of these tests. It passes only when something is broken.
const patience = 20 * time.Second

// onBoth runs check against the app on the reactor, and as a handler of net/http.
func onBoth(t *testing.T, makeApp func() *http.App, check func(t *testing.T, url string)) {
	t.Run("reactor", func(t *testing.T) { check(t, startApp(t, makeApp())) })
	t.Run("net/http", func(t *testing.T) {
		app := makeApp()
		quiet(&app.Server)
		s := httptest.NewUnstartedServer(app)
		s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		s.Start()
		t.Cleanup(s.Close)
		check(t, s.URL)
	})
}

func quiet(s *http.Server) {
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
}

// startApp serves app on the reactor until the test ends, and returns its URL.
func startApp(t testing.TB, app *http.App) string {
	t.Helper()
	quiet(&app.Server)
	return "http://" + start(t, app)
}

// start serves s, a Server or an App, on a loopback port until the test ends, and returns its address.
func start(t testing.TB, s interface {
	Listen(addr string, options ...http.ListenOption) (reactor.InetAddress, error)
	Start() error
	Shutdown(ctx context.Context) error
}) string {
	t.Helper()
	addr, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return addr.String()
}

// client is one whose connections end with the test, and that shows answers as they were sent.
func client(t testing.TB) *nethttp.Client {
	tr := &nethttp.Transport{DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &nethttp.Client{Transport: tr, Timeout: patience, CheckRedirect: func(*nethttp.Request, []*nethttp.Request) error {
		return nethttp.ErrUseLastResponse
	}}
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
		addLine(req, line)
	}
	return req
}

func addLine(req *nethttp.Request, line string) {
	name, value, _ := strings.Cut(line, ":")
	value = strings.TrimSpace(value)
	if name == "Host" {
		req.Host = value
	} else {
		req.Header.Add(name, value)
	}
}

// do makes a request on a connection of its own and returns its answer with the whole body.
func do(t testing.TB, req *nethttp.Request) (*nethttp.Response, string) {
	t.Helper()
	return doBy(t, client(t), req)
}

func doBy(t testing.TB, c *nethttp.Client, req *nethttp.Request) (*nethttp.Response, string) {
	t.Helper()
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

// asker is do of a request that is "METHOD /path", and behind a blank its body.
type asker func(t testing.TB, what string, lines ...string) (*nethttp.Response, string)

// askAt asks the app at url, on connections that end with the test.
func askAt(t testing.TB, url string) asker {
	c := client(t)
	return func(t testing.TB, what string, lines ...string) (*nethttp.Response, string) {
		t.Helper()
		parts := strings.SplitN(what, " ", 3)
		return doBy(t, c, request(t, parts[0], url+parts[1], strings.Join(parts[2:], ""), lines...))
	}
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

// inProcess has app answer without a socket: for examples and for tests of many cases.
func inProcess(app *http.App, what string, lines ...string) *nethttp.Response {
	method, path, _ := strings.Cut(what, " ")
	r := httptest.NewRequest(method, path, nil)
	for _, line := range lines {
		addLine(r, line)
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
