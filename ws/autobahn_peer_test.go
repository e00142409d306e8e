package ws_test

import (
	"bufio"
	"bytes"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	stdhttp "net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/carillon-go/carillon/ws"
)

// The opcodes of RFC 6455 section 5.2.
const (
	opCont   = 0x0
	opText   = 0x1
	opBinary = 0x2
	opClose  = 0x8
	opPing   = 0x9
	opPong   = 0xa
)

// The reserved bits of a frame's first byte, as Autobahn counts them.
const rsv1, rsv2, rsv3 = 4, 2, 1

// noCode is the close frame without a code.
const noCode = 1005

// frame is a frame that a client sends, good or wrong.
type frame struct {
	op      byte
	rsv     byte
	more    bool // FIN is not set
	payload string
}

func text(s string) frame     { return frame{op: opText, payload: s} }
func binaryOf(s string) frame { return frame{op: opBinary, payload: s} }
func ping(s string) frame     { return frame{op: opPing, payload: s} }
func pong(s string) frame     { return frame{op: opPong, payload: s} }
func last(s string) frame     { return frame{op: opCont, payload: s} }
func cont(s string) frame     { return frame{op: opCont, more: true, payload: s} }

// begin is the first frame of a text in several.
func begin(s string) frame { return frame{op: opText, more: true, payload: s} }

func closing(code int, reason string) frame {
	return frame{op: opClose, payload: string(binary.BigEndian.AppendUint16(nil, uint16(code))) + reason}
}

// fragments is a message in frames of size bytes; 0 is one frame.
func fragments(f frame, size int) []frame {
	if size == 0 {
		return []frame{f}
	}
	var all []frame
	for rest := f.payload; ; rest = rest[size:] {
		one := frame{op: opCont, more: true, payload: rest[:min(size, len(rest))]}
		if len(all) == 0 {
			one.op, one.rsv = f.op, f.rsv
		}
		if len(rest) <= size {
			one.more = false
			return append(all, one)
		}
		all = append(all, one)
	}
}

// masks is the key of all frames, over and over. Its four bytes differ, so that
// an offset that is off shows.
var masks = bytes.Repeat([]byte{0x3a, 0xc5, 0x71, 0x9e}, 1<<10)

// append appends the frame as it goes over the wire: masked, the length in its
// shortest form.
func (f frame) append(dst []byte) []byte {
	b0 := f.rsv<<4 | f.op
	if !f.more {
		b0 |= 0x80
	}
	switch n := len(f.payload); {
	case n < 126:
		dst = append(dst, b0, 0x80|byte(n))
	case n <= 0xffff:
		dst = binary.BigEndian.AppendUint16(append(dst, b0, 0x80|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, b0, 0x80|127), uint64(n))
	}
	dst = append(dst, masks[:4]...)
	at := len(dst)
	dst = append(dst, f.payload...)
	for body := dst[at:]; len(body) > 0; {
		body = body[subtle.XORBytes(body, body, masks):]
	}
	return dst
}

func (f frame) wire() []byte { return f.append(make([]byte, 0, 14+len(f.payload))) }

func wires(frames []frame) []byte {
	var all []byte
	for _, f := range frames {
		all = f.append(all)
	}
	return all
}

// peer is a client that sends whatever it is told to, and is strict about what
// it gets.
type peer struct {
	t       testing.TB
	conn    net.Conn
	r       *bufio.Reader
	header  stdhttp.Header // of the answer to the handshake
	deflate bool           // RSV1 may begin a message
}

const handshake = "GET /ws HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// connectPeer is a peer that has not sent its handshake.
func connectPeer(t testing.TB, addr string) *peer {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn = ws.ClientSide(conn)
	return &peer{t: t, conn: conn, r: bufio.NewReaderSize(conn, 1<<16)}
}

// openPeer opens a WebSocket that offers these extensions.
func openPeer(t testing.TB, addr string, offers ...string) *peer {
	t.Helper()
	p := connectPeer(t, addr)
	request := handshake
	if len(offers) > 0 {
		request += "Sec-WebSocket-Extensions: " + strings.Join(offers, ", ") + "\r\n"
	}
	p.write([]byte(request + "\r\n"))
	p.accepted()
	return p
}

