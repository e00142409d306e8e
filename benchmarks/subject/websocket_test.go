package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/carillon-go/carillon/benchmarks/internal/launch"
	"github.com/carillon-go/carillon/benchmarks/internal/launch/launchtest"
)

func dial(t *testing.T, s *launch.Server, path string) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+s.Addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetReadDeadline(time.Now().Add(15 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

func send(t *testing.T, c *websocket.Conn, op int, p []byte) {
	t.Helper()
	if err := c.WriteMessage(op, p); err != nil {
		t.Fatal(err)
	}
}

func wantMessage(t *testing.T, c *websocket.Conn, op int, p []byte) {
	t.Helper()
	gotOp, got, err := c.ReadMessage()
	if err != nil || gotOp != op || !bytes.Equal(got, p) {
		t.Fatalf("opcode %d, %d bytes %.20q, %v; want %d, %d bytes %.20q", gotOp, len(got), got, err, op, len(p), p)
	}
}

func TestWebSocketEcho(t *testing.T) {
	s := launchtest.Subject(t)
	for _, tt := range []struct {
		name string
		op   int
		size int
	}{
		{"empty text", websocket.TextMessage, 0},
		{"text", websocket.TextMessage, 125},
		{"binary", websocket.BinaryMessage, 125},
		{"16 MiB", websocket.BinaryMessage, 16 << 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, s, "/ws")
			p := bytes.Repeat([]byte("x"), tt.size)
			send(t, c, tt.op, p)
			wantMessage(t, c, tt.op, p)
		})
	}
	t.Run("above 16 MiB", func(t *testing.T) {
		c := dial(t, s, "/ws")
		_ = c.WriteMessage(websocket.BinaryMessage, make([]byte, 16<<20+1)) // may meet the end
		if _, _, err := c.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseMessageTooBig) {
			t.Errorf("%v, want close code 1009", err)
		}
		fresh := dial(t, s, "/ws")
		send(t, fresh, websocket.TextMessage, []byte("still there?"))
		wantMessage(t, fresh, websocket.TextMessage, []byte("still there?"))
	})
}

// Who offers permessage-deflate gets it, and each message back.
func TestWebSocketDeflate(t *testing.T) {
	s := launchtest.Subject(t)
	dialer := websocket.Dialer{EnableCompression: true}
	c, resp, err := dialer.DialContext(t.Context(), "ws://"+s.Addr+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := resp.Header.Get("Sec-WebSocket-Extensions"); !strings.HasPrefix(got, "permessage-deflate") {
		t.Fatalf("answered %q", got)
	}
	for _, size := range []int{10, 64 << 10} {
		p := bytes.Repeat([]byte("x"), size)
		send(t, c, websocket.TextMessage, p)
		wantMessage(t, c, websocket.TextMessage, p)
	}
}

// Each message goes to all who are connected then, in the same order, and to
// nobody of the other endpoint.
func TestBroadcast(t *testing.T) {
	s := launchtest.Subject(t)
	other := dial(t, s, "/ws")
	a, b := dial(t, s, "/broadcast"), dial(t, s, "/broadcast")
	// Who can be answered has been counted in.
	send(t, a, websocket.TextMessage, []byte("a"))
	wantMessage(t, a, websocket.TextMessage, []byte("a"))
	wantMessage(t, b, websocket.TextMessage, []byte("a"))
	send(t, b, websocket.BinaryMessage, []byte("b"))
	wantMessage(t, a, websocket.BinaryMessage, []byte("b"))
	wantMessage(t, b, websocket.BinaryMessage, []byte("b"))

	b.Close()
	late := dial(t, s, "/broadcast")
	send(t, late, websocket.TextMessage, []byte("c"))
	wantMessage(t, late, websocket.TextMessage, []byte("c"))
	wantMessage(t, a, websocket.TextMessage, []byte("c"))

	send(t, other, websocket.TextMessage, []byte("echo"))
	wantMessage(t, other, websocket.TextMessage, []byte("echo"))
}
