package ws

import (
	"bytes"
	"errors"
	"io"
	stdhttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
)

// received is a message as a handler got it.
type received struct {
	op Op
	p  []byte
}

// interopClient talks to an echo server at url in these sizes, whole and in fragments.
func interopClient(t *testing.T, url string, sizes ...int) (*Client, *recorder) {
	t.Helper()
	rec := newRecorder()
	messages := make(chan received, 1)
	rec.onMessage = func(_ *Conn, op Op, p []byte) { messages <- received{op, bytes.Clone(p)} }
	c := dialed(t, url, rec, WithSubprotocols("other", "chat"), WithMaxMessage(32<<20))
	if c.Conn().Subprotocol() != "chat" {
		t.Error(c.Conn().Subprotocol())
	}
	for _, n := range sizes {
		for _, m := range []received{{OpBinary, randomBytes(n)}, {OpText, []byte(strings.Repeat("µ", n/2))}} {
			if err := c.Send(m.op, m.p); err != nil {
				t.Fatal(err)
			}
			if got := wait(t, "echo", messages); got.op != m.op || !bytes.Equal(got.p, m.p) {
				t.Fatalf("%d bytes: op %d, %d bytes", n, got.op, len(got.p))
			}
			w, err := c.Conn().NewWriter(t.Context(), m.op)
			if err != nil {
				t.Fatal(err)
			}
			half := len(m.p) / 2
			_, err1 := w.Write(m.p[:half])
			err2 := w.Flush() // a fragment more
			_, err3 := w.Write(m.p[half:])
			if err := errors.Join(err1, err2, err3, w.Close()); err != nil {
				t.Fatal(err)
			}
			if got := wait(t, "echo", messages); got.op != m.op || !bytes.Equal(got.p, m.p) {
				t.Fatalf("%d bytes in fragments: op %d, %d bytes", n, got.op, len(got.p))
			}
		}
	}
	return c, rec
}

// webServer is net/http's.
func webServer(h stdhttp.Handler) *httptest.Server {
	server := httptest.NewUnstartedServer(h)
	if overTLS {
		server.TLS = identified()
		server.StartTLS()
	} else {
		server.Start()
	}
	return server
}

// TestClientWithGorilla: its server fragments what is longer than its buffer, pings,
// and closes with codes in both directions.
func TestClientWithGorilla(t *testing.T) {
	upgrader := gorilla.Upgrader{Subprotocols: []string{"chat"}, EnableCompression: true, WriteBufferSize: 1024}
	closes, pongs := make(chan error, 10), make(chan string, 10)
	server := webServer(stdhttp.HandlerFunc(func(w stdhttp.ResponseWriter, r *stdhttp.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		c.SetPongHandler(func(s string) error { pongs <- s; return nil })
		if err := c.WriteControl(gorilla.PingMessage, []byte("there?"), time.Now().Add(patience)); err != nil {
			t.Error(err)
		}
		for {
			op, r, err := c.NextReader()
			if err != nil {
				closes <- err
				return
			}
			p, err := io.ReadAll(r)
			if err != nil {
				t.Error(err)
				return
			}
			if string(p) == "close" {
				c.WriteControl(gorilla.CloseMessage, gorilla.FormatCloseMessage(4321, "as you wish"), time.Now().Add(patience))
				continue
			}
			out, err := c.NextWriter(op)
			if err != nil {
				t.Error(err)
				return
			}
			out.Write(p) // in frames of the buffer's size
			if err := out.Close(); err != nil {
				t.Error(err)
			}
		}
	}))
	defer server.Close()
	c, rec := interopClient(t, server.URL, interopSizes...)
	if s := wait(t, "pong", pongs); s != "there?" {
		t.Error(s)
	}
	c.Close(4001, "bye")
	if err := wait(t, "close", closes); !gorilla.IsCloseError(err, 4001) || !strings.Contains(err.Error(), "bye") {
		t.Error(err)
	}
	if got := wait(t, "OnClose", rec.closed); got.code != 4001 {
		t.Errorf("OnClose got %v %q", got.code, got.reason)
	}
	c, rec = interopClient(t, server.URL)
	c.Send(OpText, []byte("close"))
	if got := wait(t, "OnClose", rec.closed); got.code != 4321 || got.reason != "as you wish" {
		t.Errorf("OnClose got %v %q", got.code, got.reason)
	}
	if err := wait(t, "close", closes); !gorilla.IsCloseError(err, 4321) {
		t.Error(err)
	}
	wait(t, "end of the client", c.Done())
}

