package ws

import (
	"context"
	"errors"
	stdhttp "net/http"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
)

// dialGorilla opens a connection of gorilla's client, whose compression never keeps a
// window.
func dialGorilla(t *testing.T, addr string, compress bool) (*gorilla.Conn, dialogue, string) {
	t.Helper()
	dialer := gorilla.Dialer{EnableCompression: compress, HandshakeTimeout: patience}
	c, resp, err := dialer.Dial("ws://"+addr+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetReadDeadline(time.Now().Add(2 * patience))
	return c, gorillaDialogue(c), resp.Header.Get("Sec-WebSocket-Extensions")
}

func gorillaDialogue(c *gorilla.Conn) dialogue {
	return dialogue{
		send: func(op Op, parts ...[]byte) error {
			w, err := c.NextWriter(int(op))
			if err != nil {
				return err
			}
			for _, p := range parts { // it flushes when its buffer is full
				_, e := w.Write(p)
				err = errors.Join(err, e)
			}
			return errors.Join(err, w.Close())
		},
		receive: func() (Op, []byte, error) {
			op, p, err := c.ReadMessage()
			return Op(op), p, err
		},
	}
}

func coderDialogue(ctx context.Context, c *coder.Conn) dialogue {
	c.SetReadLimit(-1)
	return dialogue{
		send: func(op Op, parts ...[]byte) error {
			if len(parts) == 1 {
				return c.Write(ctx, coder.MessageType(op), parts[0])
			}
			w, err := c.Writer(ctx, coder.MessageType(op))
			if err != nil {
				return err
			}
			for _, p := range parts { // a frame for each
				_, e := w.Write(p)
				err = errors.Join(err, e)
			}
			return errors.Join(err, w.Close())
		},
		receive: func() (Op, []byte, error) {
			op, p, err := c.Read(ctx)
			return Op(op), p, err
		},
	}
}

const (
	noKeep  = pmd + noContext
	small10 = "; server_max_window_bits=10"
)

// smallWindows is 10 bits from the server, 11 from the client.
var smallWindows = &Deflate{ContextTakeover: true, ServerWindowBits: 10, ClientWindowBits: 11, Threshold: -1}

// TestGorillaDeflate has gorilla's client inflate what we compress, and the reverse.
func TestGorillaDeflate(t *testing.T) {
	for _, c := range []struct {
		name     string
		deflate  *Deflate
		compress bool
		answer   string
		agreed   string
		big      bool
	}{
		{"not here", nil, true, "", "", true},
		{"not there", &Deflate{}, false, "", "", false},
		{"as by default", &Deflate{}, true, noKeep, "15 15", true},
		{"no takeover offered", &Deflate{ContextTakeover: true, Threshold: -1}, true, noKeep, "15 15", false},
		{"level 9", &Deflate{Level: 9, Threshold: -1}, true, noKeep, "15 15", false},
		{"small windows", smallWindows, true, noKeep + small10, "10 15", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := newRecorder()
			addr := start(t, rec, withDeflate(c.deflate))
			client, d, answer := dialGorilla(t, addr, c.compress)
			if got := agreedBy(wait(t, "OnOpen", rec.opened)); answer != c.answer || got != c.agreed {
				t.Fatalf("%q, %q", answer, got)
			}
			d.hold(t, deflateSizes...)
			if c.big {
				d.holdBig(t)
			}
			bye := gorilla.FormatCloseMessage(4001, "bye")
			if err := client.WriteControl(gorilla.CloseMessage, bye, time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			if _, _, err := client.ReadMessage(); !gorilla.IsCloseError(err, 4001) {
				t.Error(err)
			}
			if got := wait(t, "OnClose", rec.closed); got.code != 4001 || got.reason != "bye" {
				t.Errorf("OnClose got %v %q", got.code, got.reason)
			}
		})
	}
}

// TestCoderDeflate is the same with coder's, which can keep windows, of 15 bits only.
func TestCoderDeflate(t *testing.T) {
	takeover := &Deflate{ContextTakeover: true, Threshold: -1}
	for _, c := range []struct {
		name    string
		deflate *Deflate
		mode    coder.CompressionMode
		answer  string
		agreed  string
		big     bool
	}{
		{"not here", nil, keep, "", "", false},
		{"not there", &Deflate{}, off, "", "", false},
		{"no takeover here", &Deflate{}, keep, noKeep, "15 15", false},
		{"no takeover there", takeover, drop, noKeep, "15 15", false},
		{"takeover", takeover, keep, pmd, "15+ 15+", true},
		{"takeover by level 9", &Deflate{ContextTakeover: true, Level: 9}, keep, pmd, "15+ 15+", false},
		{"small windows", smallWindows, keep, pmd + noClient + small10, "10+ 15", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := newRecorder()
			addr := start(t, rec, withDeflate(c.deflate))
			ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
			defer cancel()
			transport := &stdhttp.Transport{}
			defer transport.CloseIdleConnections()
			client, resp, err := coder.Dial(ctx, "ws://"+addr+"/ws", &coder.DialOptions{
				HTTPClient: &stdhttp.Client{Transport: transport}, CompressionMode: c.mode,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer client.CloseNow()
			answer := resp.Header.Get("Sec-WebSocket-Extensions")
			if got := agreedBy(wait(t, "OnOpen", rec.opened)); answer != c.answer || got != c.agreed {
				t.Fatalf("%q, %q", answer, got)
			}
			d := coderDialogue(ctx, client)
			d.hold(t, deflateSizes...)
			if c.big {
				d.holdBig(t)
			}
			if err := client.Close(4002, "done"); err != nil {
				t.Error(err)
			}
			if got := wait(t, "OnClose", rec.closed); got.code != 4002 || got.reason != "done" {
				t.Errorf("OnClose got %v %q", got.code, got.reason)
			}
		})
	}
}
