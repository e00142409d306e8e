package ws

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/reactor"
	"github.com/gobwas/ws"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// start serves h on a free port until the test ends.
func start(t testing.TB, h Handler, opts ...EndpointOption) string {
	t.Helper()
	return startServer(t, &http.Server{Handler: Endpoint(h, opts...)})
}

func startServer(t testing.TB, s *http.Server) string {
	t.Helper()
	if overTLS {
		return startTLS(t, s)
	}
	return startOn(t, s, s.Listen)
}

func startOn(t testing.TB, s *http.Server, listen func(string, ...http.ListenOption) (reactor.InetAddress, error)) string {
	t.Helper()
	addr, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil && !errors.Is(err, http.ErrServerClosed) {
			t.Error("shutdown:", err)
		}
	})
	return addr.String()
}

// recorder is a handler that echoes and lets tests see what happened.
type recorder struct {
	onOpen    func(*Conn)
	onMessage func(*Conn, Op, []byte) // nil: echo
	onClose   func(*Conn, Code, string)
	opened    chan *Conn
	closed    chan closeEvent
}

type closeEvent struct {
	conn   *Conn
	code   Code
	reason string
}

func newRecorder() *recorder {
	return &recorder{opened: make(chan *Conn, 1000), closed: make(chan closeEvent, 1000)}
}

func (r *recorder) OnOpen(c *Conn) {
	if r.onOpen != nil {
		r.onOpen(c)
	}
	r.opened <- c
}

func (r *recorder) OnMessage(c *Conn, op Op, p []byte) {
	if r.onMessage != nil {
		r.onMessage(c, op, p)
		return
	}
	c.Send(op, p)
}

func (r *recorder) OnClose(c *Conn, code Code, reason string) {
	r.closed <- closeEvent{c, code, reason}
	if r.onClose != nil {
		r.onClose(c, code, reason)
	}
}

func wait[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s in %v", what, patience)
		panic("unreachable")
	}
}

// served checks that a fresh connection works.
func served(t testing.TB, addr string) {
	t.Helper()
	c := dial(t, addr)
	c.write(join(text("still there?"), closing1(1000, "")))
	c.want(ws.OpText, "still there?")
	c.wantClose(1000)
}

func TestHandshake(t *testing.T) {
	rec := newRecorder()
	addr := start(t, rec, WithSubprotocols("v2", "v1"), WithOrigins("https://app.example"))
	good := opening
	for _, c := range []struct {
		name, request string
		status        int
		header        string // one of the answer, "Name: value"
	}{
		{"good", good, 101, "Upgrade: websocket"},
		{"same origin", good + "Origin: http://example.com\r\n", 101, ""},
		{"allowed origin", good + "Origin: https://app.example\r\n", 101, ""},
		{"other origin", good + "Origin: http://evil.example\r\n", 403, ""},
		{"subprotocol", good + "Sec-WebSocket-Protocol: v1, v2\r\n", 101, "Sec-WebSocket-Protocol: v2"},
		{"unknown subprotocol", good + "Sec-WebSocket-Protocol: v3\r\n", 101, "Sec-WebSocket-Protocol: "},
		{"unknown extension", good + "Sec-WebSocket-Extensions: x-foo; bar=\"baz\r\n", 101, "Sec-WebSocket-Extensions: "},
		{"deflate with a parameter nobody knows", good + "Sec-WebSocket-Extensions: permessage-deflate; level=9\r\n", 101, "Sec-WebSocket-Extensions: "},
		{"version 12", strings.Replace(good, ": 13", ": 12", 1), 426, "Sec-WebSocket-Version: 13"},
		{"short key", strings.Replace(good, "dGhl", "", 1), 400, ""},
		{"POST", strings.Replace(good, "GET", "POST", 1) + "Content-Length: 0\r\n", 405, "Allow: GET"},
		{"a browser's GET", "GET /ws HTTP/1.1\r\nHost: example.com\r\n", 426, "Upgrade: websocket"},
		{"HTTP/1.0", strings.Replace(good, "HTTP/1.1", "HTTP/1.0", 1), 400, ""},
		{"HEAD", strings.Replace(good, "GET", "HEAD", 1), 405, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := connect(t, addr)
			conn.write([]byte(c.request + "\r\n"))
			resp := conn.response()
			name, value, _ := strings.Cut(c.header, ": ")
			if resp.StatusCode != c.status || name != "" && resp.Header.Get(name) != value {
				t.Fatal(resp.Status, resp.Header)
			}
			if resp.StatusCode == 101 {
				if cl := resp.Header["Content-Length"]; cl != nil || resp.Header["Transfer-Encoding"] != nil {
					t.Error("101 has a body:", resp.Header)
				}
				server := wait(t, "OnOpen", rec.opened)
				if server.Subprotocol() != resp.Header.Get("Sec-Websocket-Protocol") {
					t.Errorf("Subprotocol %q", server.Subprotocol())
				}
				if got, want := server.RemoteAddr().String(), conn.LocalAddr().String(); got != want {
					t.Errorf("RemoteAddr %s, want %s", got, want)
				}
			}
			served(t, addr)
			wait(t, "OnOpen", rec.opened)
		})
	}
}

