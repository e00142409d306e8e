package main

import (
	"context"
	"errors"
	nethttp "net/http"
	"testing"
	"time"

	"github.com/carillon-go/carillon/ws"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAuth(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	a, err := newAuth("ann:secret1,bob:secret2")
	if err != nil {
		t.Fatal(err)
	}
	app := a.app()
	addr, err := app.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Start(); err != nil {
		t.Fatal(err)
	}
	defer app.Shutdown(ctx)
	dial := func(name, value string) (*ws.Stream, error) {
		return ws.DialStream(ctx, "ws://"+addr.String()+"/ws", ws.WithHeader(name, value))
	}
	greeted := func(name, value, want string) *ws.Stream {
		t.Helper()
		s, err := dial(name, value)
		if err != nil {
			t.Fatal(err)
		}
		if _, p, err := s.Read(ctx); err != nil || string(p) != want {
			t.Fatalf("%q, %v", p, err)
		}
		return s
	}
	refused := func(name, value string) {
		t.Helper()
		var no *ws.HandshakeError
		if _, err := dial(name, value); !errors.As(err, &no) || no.Status != 401 || no.Header.Get("WWW-Authenticate") != "Bearer" {
			t.Fatalf("%s: %s: %v", name, value, err)
		}
	}
	session := func(method, name, value string) *nethttp.Response {
		t.Helper()
		req, err := nethttp.NewRequestWithContext(ctx, method, "http://"+addr.String()+"/session", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(name, value)
		resp, err := (&nethttp.Transport{DisableKeepAlives: true}).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}

	for _, value := range []string{"", "Bearer", "Bearer ", "Bearer secret", "Basic secret1", "secret1"} {
		refused("Authorization", value)
	}
	refused("Cookie", "session=secret1")
	program := greeted("Authorization", "Bearer secret2", "hello, bob")
	defer program.Close(ws.CodeNormalClosure, "")

	if got := session("POST", "Authorization", "Bearer secret3").StatusCode; got != 401 {
		t.Error(got)
	}
	cookies := session("POST", "Authorization", "Bearer secret1").Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly {
		t.Fatal(cookies)
	}
	cookie := "session=" + cookies[0].Value
	page := greeted("Cookie", cookie, "hello, ann")
	if err := page.Write(ctx, ws.OpText, []byte("hi")); err != nil {
		t.Fatal(err)
	}
	if _, p, err := page.Read(ctx); err != nil || string(p) != "ann: hi" {
		t.Fatalf("%q, %v", p, err)
	}
	if got := session("DELETE", "Cookie", cookie).StatusCode; got != 204 {
		t.Error(got)
	}
	if _, _, err := page.Read(ctx); !errors.Is(err, &ws.CloseError{Code: signedOut}) {
		t.Error(err)
	}
	refused("Cookie", cookie)
}

func TestTokens(t *testing.T) {
	for _, s := range []string{"", "ann", "ann:", ":x", "ann:x,"} {
		if _, err := newAuth(s); err == nil {
			t.Errorf("%q was taken", s)
		}
	}
}
