package peers_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/carillon-go/carillon/benchmarks/internal/launch"
	"github.com/carillon-go/carillon/benchmarks/peers"
)

// client is one connection to a server; whatever fails ends the test.
type client struct {
	*websocket.Conn
	t      *testing.T
	server *launch.Server
}

const patience = 15 * time.Second // for one answer

// connect uses a small write buffer: a longer message that is written in pieces
// leaves in fragments.
func connect(t *testing.T, server *launch.Server, path string) client {
	t.Helper()
	dialer := websocket.Dialer{WriteBufferSize: 256, HandshakeTimeout: patience}
	c, _, err := dialer.DialContext(t.Context(), "ws://"+server.Addr+path, nil)
	if err != nil {
		giveUp(t, server, err)
	}
	t.Cleanup(func() { c.Close() })
	return client{c, t, server}
}

func (c client) send(op int, p []byte) {
	c.t.Helper()
	if err := c.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
	if err := c.WriteMessage(op, p); err != nil {
		c.t.Fatal(err)
	}
}

// raw sends bytes as they are, in pieces of n.
func (c client) raw(p []byte, n int) {
	c.t.Helper()
	for piece := range slices.Chunk(p, n) {
		if _, err := c.NetConn().Write(piece); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c client) receive() (int, []byte) {
	c.t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
	op, p, err := c.ReadMessage()
	if err != nil {
		giveUp(c.t, c.server, err)
	}
	return op, p
}

func (c client) want(op int, p []byte) {
	c.t.Helper()
	if gotOp, got := c.receive(); gotOp != op || !bytes.Equal(got, p) {
		c.t.Fatalf("opcode %d, %d bytes %.40q; want %d, %d bytes %.40q", gotOp, len(got), got, op, len(p), p)
	}
}

func payload(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i * 7 >> 3)
	}
	return p
}

// masked is one short frame of a client.
func masked(head byte, p string) []byte {
	key := [4]byte{0x11, 0x82, 0xf3, 0x44}
	frame := append([]byte{head, 0x80 | byte(len(p))}, key[:]...)
	for i := range len(p) {
		frame = append(frame, p[i]^key[i%4])
	}
	return frame
}

func checkEcho(t *testing.T, server *launch.Server) {
	c := connect(t, server, "/ws")
	sizes := []int{1, 125, 126, 1 << 10, 1<<16 - 1, 1 << 16, 1 << 20}
	if server.Name != "nbio-ws" { // which sees an empty message only when the next comes
		sizes = append(sizes, 0)
	}
	if server.Has(peers.HTTP) { // all but the C program
		sizes = append(sizes, 16<<20)
	}
	for _, n := range sizes {
		p := payload(n)
		c.send(websocket.BinaryMessage, p)
		c.want(websocket.BinaryMessage, p)
	}
	text := []byte(strings.Repeat("größer ", 300))
	c.send(websocket.TextMessage, text)
	c.want(websocket.TextMessage, text)
	checkFragments(c, text)
	checkPieces(c)
	checkPing(c)
	checkEnd(c)
}

func checkFragments(c client, text []byte) {
	c.t.Helper()
	w, err := c.NextWriter(websocket.TextMessage)
	if err != nil {
		c.t.Fatal(err)
	}
	for piece := range slices.Chunk(text, 200) {
		if _, err := w.Write(piece); err != nil {
			c.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		c.t.Fatal(err)
	}
	c.want(websocket.TextMessage, text)
}

// checkPieces sends frames whose ends are not those of the server's reads.
func checkPieces(c client) {
	c.t.Helper()
	c.raw(masked(0x82, "bytewise"), 1)
	c.want(websocket.BinaryMessage, []byte("bytewise"))
	var many []byte
	for i := range 100 {
		many = append(many, masked(0x81, fmt.Sprintf("message %d", i))...)
	}
	c.raw(many, 700)
	for i := range 100 {
		c.want(websocket.TextMessage, fmt.Appendf(nil, "message %d", i))
	}
}

// checkPing sends a ping between two messages.
func checkPing(c client) {
	c.t.Helper()
	var pongs []string
	c.SetPongHandler(func(s string) error {
		pongs = append(pongs, s)
		return nil
	})
	frames := slices.Concat(masked(0x82, "before"), masked(0x89, "are you there?"), masked(0x82, "after"))
	c.raw(frames, len(frames))
	c.want(websocket.BinaryMessage, []byte("before"))
	c.want(websocket.BinaryMessage, []byte("after"))
	if !slices.Equal(pongs, []string{"are you there?"}) {
		c.t.Errorf("pongs %q", pongs)
	}
}

func checkEnd(c client) {
	c.t.Helper()
	c.raw(masked(0x88, string(binary.BigEndian.AppendUint16(nil, websocket.CloseNormalClosure))), 100)
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
	if _, _, err := c.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		c.t.Errorf("after a close frame: %v, want one with code 1000", err)
	}
}

// checkBroadcast has each client speak when it has come, since only the answer
// tells that the server counts it in, and each again when all are there.
func checkBroadcast(t *testing.T, server *launch.Server) {
	var clients []client
	all := func(op int, p []byte) {
		for _, c := range clients {
			c.want(op, p)
		}
	}
	for i := range 5 {
		c := connect(t, server, "/broadcast")
		clients = append(clients, c)
		hello := fmt.Appendf(nil, "%d has come", i)
		c.send(websocket.TextMessage, hello)
		all(websocket.TextMessage, hello)
	}
	for _, n := range []int{1, 125, 1 << 16} {
		for _, c := range clients {
			p := payload(n)
			c.send(websocket.BinaryMessage, p)
			all(websocket.BinaryMessage, p)
		}
	}
	clients[0].Close()
	clients = clients[1:]
	clients[0].send(websocket.TextMessage, []byte("one has left"))
	all(websocket.TextMessage, []byte("one has left"))
}
