package ws

import (
	"bufio"
	"fmt"
	"io"
	"net"
	stdhttp "net/http"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// peer is a server's side of a connection that does what a test's script says.
type peer struct {
	t testing.TB
	net.Conn
	r   *bufio.Reader
	req *stdhttp.Request // the opening request
}

// script serves each connection to a free port by f, after it has read a request,
// until the test ends.
func script(t testing.TB, f func(*peer)) (addr string) {
	t.Helper()
	return scriptOn(t, listen(t, "127.0.0.1:0"), func(p *peer) {
		var err error
		if p.req, err = stdhttp.ReadRequest(p.r); err == nil {
			f(p)
		}
	})
}

func listen(t testing.TB, addr string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// scriptOn serves each connection to l by f.
func scriptOn(t testing.TB, l net.Listener, f func(*peer)) (addr string) {
	var group sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	group.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.SetDeadline(time.Now().Add(2 * patience))
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			group.Go(func() {
				conn := serverSide(conn)
				defer conn.Close()
				f(&peer{t: t, Conn: conn, r: bufio.NewReader(conn)})
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		group.Wait()
	})
	return l.Addr().String()
}

func (p *peer) send(s string) { io.WriteString(p, s) }

// good is the head of an answer that is in order, with more lines.
func (p *peer) good(lines string) string {
	return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		acceptKey(p.req.Header.Get("Sec-WebSocket-Key")) + "\r\n" + lines + "\r\n"
}

// frame reads a client's frame, which must be masked.
func (p *peer) frame() (ws.OpCode, string, error) {
	h, err := ws.ReadHeader(p.r)
	if err != nil {
		return 0, "", err
	}
	if !h.Masked || !h.Fin || h.Rsv != 0 {
		return 0, "", fmt.Errorf("a bad frame of a client: %+v", h)
	}
	payload := make([]byte, h.Length)
	_, err = io.ReadFull(p.r, payload)
	ws.Cipher(payload, h.Mask, 0)
	return h.OpCode, string(payload), err
}

func (p *peer) want(op ws.OpCode, payload string) {
	p.t.Helper()
	if gotOp, got, err := p.frame(); err != nil || gotOp != op || got != payload {
		p.t.Errorf("op %d %.60q, %v; want op %d %.60q", gotOp, got, err, op, payload)
	}
}

// wantClose reads frames up to a close frame with this code.
func (p *peer) wantClose(code Code) {
	p.t.Helper()
	for {
		op, body, err := p.frame()
		if err != nil {
			p.t.Errorf("%v, want close %v", err, code)
			return
		}
		if op == ws.OpClose {
			if got, _, err := parseCloseBody([]byte(body)); err != nil || got != code {
				p.t.Errorf("closed with %v, %v; want %v", got, err, code)
			}
			return
		}
	}
}

// waitEOF waits for the end of the stream.
func (p *peer) waitEOF() { io.Copy(io.Discard, p.r) }

// fromServer1 is a good frame of a server.
func fromServer1(op ws.OpCode, payload string) []byte {
	return cut{fin: true, op: op, payload: payload, unmasked: true}.bytes()
}

func closeFromServer(code Code, reason string) []byte {
	return fromServer1(ws.OpClose, string(appendCloseBody(nil, code, reason)))
}

// serveEcho answers messages, pings and the close frame.
func (p *peer) serveEcho() {
	for {
		op, payload, err := p.frame()
		if err != nil {
			return
		}
		switch op {
		case ws.OpClose:
			p.Write(fromServer1(ws.OpClose, payload))
			return
		case ws.OpPing:
			p.Write(fromServer1(ws.OpPong, payload))
		case ws.OpText, ws.OpBinary:
			p.Write(fromServer1(op, payload))
		}
	}
}
