package interop

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon/http"
)

// patience bounds every wait of these tests. It passes only when something is broken.
const patience = 20 * time.Second

// serve runs app on the reactor and returns its URL.
func serve(t testing.TB, app *http.App) string {
	t.Helper()
	app.Server.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	addr, err := app.Listen("127.0.0.1:0")
	if err == nil {
		err = app.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := app.Shutdown(ctx); err != nil && !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("shutdown: %v", err)
		}
	})
	return "http://" + addr.String()
}

// serveHandler runs one handler of net/http for all paths.
func serveHandler(t testing.TB, h nethttp.Handler, opts ...http.RouteOption) string {
	t.Helper()
	app := http.New()
	app.Handle("/", h, opts...)
	return serve(t, app)
}

// client is one whose connections end with the test.
func client(t testing.TB) *nethttp.Client {
	tr := &nethttp.Transport{DisableCompression: true, ExpectContinueTimeout: patience}
	t.Cleanup(tr.CloseIdleConnections)
	return &nethttp.Client{Transport: tr, Timeout: patience, CheckRedirect: func(*nethttp.Request, []*nethttp.Request) error {
		return nethttp.ErrUseLastResponse
	}}
}

// request makes one; lines are header lines.
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
	for i := 0; i < len(lines); i += 2 {
		req.Header.Add(lines[i], lines[i+1])
	}
	return req
}

// do makes a request of c and returns its answer with the whole body.
func do(t testing.TB, c *nethttp.Client, req *nethttp.Request) (*nethttp.Response, string) {
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

// get is do of a GET.
func get(t testing.TB, url string, lines ...string) (*nethttp.Response, string) {
	t.Helper()
	return do(t, client(t), request(t, "GET", url, "", lines...))
}

// dial opens a connection to the server at url.
func dial(t testing.TB, url string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

// send writes format to c.
func send(t testing.TB, c net.Conn, format string, args ...any) {
	t.Helper()
	if _, err := fmt.Fprintf(c, format, args...); err != nil {
		t.Fatal(err)
	}
}

// answer reads one response of a request by that method.
func answer(t testing.TB, r *bufio.Reader, method string) (*nethttp.Response, string) {
	t.Helper()
	res, err := nethttp.ReadResponse(r, &nethttp.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// await waits for a value that a handler or another goroutine sends.
func await[T any](t testing.TB, what string, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(patience):
		t.Fatalf("waited in vain: %s", what)
	}
	return v
}