// accepted reads the answer to a good handshake (RFC 6455 section 4.2.2, with
// the key of section 1.3).
func (p *peer) accepted() {
	p.t.Helper()
	resp := p.response()
	if resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		p.t.Fatal(resp.Status, resp.Header)
	}
	p.header = resp.Header
}

func (p *peer) response() *stdhttp.Response {
	p.t.Helper()
	p.conn.SetReadDeadline(time.Now().Add(patience))
	resp, err := stdhttp.ReadResponse(p.r, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp
}

// patience is how long a peer waits for one frame, or to be rid of one write.
const patience = 30 * time.Second

func (p *peer) write(b []byte) {
	p.t.Helper()
	p.conn.SetWriteDeadline(time.Now().Add(patience))
	if _, err := p.conn.Write(b); err != nil {
		p.t.Fatal(err)
	}
}

// incoming is a frame that the server sent.
type incoming struct {
	op, rsv byte
	fin     bool
	payload []byte
}

func (f incoming) String() string {
	return fmt.Sprintf("op %d, rsv %d, fin %v, %d bytes %.60q", f.op, f.rsv, f.fin, len(f.payload), f.payload)
}

// read reads one frame. What no server may send is an error: a mask, a reserved
// bit or opcode, a length not in its shortest form, a long or fragmented
// control frame.
func (p *peer) read() (f incoming, err error) {
	p.conn.SetReadDeadline(time.Now().Add(patience))
	var head [10]byte
	if _, err := io.ReadFull(p.r, head[:2]); err != nil {
		return f, err
	}
	f.op, f.rsv, f.fin = head[0]&0x0f, head[0]>>4&7, head[0]&0x80 != 0
	n, least := uint64(head[1]), uint64(0)
	switch n {
	case 126:
		_, err = io.ReadFull(p.r, head[2:4])
		n, least = uint64(binary.BigEndian.Uint16(head[2:])), 126
	case 127:
		_, err = io.ReadFull(p.r, head[2:10])
		n, least = binary.BigEndian.Uint64(head[2:]), 1<<16
	}
	switch {
	case err != nil:
		return f, err
	case head[1]&0x80 != 0:
		return f, fmt.Errorf("a server's frame is masked: % x", head)
	case n < least || n > 1<<30:
		return f, fmt.Errorf("length %d in the form of % x", n, head)
	case f.op > opBinary && f.op < opClose || f.op > opPong:
		return f, fmt.Errorf("opcode %d", f.op)
	case f.op >= opClose && (!f.fin || n > 125):
		return f, fmt.Errorf("control frame of %d bytes, fin %v", n, f.fin)
	case f.rsv != 0 && (f.rsv != rsv1 || !p.deflate || f.op != opText && f.op != opBinary):
		return f, fmt.Errorf("reserved bits %d on opcode %d", f.rsv, f.op)
	}
	f.payload = make([]byte, n)
	_, err = io.ReadFull(p.r, f.payload)
	return f, err
}

// wantFrame reads one frame, which must be this one and whole.
func (p *peer) wantFrame(op byte, payload string) {
	p.t.Helper()
	f, err := p.read()
	if err != nil || f.op != op || f.rsv != 0 || !f.fin || string(f.payload) != payload {
		p.t.Fatalf("got %v, %v; want op %d, %d bytes %.60q", f, err, op, len(payload), payload)
	}
}

// wantClose reads a close frame with this code, and then the end of the stream.
func (p *peer) wantClose(code int) {
	p.t.Helper()
	f, err := p.read()
	if err != nil || f.op != opClose {
		p.t.Fatalf("got %v, %v; want a close with %d", f, err, code)
	}
	got := noCode
	switch n := len(f.payload); {
	case n == 1:
		p.t.Fatal("a close frame with half a code")
	case n >= 2:
		got = int(binary.BigEndian.Uint16(f.payload))
		if !utf8.Valid(f.payload[2:]) {
			p.t.Errorf("the reason is not UTF-8: %q", f.payload[2:])
		}
	}
	if got != code {
		p.t.Fatalf("closed with %d %q, want %d", got, f.payload[min(2, len(f.payload)):], code)
	}
	p.wantEnd()
}

// wantEnd demands that the server has closed its side, and that nothing is left.
func (p *peer) wantEnd() {
	p.t.Helper()
	if rest, err := io.ReadAll(p.r); len(rest) > 0 || err != nil {
		p.t.Fatalf("%.60q and %v instead of the end", rest, err)
	}
}
