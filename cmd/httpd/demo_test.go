package main

import (
	"bytes"
	"context"
	"encoding/json"
	nethttp "net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/coder/websocket"
)

func dial(t *testing.T, p *process, path string) (*websocket.Conn, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	conn, _, err := websocket.Dial(ctx, p.url(path), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	conn.SetReadLimit(4 << 20)
	return conn, ctx
}

func TestDemoEchoes(t *testing.T) {
	p := start(t, "demo", "-l", "127.0.0.1:0")
	conn, ctx := dial(t, p, "/ws")
	for _, tt := range []struct {
		kind websocket.MessageType
		body []byte
	}{
		{websocket.MessageText, []byte("ding dong")},
		{websocket.MessageBinary, noise(1 << 20)},
		{websocket.MessageText, nil},
	} {
		if err := conn.Write(ctx, tt.kind, tt.body); err != nil {
			t.Fatal(err)
		}
		kind, body, err := conn.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if kind != tt.kind || !bytes.Equal(body, tt.body) {
			t.Errorf("sent %v of %d bytes, got %v of %d bytes", tt.kind, len(tt.body), kind, len(body))
		}
	}
	p.stderr.await(t, " GET /ws 101 ")
}

// Connections that wait must show in the one figure and not in the other.
func TestDemoStatus(t *testing.T) {
	p := start(t, "demo", "-l", "127.0.0.1:0", "--log", "off")
	conn, ctx := dial(t, p, "/status")
	next := func() (f figures) {
		t.Helper()
		_, body, err := conn.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(body, &f); err != nil {
			t.Fatal(err)
		}
		return f
	}
	before := next()
	if before.Connections != 1 || before.Loops < 1 || before.Goroutines < 1 || before.Go == "" || before.Version == "" {
		t.Errorf("got %+v", before)
	}
	for range 50 {
		dial(t, p, "/ws")
	}
	after := next()
	for after.Connections < 51 {
		after = next()
	}
	if more := after.Goroutines - before.Goroutines; more > 10 {
		t.Errorf("%d goroutines more for 50 connections", more)
	}
	if after.Uptime <= before.Uptime {
		t.Errorf("uptime went from %v to %v", before.Uptime, after.Uptime)
	}
}

func TestDemoPages(t *testing.T) {
	p := start(t, "demo", "-l", "127.0.0.1:0")
	source := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for path, want := range map[string]string{
		"/": "<title>Carillon, live", "/base.css": "prefers-color-scheme", "/demo.css": ".hero", "/demo.js": "Reconnecting",
		"/reconnecting.js": "WebSocket", "/bell.svg": "<svg", "/echo.go": source("echo.go"),
		"/chat": "<title>Carillon, chat", "/chat.css": "prefers-color-scheme", "/chat.js": "Room", "/chat-room.js": "Room", "/chat.go": source("chat.go"),
	} {
		status, body := get(t, p.url(path))
		if status != 200 || !strings.Contains(string(body), want) {
			t.Errorf("%s: status %d, no %q in its %d bytes", path, status, want, len(body))
		}
	}
	for _, path := range []string{"/nowhere", "/demo/", "/index", "/index.html", "/chat.html", "/chat/"} {
		if status, _ := get(t, p.url(path)); status != 404 {
			t.Errorf("%s: status %d, want 404", path, status)
		}
	}

	res, err := nethttp.Post(p.url("/"), "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 405 || res.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d, Allow %q", res.StatusCode, res.Header.Get("Allow"))
	}

	res, err = nethttp.Get(p.url("/"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	req, err := nethttp.NewRequest("GET", p.url("/"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("If-None-Match", res.Header.Get("Etag"))
	res, err = nethttp.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 304 {
		t.Errorf("revalidation: %d, want 304", res.StatusCode)
	}
}

func TestDemoStopsWithConnectionsOpen(t *testing.T) {
	p := start(t, "demo", "-l", "127.0.0.1:0", "--drain", patience.String())
	conn, ctx := dial(t, p, "/status")
	if _, _, err := conn.Read(ctx); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGTERM)
	for {
		_, _, err := conn.Read(ctx)
		if err == nil {
			continue
		}
		if got := websocket.CloseStatus(err); got != websocket.StatusGoingAway {
			t.Errorf("closed with %v (%v), want going away", got, err)
		}
		break
	}
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