// TestHandshakeSplit sends the request and a first message cut at every byte:
// what follows the request in its segment is answered like all else.
func TestHandshakeSplit(t *testing.T) {
	addr := start(t, newRecorder())
	all := join([]byte(opening+"\r\n"), text("early"), more(ws.OpText, "la"), ping("p"), last("ter"))
	for i := 1; i <= len(all); i++ {
		c := connect(t, addr)
		c.write(all[:i])
		c.write(all[i:])
		if resp := c.response(); resp.StatusCode != 101 {
			t.Fatal(i, resp.Status)
		}
		c.want(ws.OpText, "early")
		c.want(ws.OpPong, "p")
		c.want(ws.OpText, "later")
		c.Close()
	}
}

// TestGreeting checks that what OnOpen sends comes first, also before the answer
// to what came with the request.
func TestGreeting(t *testing.T) {
	rec := newRecorder()
	rec.onOpen = func(c *Conn) { c.Send(OpText, []byte("welcome")) }
	c := dial(t, start(t, rec), text("hello")...)
	c.want(ws.OpText, "welcome")
	c.want(ws.OpText, "hello")
}

func TestEcho(t *testing.T) {
	addr := start(t, newRecorder())
	c := dial(t, addr)
	for _, n := range []int{0, 1, 125, 126, 127, 128, 65535, 65536, 65537, 1 << 20, 16 << 20} {
		payload := strings.Repeat("x", n)
		if overTLS && n > 1<<20 {
			break // poisoning that takes long
		}
		go c.Write(join(text(payload), binary1(payload)))
		c.want(ws.OpText, payload)
		c.want(ws.OpBinary, payload)
	}
	served(t, addr)
}

// TestViolations sends what must not be sent, and expects the code that RFC 6455
// section 7.4 names, on the wire and in OnClose, and that nobody else notices.
func TestViolations(t *testing.T) {
	rec := newRecorder()
	addr := start(t, rec, WithMaxMessage(1000), WithMaxFragments(10))
	served(t, addr)
	wait(t, "OnClose", rec.closed)
	for _, c := range []struct {
		name   string
		stream []byte
		code   Code
	}{
		{"unmasked", cut{fin: true, op: ws.OpText, payload: "a", unmasked: true}.bytes(), 1002},
		{"top bit of the length", cut{fin: true, op: ws.OpBinary, lenBytes: 8, announce: -1}.bytes(), 1002},
		{"length not minimal", cut{fin: true, op: ws.OpBinary, lenBytes: 2, payload: "a"}.bytes(), 1002},
		{"control frame fragmented", more(ws.OpPing, "a"), 1002},
		{"control frame of 126", ping(strings.Repeat("x", 126)), 1002},
		{"RSV1", cut{fin: true, rsv: 4, op: ws.OpText, payload: "a"}.bytes(), 1002},
		{"RSV1 on a ping", cut{fin: true, rsv: 4, op: ws.OpPing}.bytes(), 1002},
		{"RSV1 on a continuation", join(more(ws.OpText, "a"), cut{fin: true, rsv: 4, payload: "b"}.bytes()), 1002},
		{"reserved opcode", whole1(5, "a"), 1002},
		{"continuation of nothing", last("a"), 1002},
		{"message inside a message", join(more(ws.OpText, "a"), text("b")), 1002},
		{"not UTF-8", text("\xff"), 1007},
		{"not UTF-8, the frame is not whole", text("a\xffbcdef")[:10], 1007},
		{"not UTF-8 across fragments", join(more(ws.OpText, "\xe2"), cont("a")), 1007},
		{"close code 1005", closing1(1005, ""), 1002},
		{"close code 999", closing1(999, ""), 1002},
		{"close code 5000", closing1(5000, ""), 1002},
		{"close of one byte", whole1(ws.OpClose, "a"), 1002},
		{"close reason not UTF-8", closing1(1000, "\xff"), 1007},
		{"endless empty fragments", join(more(ws.OpText, ""), bytes.Repeat(cont(""), 1000)), 1008},
		{"too big, announced only", cut{fin: true, op: ws.OpText, announce: 1001}.bytes(), 1009},
		{"a terabyte, announced only", cut{fin: true, op: ws.OpText, announce: 1 << 40}.bytes(), 1009},
		{"too big in all", join(more(ws.OpText, strings.Repeat("x", 600)), last(strings.Repeat("x", 600))), 1009},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := dial(t, addr)
			conn.write(join(text("before"), c.stream, text("after")))
			conn.want(ws.OpText, "before")
			conn.wantClose(c.code)
			if got := wait(t, "OnClose", rec.closed); got.code != c.code || got.reason == "" {
				t.Errorf("OnClose got %v %q", got.code, got.reason)
			}
			served(t, addr)
			wait(t, "OnClose", rec.closed)
		})
	}
}

