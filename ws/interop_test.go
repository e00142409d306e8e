package ws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	stdhttp "net/http"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
)

var interopSizes = []int{0, 1, 125, 126, 65535, 65536, 1 << 20}

func randomBytes(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(rand.Uint32())
	}
	return p
}

// TestGorilla talks to gorilla's client: messages in one frame and in many,
// pings in between, subprotocol, both closing handshakes.
func TestGorilla(t *testing.T) {
	rec := newRecorder()
	addr := start(t, rec, WithSubprotocols("chat"))
	for _, writeBuffer := range []int{0, 512} { // 512: long messages are fragmented
		dialer := gorilla.Dialer{
			Subprotocols: []string{"other", "chat"}, EnableCompression: true,
			WriteBufferSize: writeBuffer, HandshakeTimeout: patience, TLSClientConfig: trusting(),
		}
		c, _, err := dialer.Dial(urlOf(addr)+"/ws", stdhttp.Header{"Origin": {"http://" + addr}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		server := wait(t, "OnOpen", rec.opened)
		if c.Subprotocol() != "chat" || server.Subprotocol() != "chat" {
			t.Errorf("subprotocols %q, %q", c.Subprotocol(), server.Subprotocol())
		}
		pongs := make(chan string, 10)
		c.SetPongHandler(func(s string) error { pongs <- s; return nil })
		for _, n := range interopSizes {
			for op, p := range map[int][]byte{
				gorilla.BinaryMessage: randomBytes(n),
				gorilla.TextMessage:   []byte(strings.Repeat("µ", n/2)),
			} {
				w, err := c.NextWriter(op)
				if err != nil {
					t.Fatal(err)
				}
				half := len(p) / 2
				if _, err := w.Write(p[:half]); err != nil {
					t.Fatal(err)
				}
				if err := c.WriteControl(gorilla.PingMessage, []byte("ping"), time.Now().Add(patience)); err != nil {
					t.Fatal(err)
				}
				_, err = w.Write(p[half:])
				if err := errors.Join(err, w.Close()); err != nil {
					t.Fatal(err)
				}
				gotOp, got, err := c.ReadMessage()
				if err != nil || gotOp != op || !bytes.Equal(got, p) {
					t.Fatalf("%d bytes: op %d, %d bytes, %v", n, gotOp, len(got), err)
				}
				if s := wait(t, "pong", pongs); s != "ping" {
					t.Errorf("pong %q", s)
				}
			}
		}
		if err := c.WriteControl(gorilla.CloseMessage, gorilla.FormatCloseMessage(4001, "bye"), time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.ReadMessage(); !gorilla.IsCloseError(err, 4001) {
			t.Error(err)
		}
		if got := wait(t, "OnClose", rec.closed); got.code != 4001 || got.reason != "bye" {
			t.Errorf("OnClose got %v %q", got.code, got.reason)
		}
	}
	dialer := gorilla.Dialer{TLSClientConfig: trusting(), HandshakeTimeout: patience}
	c, _, err := dialer.Dial(urlOf(addr)+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := wait(t, "OnOpen", rec.opened).Close(CodeServiceRestart, "later"); err != nil {
		t.Fatal(err)
	}
	var closed *gorilla.CloseError
	if _, _, err := c.ReadMessage(); !errors.As(err, &closed) || closed.Code != 1012 || closed.Text != "later" {
		t.Error(err)
	}
	if got := wait(t, "OnClose", rec.closed); got.code != CodeServiceRestart {
		t.Errorf("OnClose got %v %q", got.code, got.reason)
	}
}

// TestCoder talks to coder's client, with each of its compression modes offered.
func TestCoder(t *testing.T) {
	rec := newRecorder()
	addr := start(t, rec, WithSubprotocols("chat"))
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	transport := &stdhttp.Transport{TLSClientConfig: trusting()}
	defer transport.CloseIdleConnections()
	for _, mode := range []coder.CompressionMode{coder.CompressionDisabled, coder.CompressionContextTakeover, coder.CompressionNoContextTakeover} {
		c, resp, err := coder.Dial(ctx, urlOf(addr)+"/ws", &coder.DialOptions{
			HTTPClient:   &stdhttp.Client{Transport: transport},
			Subprotocols: []string{"chat"}, CompressionMode: mode,
			HTTPHeader: stdhttp.Header{"Origin": {"http://" + addr}},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		c.SetReadLimit(-1)
		if c.Subprotocol() != "chat" || resp.Header.Get("Sec-WebSocket-Extensions") != "" {
			t.Error(resp.Header)
		}
		for _, n := range interopSizes {
			p := randomBytes(n)
			if err := c.Write(ctx, coder.MessageBinary, p); err != nil {
				t.Fatal(err)
			}
			op, got, err := c.Read(ctx)
			if err != nil || op != coder.MessageBinary || !bytes.Equal(got, p) {
				t.Fatalf("%d bytes: op %d, %d bytes, %v", n, op, len(got), err)
			}
			w, err := c.Writer(ctx, coder.MessageText) // a frame for each Write
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Repeat("x", n)
			for i := 0; i < n; i += max(1, n/3) {
				if _, err := io.WriteString(w, text[i:min(n, i+max(1, n/3))]); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if op, got, err := c.Read(ctx); err != nil || op != coder.MessageText || string(got) != text {
				t.Fatalf("%d bytes: op %d, %d bytes, %v", n, op, len(got), err)
			}
		}
		pinged := make(chan error, 1)
		reading := c.CloseRead(ctx) // coder handles pongs only while somebody reads
		go func() { pinged <- c.Ping(ctx) }()
		if err := wait(t, "pong", pinged); err != nil {
			t.Error(err)
		}
		if err := c.Close(4002, "done"); err != nil {
			t.Error(fmt.Errorf("mode %v: %w", mode, err))
		}
		if got := wait(t, "OnClose", rec.closed); got.code != 4002 || got.reason != "done" {
			t.Errorf("OnClose got %v %q", got.code, got.reason)
		}
		wait(t, "end of CloseRead", reading.Done())
	}
	_, resp, err := coder.Dial(ctx, urlOf(addr)+"/ws", &coder.DialOptions{
		HTTPClient: &stdhttp.Client{Transport: transport},
		HTTPHeader: stdhttp.Header{"Origin": {"http://evil.example"}},
	})
	if err == nil || resp == nil || resp.StatusCode != 403 {
		t.Error("cross-origin:", resp, err)
	}
}
