package wsload

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/launch/launchtest"
)

// script is what a server does with the frames of one connection: it gets each
// message, unmasked, and returns the bytes to send; nil ends the connection.
type script func(message string) []byte

// pretend serves connections that answer pings and, to messages, what s says.
func pretend(t *testing.T, s script) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer c.Close()
				_ = converse(c, s) // the client leaves when it has seen enough
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		running.Wait()
	})
	return listener.Addr().String()
}

func converse(c net.Conn, s script) error {
	in := bufio.NewReader(c)
	r, err := http.ReadRequest(in)
	if err != nil {
		return err
	}
	if r.Header.Get("Sec-WebSocket-Key") != handshakeKey {
		return errors.New("another key")
	}
	if _, err := io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"); err != nil {
		return err
	}
	for {
		op, p, err := readMasked(in)
		if err != nil {
			return err
		}
		answer := append(appendHead(nil, opPong, len(p), 0), p...)
		if op == opPong {
			continue
		}
		if op != opPing {
			answer = s(string(p))
		}
		if answer == nil {
			return nil
		}
		if _, err := c.Write(answer); err != nil {
			return err
		}
	}
}

// readMasked reads a frame of at most 125 bytes of payload.
func readMasked(in io.Reader) (op byte, p []byte, err error) {
	head := make([]byte, 6)
	if _, err := io.ReadFull(in, head); err != nil {
		return 0, nil, err
	}
	p = make([]byte, head[1]&127)
	if _, err := io.ReadFull(in, p); err != nil {
		return 0, nil, err
	}
	mask(p)
	return head[0] & 15, p, nil
}

func frame(op byte, p string) []byte { return append(appendHead(nil, op, len(p), 0), p...) }

func newClient(t *testing.T, addr, path string, payload []byte) *Client {
	t.Helper()
	l, err := New(addr, path, payload)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// Each exchange is one message on one connection, "hello".
func TestFaultsAreCounted(t *testing.T) {
	const hello = "hello"
	tests := []struct {
		name   string
		answer script
		want   Faults
		reason string // part of that of a lost connection
	}{
		{"echo", func(m string) []byte { return frame(opBinary, m) }, Faults{}, ""},
		{"fragments", func(string) []byte { return []byte("\x02\x02he\x80\x03llo") }, Faults{}, ""},
		{"ping before", func(m string) []byte { return append(frame(opPing, "there?"), frame(opBinary, m)...) }, Faults{}, ""},
		{"another byte", func(string) []byte { return frame(opBinary, "hellO") }, Faults{Wrong: 1}, ""},
		{"a byte less", func(string) []byte { return frame(opBinary, "hell") }, Faults{Wrong: 1}, ""},
		{"a byte more", func(string) []byte { return frame(opBinary, "hello!") }, Faults{Wrong: 1}, ""},
		{"text", func(m string) []byte { return frame(1, m) }, Faults{Wrong: 1}, ""},
		{"twice", func(m string) []byte { return bytes.Repeat(frame(opBinary, m), 2) }, Faults{Wrong: 1}, ""},
		{"nothing", func(string) []byte { return []byte{} }, Faults{Missing: 1}, ""},
		{"half", func(m string) []byte { return frame(opBinary, m)[:4] }, Faults{Missing: 1}, ""},
		{"end", func(string) []byte { return nil }, Faults{Lost: 1}, "closed"},
		{"close frame", func(string) []byte { return frame(opClose, "") }, Faults{Lost: 1}, "close frame"},
		{"no frame", func(string) []byte { return []byte("\xc2\x00") }, Faults{Lost: 1}, "reserved bit"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newClient(t, pretend(t, tt.answer), "/ws", []byte(hello))
			if err := l.Grow(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			if tt.want.Missing > 0 {
				l.patience = 50 * time.Millisecond
			}
			if err := l.Exchange(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			got := l.Faults()
			if tt.reason != "" && (got.First == nil || !strings.Contains(got.First.Error(), tt.reason)) {
				t.Errorf("%v, want %q", got.First, tt.reason)
			}
			if got.First = nil; got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
			if (l.Faults().Err() == nil) != (tt.want == Faults{}) {
				t.Errorf("Err is %v", l.Faults().Err())
			}
		})
	}
}

// The load ends when nobody is left to drive, not when its time is over.
func TestEchoEndsWithItsConnections(t *testing.T) {
	l := newClient(t, pretend(t, func(string) []byte { return nil }), "/ws", []byte("x"))
	if err := l.Grow(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.Echo(t.Context(), 0, time.Hour, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	if got := l.Faults(); got.Lost != 3 {
		t.Errorf("%+v", got)
	}
}

func TestEchoEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l := newClient(t, pretend(t, func(m string) []byte { return frame(opBinary, m) }), "/ws", []byte("x"))
	if err := l.Grow(ctx, 3); err != nil {
		t.Fatal(err)
	}
	_, _, err := l.Echo(ctx, 0, time.Hour, func() error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestGrowTellsWhyItCannot(t *testing.T) {
	subject := launchtest.Subject(t)
	l := newClient(t, subject.Addr, "/plaintext", nil)
	if err := l.Grow(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "status 200") {
		t.Errorf("%v", err)
	}
	subject.Stop()
	if err := l.Grow(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("%v", err)
	}
	for _, addr := range []string{"localhost:80", "[::1]:80", "127.0.0.1"} {
		if l, err := New(addr, "/", nil); err == nil {
			l.Close()
			t.Errorf("%s is an address", addr)
		}
	}
}

func TestAgainstTheSubject(t *testing.T) {
	s := launchtest.Subject(t)
	windows := 0
	window := func() error { windows++; return nil }
	for _, size := range []int{1, 125, 1000, 64 << 10, 300 << 10} { // the last is above one read
		l := newClient(t, s.Addr, "/ws", bytes.Repeat([]byte("x"), size))
		const connections = 20
		if err := l.Grow(t.Context(), connections); err != nil {
			t.Fatal(err)
		}
		n, took, err := l.Echo(t.Context(), 10*time.Millisecond, 50*time.Millisecond, window)
		if err = errors.Join(err, l.Faults().Err()); err != nil || took < 50*time.Millisecond {
			t.Errorf("%d B: %d messages in %v, %v", size, n, took, err)
		}
		// On a slow machine all may come after the window, but they come.
		if l.messages < connections || l.messages < n {
			t.Errorf("%d B: %d messages came, %d of them in the window", size, l.messages, n)
		}
	}
	l := newClient(t, s.Addr, "/broadcast", bytes.Repeat([]byte("x"), 125))
	if err := l.Grow(t.Context(), 200); err != nil {
		t.Fatal(err)
	}
	before := l.messages
	took, err := l.Broadcast(t.Context(), 100*time.Millisecond, window)
	if err = errors.Join(err, l.Faults().Err()); err != nil || len(took) == 0 {
		t.Errorf("broadcasts %v, %v", took, err)
	}
	if got, want := l.messages-before, int64(200*(len(took)+warmUpBroadcasts)); got != want {
		t.Errorf("%d messages came, want %d", got, want)
	}
	if windows != 12 {
		t.Errorf("%d ends of windows, want 12", windows)
	}
}
