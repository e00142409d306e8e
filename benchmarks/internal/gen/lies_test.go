package gen

import (
	"bufio"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// A server that lies is caught by its first answer.
func TestHTTPLies(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
	tests := []struct {
		name, answer, want string // "" is no fault
	}{
		{"the truth", head + "hello", ""},
		{"another status", "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello", "status 404"},
		{"another byte", head + "hellO", `"hellO" is not "hello"`},
		{"a byte less", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhell", "4 bytes, want 5"},
		{"a byte more", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello!", "6 bytes, want 5"},
		{"more than it says", head + "hello!", "unasked"},
		{"twice", strings.Repeat(head+"hello", 2), "unasked"},
		{"no length", "HTTP/1.1 200 OK\r\n\r\nhello", "no Content-Length"},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "no Content-Length"},
		{"the last answer", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", "closes"},
		{"no HTTP", "hello\r\n\r\n", "malformed"},
		{"no end of the head", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxHead), "no end of the head"},
		{"the end", "", "closed a connection"},
		{"half", head + "hel", "no further connection"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEngine(t)
			if tt.name == "half" {
				e.patience = 50 * time.Millisecond
			}
			j := brief(Job{Kind: Closed, Addr: pretend(t, answering(tt.answer)), Path: "/", Want: []byte("hello"), Connections: 2})
			_, err := e.Run(t.Context(), j, nil)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// Each exchange is one message on one connection, "to and fro".
func TestWebSocketLies(t *testing.T) {
	const message = "to and fro"
	tests := []struct {
		name   string
		answer func(string) []byte
		want   string
	}{
		{"echo", func(m string) []byte { return frame(opBinary, m) }, ""},
		{"fragments", func(string) []byte { return []byte("\x02\x02to\x80\x08 and fro") }, ""},
		{"ping before", func(m string) []byte { return append(frame(opPing, "there?"), frame(opBinary, m)...) }, ""},
		{"another byte", func(string) []byte { return frame(opBinary, "to and frO") }, "is not"},
		{"a byte less", func(string) []byte { return frame(opBinary, "to and fr") }, "9 bytes or more, want 10"},
		{"a byte more", func(string) []byte { return frame(opBinary, "to and fro!") }, "11 bytes or more, want 10"},
		{"text", func(m string) []byte { return frame(1, m) }, "opcode 1"},
		{"twice", func(m string) []byte { return append(frame(opBinary, m), frame(opBinary, m)...) }, "unasked"},
		{"nothing", func(string) []byte { return []byte{} }, "no further connection"},
		{"half", func(m string) []byte { return frame(opBinary, m)[:4] }, "no further connection"},
		{"end", func(string) []byte { return nil }, "closed a connection"},
		{"close frame", func(string) []byte { return frame(opClose, "") }, "close frame"},
		{"no frame", func(string) []byte { return []byte("\xc2\x00") }, "reserved bit"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEngine(t)
			if strings.HasPrefix(tt.want, "no further") {
				e.patience = 50 * time.Millisecond
			}
			j := Job{Kind: IdleEcho, Addr: pretend(t, conversing(tt.answer)), Path: "/ws", Body: []byte(message), Levels: []int{1}}
			_, err := e.Run(t.Context(), j, nil)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// A lie that comes later than the first answer is caught as well.
func TestLaterLies(t *testing.T) {
	n := 0
	later := func(m string) []byte {
		if n++; n > 20 {
			return frame(opBinary, strings.ToUpper(m))
		}
		return frame(opBinary, m)
	}
	j := Job{Kind: Echo, Addr: pretend(t, conversing(later)), Path: "/ws", Body: []byte("to and fro"), Connections: 1, Time: time.Hour}
	if _, err := newEngine(t).Run(t.Context(), j, nil); err == nil || !strings.Contains(err.Error(), "is not") {
		t.Errorf("%v", err)
	}
}

// Whoever does not shake hands is told of.
func TestNoHandshake(t *testing.T) {
	for answer, want := range map[string]string{
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n":                                                                     "status 200",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n": `Accept "x"`,
	} {
		j := Job{Kind: IdleEcho, Addr: pretend(t, answering(answer)), Path: "/ws", Body: []byte("to and fro"), Levels: []int{1}}
		if _, err := newEngine(t).Run(t.Context(), j, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// A server that does not close after our FIN is told of.
func TestChurnAwaitsTheClose(t *testing.T) {
	left := make(chan struct{})
	stay := func(c net.Conn, in *bufio.Reader) error {
		err := answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")(c, in)
		<-left
		return err
	}
	addr := pretend(t, stay)
	defer close(left)
	e := newEngine(t)
	e.patience = 50 * time.Millisecond
	j := Job{Kind: Churn, Addr: addr, Path: "/", Want: []byte("ok"), Connections: 1, Time: time.Hour}
	if _, err := e.Run(t.Context(), j, nil); !errors.Is(err, reactor.ErrLinger) {
		t.Errorf("%v, want %v", err, reactor.ErrLinger)
	}
}