func TestClientWithCoder(t *testing.T) {
	closes := make(chan error, 10)
	server := webServer(stdhttp.HandlerFunc(func(w stdhttp.ResponseWriter, r *stdhttp.Request) {
		c, err := coder.Accept(w, r, &coder.AcceptOptions{Subprotocols: []string{"chat"}, CompressionMode: coder.CompressionContextTakeover})
		if err != nil {
			t.Error(err)
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(-1)
		for {
			op, p, err := c.Read(r.Context())
			if err != nil {
				closes <- err
				return
			}
			if string(p) == "close" {
				closes <- c.Close(4321, "as you wish")
				return
			}
			out, err := c.Writer(r.Context(), op)
			if err != nil {
				t.Error(err)
				return
			}
			for len(p) > 0 { // a frame for each Write
				n := min(len(p), 100_000)
				out.Write(p[:n])
				p = p[n:]
			}
			if err := out.Close(); err != nil {
				t.Error(err)
			}
		}
	}))
	defer server.Close()
	c, rec := interopClient(t, server.URL, interopSizes...)
	c.Close(4001, "bye")
	var end coder.CloseError
	if err := wait(t, "close", closes); !errors.As(err, &end) || end.Code != 4001 || end.Reason != "bye" {
		t.Error(err)
	}
	if got := wait(t, "OnClose", rec.closed); got.code != 4001 {
		t.Errorf("OnClose got %v %q", got.code, got.reason)
	}
	c, rec = interopClient(t, server.URL)
	c.Send(OpText, []byte("close"))
	if got := wait(t, "OnClose", rec.closed); got.code != 4321 || got.reason != "as you wish" {
		t.Errorf("OnClose got %v %q", got.code, got.reason)
	}
	if err := wait(t, "close", closes); err != nil {
		t.Error(err)
	}
	wait(t, "end of the client", c.Done())
}

// TestServerViolations: a server must keep to the protocol as well.
func TestServerViolations(t *testing.T) {
	for _, c := range []struct {
		name   string
		stream []byte
		code   Code
	}{
		{"masked", text("a"), 1002},
		{"masked ping", ping("a"), 1002},
		{"masked close", closing1(1000, ""), 1002},
		{"RSV1 without deflate", cut{fin: true, rsv: 4, op: OpText, unmasked: true}.bytes(), 1002},
		{"reserved opcode", fromServer1(3, ""), 1002},
		{"length not minimal", cut{fin: true, op: OpBinary, lenBytes: 8, unmasked: true, payload: "a"}.bytes(), 1002},
		{"continuation of nothing", fromServer1(0, "a"), 1002},
		{"not UTF-8", fromServer1(OpText, "\xff"), 1007},
		{"close code 1006", closeFromServer(1006, ""), 1002},
		{"too big", cut{fin: true, op: OpBinary, unmasked: true, announce: 1 << 40}.bytes(), 1009},
	} {
		t.Run(c.name, func(t *testing.T) {
			answered := make(chan struct{})
			addr := script(t, func(p *peer) {
				defer close(answered)
				p.send(p.good("") + string(join(c.stream, fromServer1(OpText, "after"))))
				p.wantClose(c.code)
				p.waitEOF()
			})
			in := newInbox()
			client := dialed(t, "ws://"+addr, in)
			wait(t, "close frame", answered)
			if got := wait(t, "OnClose", in.closed); got.code != c.code || got.reason == "" {
				t.Errorf("OnClose got %v %q", got.code, got.reason)
			}
			wait(t, "end of the client", client.Done())
			if !errors.Is(client.Err(), &CloseError{Code: c.code}) || len(in.messages) > 0 {
				t.Error(client.Err(), len(in.messages))
			}
		})
	}
}
