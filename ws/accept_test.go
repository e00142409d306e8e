package ws

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/http"
	"github.com/gobwas/ws"
)

// startAccepting serves an Endpoint with an accept hook in each of the ways in which
// a handler can run, and calls check for each; values are those that OnOpen saw.
func startAccepting(t *testing.T, accept func(*http.Ctx) (any, error), check func(t *testing.T, addr string, values chan any, stats *Stats)) {
	endpoint := func() (values chan any, stats *Stats, h http.Handler) {
		rec := newRecorder()
		values, stats = make(chan any, 10), new(Stats)
		rec.onOpen = func(c *Conn) { values <- c.Value() }
		return values, stats, Endpoint(rec, WithAccept(accept), WithStats(stats), WithSubprotocols("chat"))
	}
	log, _ := newLog()
	t.Run("server", func(t *testing.T) {
		values, stats, h := endpoint()
		check(t, startServer(t, &http.Server{Handler: h, Logger: log}), values, stats)
	})
	for name, opts := range map[string][]http.RouteOption{"app": nil, "app inline": {http.Inline}} {
		t.Run(name, func(t *testing.T) {
			values, stats, h := endpoint()
			app := http.New()
			app.Server.Logger = log
			app.Get("/ws", h, opts...)
			addr, err := app.Listen("127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			if err := app.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				if err := app.Shutdown(ctx); err != nil {
					t.Error("shutdown:", err)
				}
			})
			check(t, addr.String(), values, stats)
		})
	}
}

// user is who a client is.
type user struct{ name string }

var errBackend = errors.New("the session store is away: secret detail")

// acceptByCookie lets a user in by name.
func acceptByCookie(c *http.Ctx) (any, error) {
	switch name := c.Header("X-User"); name {
	case "":
		return nil, &http.Error{Code: 401, Detail: "who are you?", Header: map[string]string{"WWW-Authenticate": `Session realm="chat"`}}
	case "banned":
		return nil, http.NewError(403, "not you")
	case "unlucky":
		return nil, errBackend
	case "nil":
		return nil, nil
	default:
		return &user{name}, c.SetHeader("X-Session", "of "+name)
	}
}

// TestAccept: what the hook returns is the connection's value, already in OnOpen; its
// headers go out with the 101; data that came with the request is handled.
func TestAccept(t *testing.T) {
	startAccepting(t, acceptByCookie, func(t *testing.T, addr string, values chan any, stats *Stats) {
		for range 3 {
			c := connect(t, addr)
			c.write(append([]byte(opening+"X-User: eve\r\nSec-WebSocket-Protocol: chat\r\n\r\n"), text("early")...))
			resp := c.response()
			if resp.StatusCode != 101 || resp.Header.Get("X-Session") != "of eve" || resp.Header.Get("Sec-WebSocket-Protocol") != "chat" ||
				resp.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
				t.Fatal(resp.Status, resp.Header)
			}
			if u, ok := wait(t, "value", values).(*user); !ok || u.name != "eve" {
				t.Error("value:", u)
			}
			c.want(ws.OpText, "early")
		}
		c := connect(t, addr)
		c.write([]byte(opening + "X-User: nil\r\n\r\n"))
		if resp := c.response(); resp.StatusCode != 101 {
			t.Fatal(resp.Status)
		}
		if v := wait(t, "value", values); v != nil {
			t.Error("value:", v)
		}
		if stats.Opened.Load() != 4 || stats.Refused.Load() != 0 {
			t.Error("counters:", stats.Opened.Load(), stats.Refused.Load())
		}
	})
}

// TestAcceptRefuses: an error is answered as that of any handler, no connection opens,
// and the same HTTP connection can try again.
func TestAcceptRefuses(t *testing.T) {
	startAccepting(t, acceptByCookie, func(t *testing.T, addr string, values chan any, stats *Stats) {
		c := connect(t, addr)
		for i, test := range []struct {
			header       string
			status       int
			answer, body string
		}{
			{"", 401, `Session realm="chat"`, "who are you?"},
			{"X-User: banned\r\n", 403, "", "not you"},
			{"X-User: unlucky\r\n", 500, "", ""},
		} {
			c.write([]byte(opening + test.header + "\r\n"))
			resp := c.response()
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != test.status || resp.Header.Get("WWW-Authenticate") != test.answer || !strings.Contains(string(body), test.body) {
				t.Fatal(resp.Status, resp.Header, string(body), err)
			}
			if resp.Header.Get("Upgrade") != "" || resp.Header.Get("Sec-WebSocket-Accept") != "" || strings.Contains(string(body), "secret") {
				t.Fatal(resp.Header, string(body))
			}
			if n := stats.Refused.Load(); n != int64(i+1) {
				t.Error("refused:", n)
			}
			if resp.Close {
				c = connect(t, addr)
			}
		}
		c.write([]byte(opening + "X-User: eve\r\n\r\n"))
		if resp := c.response(); resp.StatusCode != 101 {
			t.Fatal(resp.Status)
		}
		c.write(text("in"))
		c.want(ws.OpText, "in")
		wait(t, "OnOpen", values)
		if n := len(values); n > 0 {
			t.Error("OnOpen ran", n, "times too often")
		}
	})
}

// TestAcceptComesLast: what is no good handshake, or of another origin, does not reach
// the hook.
func TestAcceptComesLast(t *testing.T) {
	accept := func(c *http.Ctx) (any, error) {
		t.Error("the hook sees", c.Headers())
		return nil, nil
	}
	startAccepting(t, accept, func(t *testing.T, addr string, _ chan any, stats *Stats) {
		for header, status := range map[string]int{
			"Origin: http://evil.example\r\n":                      403,
			"Sec-WebSocket-Version: 8\r\n":                         426,
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n":      400,
			"Origin: http://example.com\r\nOrigin: http://b.c\r\n": 403,
		} {
			c := connect(t, addr)
			c.write([]byte(opening + header + "\r\n"))
			if resp := c.response(); resp.StatusCode != status {
				t.Errorf("%q: %s", header, resp.Status)
			}
		}
		if n := stats.Refused.Load(); n != 4 {
			t.Error("refused:", n)
		}
	})
}

// TestAcceptPanics: the request is answered by 500, and the next is served.
func TestAcceptPanics(t *testing.T) {
	accept := func(c *http.Ctx) (any, error) {
		if c.Header("X-User") == "boom" {
			panic("boom")
		}
		return nil, nil
	}
	startAccepting(t, accept, func(t *testing.T, addr string, _ chan any, _ *Stats) {
		c := connect(t, addr)
		c.write([]byte(opening + "X-User: boom\r\n\r\n"))
		if resp := c.response(); resp.StatusCode != 500 {
			t.Error(resp.Status)
		}
		served(t, addr)
	})
}
