package proxy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/proxy"
	"github.com/carillon-go/carillon/ws"
)

type echo struct{ ws.NopHandler }

func (echo) OnMessage(c *ws.Conn, op ws.Op, p []byte) { c.Send(op, p) }

func TestWebSocketThroughTheProxy(t *testing.T) {
	app := http.New()
	app.Get("/ws", ws.Endpoint(echo{}), http.Inline)
	back := run(t, app)
	c, res, err := websocket.DefaultDialer.Dial("ws://"+front(t, "http://"+back)+"/ws", nil)
	if err != nil {
		t.Fatalf("%v, %v", err, res)
	}
	defer c.Close()
	for _, size := range []int{0, 1, 1000, 70_000, 1 << 20} {
		sent := bytes.Repeat([]byte("x"), size)
		if err := c.WriteMessage(websocket.BinaryMessage, sent); err != nil {
			t.Fatal(err)
		}
		if _, got, err := c.ReadMessage(); err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("%d bytes came back as %d, %v", size, len(got), err)
		}
	}
	if err := c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "bye")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.ReadMessage(); !websocket.IsCloseError(err, 1000) {
		t.Errorf("the end is %v", err)
	}
}

// switching is an upstream that speaks an own protocol after an upgrade.
func switching(then func(c net.Conn, r *bufio.Reader)) func(c net.Conn, r *bufio.Reader) {
	return func(c net.Conn, r *bufio.Reader) {
		if req, err := nethttp.ReadRequest(r); err != nil || req.Header.Get("Upgrade") != "bells" || req.Header.Get("Connection") != "Upgrade" {
			io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
			return
		}
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: bells\r\nConnection: Upgrade\r\n\r\nhello ")
		then(c, r)
	}
}

const upgrade = "GET / HTTP/1.1\r\nHost: s\r\nConnection: upgrade\r\nUpgrade: bells\r\n\r\n"

// Each side may end its stream and still hear the other.
func TestTunnelHalfCloses(t *testing.T) {
	addr := front(t, scripted(t, switching(func(c net.Conn, r *bufio.Reader) {
		all, _ := io.ReadAll(r) // up to the client's end
		fmt.Fprintf(c, "got %d", len(all))
	})))
	c := dial(t, addr)
	io.WriteString(c, upgrade)
	in := bufio.NewReader(c)
	res, err := nethttp.ReadResponse(in, nil)
	if err != nil || res.StatusCode != 101 || res.Header.Get("Upgrade") != "bells" {
		t.Fatalf("%v, %v", res, err)
	}
	const size = 5 << 20
	if _, err := c.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if all, err := io.ReadAll(in); err != nil || string(all) != fmt.Sprintf("hello got %d", size) {
		t.Errorf("%q, %v", all, err)
	}
}

// What the client has sent behind its request in the same segment belongs to the tunnel.
func TestTunnelTakesWhatCameEarly(t *testing.T) {
	addr := front(t, scripted(t, switching(func(c net.Conn, r *bufio.Reader) {
		line, _ := r.ReadString('\n')
		io.WriteString(c, line)
	})))
	c := dial(t, addr)
	io.WriteString(c, upgrade+"early\n")
	in := bufio.NewReader(c)
	if res, err := nethttp.ReadResponse(in, nil); err != nil || res.StatusCode != 101 {
		t.Fatalf("%v, %v", res, err)
	}
	if all, err := io.ReadAll(in); err != nil || string(all) != "hello early\n" {
		t.Errorf("%q, %v", all, err)
	}
}

func TestTunnelTimeout(t *testing.T) {
	addr := front(t, scripted(t, switching(func(c net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) })), proxy.WithTunnelTimeout(50_000_000))
	c := dial(t, addr)
	io.WriteString(c, upgrade)
	in := bufio.NewReader(c)
	if res, err := nethttp.ReadResponse(in, nil); err != nil || res.StatusCode != 101 {
		t.Fatalf("%v, %v", res, err)
	}
	if all, _ := io.ReadAll(in); string(all) != "hello " {
		t.Errorf("%q", all)
	}
}
