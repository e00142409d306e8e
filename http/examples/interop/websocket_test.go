package interop

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"io"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// gorillaEcho is the server of gorilla's own example.
func gorillaEcho(t testing.TB) nethttp.Handler {
	upgrader := websocket.Upgrader{}
	return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		conn, err := upgrader.Upgrade(w, r, nethttp.Header{"X-Upgraded": {"yes"}})
		if err != nil {
			t.Logf("upgrade: %v", err)
			return
		}
		defer conn.Close()
		for {
			typ, p, err := conn.ReadMessage()
			if err != nil {
				if !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
					t.Errorf("server: %v", err)
				}
				return
			}
			if err := conn.WriteMessage(typ, p); err != nil {
				t.Errorf("server: %v", err)
				return
			}
		}
	})
}

// echoes has the gorilla client talk to the WebSocket server at url.
func echoes(t *testing.T, url string) {
	t.Helper()
	conn, res, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(url, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 101 || res.Header.Get("X-Upgraded") != "yes" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
	for _, m := range []struct {
		typ int
		p   []byte
	}{{websocket.TextMessage, []byte("grüß Gott")}, {websocket.BinaryMessage, large}, {websocket.TextMessage, nil}} {
		if err := conn.WriteMessage(m.typ, m.p); err != nil {
			t.Fatal(err)
		}
		if typ, p, err := conn.ReadMessage(); err != nil || typ != m.typ || !bytes.Equal(p, m.p) {
			t.Fatalf("%d bytes of type %d came back of %d of type %d: %v", len(p), typ, len(m.p), m.typ, err)
		}
	}
	bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	if err := conn.WriteMessage(websocket.CloseMessage, bye); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Errorf("the end: %v", err)
	}
}

func TestGorillaWebSocket(t *testing.T) { echoes(t, serveHandler(t, gorillaEcho(t))) }

// A client that knows who it talks to sends its first messages without waiting for the 101.
func TestGorillaMessagesBehindHandshake(t *testing.T) {
	url := serveHandler(t, gorillaEcho(t))
	c, r := dial(t, url)
	const key = "dGhlIHNhbXBsZSBub25jZQ=="
	hello := "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + "\r\n\r\n"
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<14) // more than is read ahead
	go io.WriteString(c, hello+maskedText("first")+maskedText(string(large))+maskedText("third"))

	res, err := nethttp.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	if res.StatusCode != 101 || res.Header.Get("Sec-Websocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]) {
		t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	for _, want := range []string{"first", string(large), "third"} {
		if got := readText(t, r); got != want {
			t.Fatalf("%d bytes, want %d", len(got), len(want))
		}
	}
	if _, err := c.Write([]byte("\x88\x82\x00\x00\x00\x00\x03\xe8")); err != nil { // close, 1000
		t.Fatal(err)
	}
	if end, err := io.ReadAll(r); err != nil || string(end) != "\x88\x02\x03\xe8" {
		t.Errorf("the end: %q, %v", end, err)
	}
}

// maskedText is p as a client's text frame, RFC 6455 section 5.2. A mask of zeros leaves the payload as it is.
func maskedText(p string) string {
	b := []byte{0x81}
	switch {
	case len(p) < 126:
		b = append(b, 0x80|byte(len(p)))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(len(p)))
	}
	return string(append(b, 0, 0, 0, 0)) + p
}

// readText reads a server's text frame.
func readText(t testing.TB, r io.Reader) string {
	t.Helper()
	read := func(n uint64) []byte {
		p := make([]byte, n)
		if _, err := io.ReadFull(r, p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	head := read(2)
	n := uint64(head[1])
	switch n {
	case 126:
		n = uint64(binary.BigEndian.Uint16(read(2)))
	case 127:
		n = binary.BigEndian.Uint64(read(8))
	}
	if head[0] != 0x81 {
		t.Fatalf("frame %x, want text", head)
	}
	return string(read(n))
}

// What gorilla refuses is answered as it says, and the connection goes on.
func TestGorillaRefusesUpgrade(t *testing.T) {
	url := serveHandler(t, gorillaEcho(t))
	c, r := dial(t, url)
	for range 2 {
		send(t, c, "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: x\r\n\r\n")
		if res, _ := answer(t, r, "GET"); res.StatusCode != 400 || res.Header.Get("Sec-Websocket-Version") != "13" || res.Close {
			t.Errorf("%d %v", res.StatusCode, res.Header)
		}
	}
}
