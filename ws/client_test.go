package ws

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	stdhttp "net/http"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// client is a WebSocket client that sends whatever bytes it is told to, and is
// strict about what it gets.
type client struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

const opening = "GET /ws HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

func connect(t testing.TB, addr string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn = clientSide(conn)
	conn.SetDeadline(time.Now().Add(2 * patience))
	return &client{t, conn, bufio.NewReader(conn)}
}

// dial opens a WebSocket, with data in the segment of the request.
func dial(t testing.TB, addr string, data ...byte) *client {
	t.Helper()
	c := connect(t, addr)
	c.write(append([]byte(opening+"\r\n"), data...))
	if resp := c.response(); resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatal(resp.Status, resp.Header)
	}
	return c
}

func (c *client) write(p []byte) {
	c.t.Helper()
	if _, err := c.Write(p); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) response() *stdhttp.Response {
	c.t.Helper()
	resp, err := stdhttp.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp
}

// frame reads one frame, which must be whole, unmasked, without RSV and with the
// shortest length.
func (c *client) frame() (op ws.OpCode, payload []byte, err error) {
	c.SetDeadline(time.Now().Add(2 * patience)) // for each, on a machine that is busy
	var head [2]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return 0, nil, err
	}
	if head[0]&0xf0 != 0x80 || head[1]&0x80 != 0 {
		return 0, nil, errors.New("bad frame header")
	}
	n := uint64(head[1])
	switch n {
	case 126:
		var ext [2]byte
		if _, err := io.ReadFull(c.r, ext[:]); err != nil {
			return 0, nil, err
		}
		if n = uint64(binary.BigEndian.Uint16(ext[:])); n < 126 {
			return 0, nil, errors.New("length is not minimal")
		}
	case 127:
		var ext [8]byte
		if _, err := io.ReadFull(c.r, ext[:]); err != nil {
			return 0, nil, err
		}
		if n = binary.BigEndian.Uint64(ext[:]); n <= 0xffff {
			return 0, nil, errors.New("length is not minimal")
		}
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(c.r, payload)
	return ws.OpCode(head[0] & 0x0f), payload, err
}

// want reads one frame, which must be this one.
func (c *client) want(op ws.OpCode, payload string) {
	c.t.Helper()
	gotOp, got, err := c.frame()
	if err != nil || gotOp != op || string(got) != payload {
		c.t.Fatalf("op %d, %d bytes %.60q, %v; want op %d, %d bytes %.60q", gotOp, len(got), got, err, op, len(payload), payload)
	}
}

// wantClose reads the close frame and then the end of the stream. CodeAbnormal
// is the end without a frame.
func (c *client) wantClose(code Code) {
	c.t.Helper()
	if code != CodeAbnormal {
		op, p, err := c.frame()
		if err != nil || op != ws.OpClose {
			c.t.Fatalf("op %d, %.60q, %v; want close %d", op, p, err, code)
		}
		if got, _, err := parseCloseBody(p); err != nil || got != code {
			c.t.Fatalf("closed with %v (%q), %v; want %v", got, p, err, code)
		}
	}
	if rest, err := io.ReadAll(c.r); len(rest) > 0 || err != nil && code != CodeAbnormal {
		c.t.Fatalf("%q after the close frame, %v", rest, err)
	}
}

func (c *client) wantEOF() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.r); len(rest) > 0 || err != nil {
		c.t.Fatalf("%.60q and %v, want the end", rest, err)
	}
}

func (c *client) closeWrite() {
	c.t.Helper()
	if err := closeWriting(c.Conn); err != nil {
		c.t.Fatal(err)
	}
}