// TestSendOrder has many goroutines send at once: every frame arrives whole, and
// those of one goroutine in their order.
func TestSendOrder(t *testing.T) {
	const senders, each = 8, 400
	rec := newRecorder()
	c := dial(t, start(t, rec))
	server := wait(t, "OnOpen", rec.opened)
	var group sync.WaitGroup
	for s := range senders {
		group.Go(func() {
			for i := range each {
				p := bytes.Repeat([]byte{byte(s)}, 4+i*13)
				binary.BigEndian.PutUint16(p[2:], uint16(i))
				if err := server.Send(OpBinary, p); err != nil {
					t.Error(err)
				}
				clear(p) // Send has copied it
			}
		})
	}
	var next [senders]int
	for range senders * each {
		op, p, err := c.frame()
		if err != nil || op != ws.OpBinary {
			t.Fatal(op, err)
		}
		s, i := int(p[0]), int(binary.BigEndian.Uint16(p[2:]))
		if i != next[s] || !bytes.Equal(p[4:], bytes.Repeat([]byte{byte(s)}, i*13)) {
			t.Fatalf("sender %d: message %d of %d bytes, want %d", s, i, len(p), next[s])
		}
		next[s]++
	}
	group.Wait()
	if err := server.Send(ws.OpPing, nil); !errors.Is(err, ErrBadOp) {
		t.Error("Send of a ping:", err)
	}
}

func TestValue(t *testing.T) {
	rec := newRecorder()
	rec.onOpen = func(c *Conn) {
		if c.Value() != nil {
			t.Error(c.Value())
		}
		c.SetValue(7)
	}
	rec.onMessage = func(c *Conn, op Op, p []byte) {
		c.SetValue(c.Value().(int) + len(p))
		c.Send(op, p)
	}
	c := dial(t, start(t, rec), text("abc")...)
	c.want(ws.OpText, "abc")
	if v := wait(t, "OnOpen", rec.opened).Value(); v != 10 {
		t.Error(v)
	}
}

// TestHandshakeBehindOthers pipelines so many other requests before the
// handshake that HTTP puts off parsing it until their answers have left. What
// came behind it is answered all the same.
func TestHandshakeBehindOthers(t *testing.T) {
	c := connect(t, start(t, newRecorder()))
	const others = 1000
	plain := "GET /ws HTTP/1.1\r\nHost: example.com\r\n\r\n"
	c.write(join([]byte(strings.Repeat(plain, others)+opening+"\r\n"), text("early")))
	for i := range others {
		resp := c.response()
		if resp.StatusCode != 426 {
			t.Fatal(i, resp.Status)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
	}
	if resp := c.response(); resp.StatusCode != 101 {
		t.Fatal(resp.Status)
	}
	c.want(ws.OpText, "early")
}
