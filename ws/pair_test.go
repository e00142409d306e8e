package ws

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/carillon-go/carillon/reactor"
	"github.com/gobwas/ws"
)

// newLoop runs a loop until the test ends.
func newLoop(t testing.TB) *reactor.EventLoop {
	t.Helper()
	thread := reactor.NewEventLoopThread()
	loop, err := thread.StartLoop()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := thread.Stop(); err != nil {
			t.Error("loop:", err)
		}
	})
	return loop
}

// newTestSide is a side as Endpoint makes it, or, with fromServer, as Dial does.
func newTestSide(m mode, h Handler, opts ...Option) *side {
	c := defaults()
	for _, opt := range opts {
		opt(&c)
	}
	return newSide(c, m, h)
}

// openPair opens a connection of s on loop, without a handshake, and returns it and
// the raw peer.
func openPair(t testing.TB, loop *reactor.EventLoop, s *side) (*Conn, *client) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	addr, err := reactor.ParseInetAddress(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	opened := make(chan *Conn, 1)
	var secured []reactor.ClientOption
	if overTLS {
		secured = append(secured, reactor.WithClientTLS(&reactor.TLS{Config: trusting()}))
	}
	tcp := reactor.NewTcpClient(loop, addr, &reactor.Callbacks{
		Connection: func(tcp *reactor.TcpConnection) {
			if tcp.Connected() {
				opened <- s.open(tcp, terms{})
			}
		},
	}, secured...)
	if err := tcp.Connect(); err != nil {
		t.Fatal(err)
	}
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	peer.SetDeadline(time.Now().Add(2 * patience))
	if peer = serverSide(peer); overTLS {
		if err := peer.(*tls.Conn).Handshake(); err != nil {
			t.Fatal(err)
		}
	}
	return wait(t, "OnOpen", opened), &client{t, peer, bufio.NewReader(peer)}
}

// narrow makes the kernel hold little of what c sends, so that a peer that does not
// read is felt soon. The peer's own part is as small as long as it has not read.
func narrow(t testing.TB, c *Conn) {
	t.Helper()
	if err := onLoop(t, c, func() error { return c.tcp.Socket().SetSendBuffer(32 << 10) }); err != nil {
		t.Fatal(err)
	}
}

// wireFrame is a frame as it is on the wire, its payload unmasked.
type wireFrame struct {
	b0      byte
	masked  bool
	key     uint32
	payload string
}

// wire reads one frame of any kind; its length must be in the shortest form.
func (c *client) wire() (f wireFrame, err error) {
	c.SetDeadline(time.Now().Add(2 * patience))
	var head [8]byte
	if _, err := io.ReadFull(c.r, head[:2]); err != nil {
		return f, err
	}
	f.b0, f.masked = head[0], head[1]&maskBit != 0
	n := uint64(head[1] & lenBits)
	least := uint64(0)
	switch n {
	case 126:
		_, err = io.ReadFull(c.r, head[:2])
		n, least = uint64(binary.BigEndian.Uint16(head[:])), 126
	case 127:
		_, err = io.ReadFull(c.r, head[:8])
		n, least = binary.BigEndian.Uint64(head[:]), 1<<16
	}
	if err == nil && n < least {
		err = errors.New("length is not minimal")
	}
	if err != nil {
		return f, err
	}
	if f.masked {
		if _, err := io.ReadFull(c.r, head[:4]); err != nil {
			return f, err
		}
		f.key = binary.LittleEndian.Uint32(head[:])
	}
	p := make([]byte, n)
	_, err = io.ReadFull(c.r, p)
	if f.masked {
		for i := range p {
			p[i] ^= byte(f.key >> (8 * (i & 3)))
		}
	}
	f.payload = string(p)
	return f, err
}

// message reads frames up to the end of a message, and returns the number of its
// fragments; control frames go to control, nil for none expected.
func (c *client) message(control func(ws.OpCode, string)) (op ws.OpCode, payload string, fragments int) {
	c.t.Helper()
	for {
		f, err := c.wire()
		if err != nil {
			c.t.Fatal(err)
		}
		now := ws.OpCode(f.b0 & opBits)
		switch {
		case f.b0&rsvBits != 0:
			c.t.Fatalf("first byte %#x", f.b0)
		case now.IsControl():
			if control == nil || f.b0&finBit == 0 {
				c.t.Fatalf("op %d, %q inside a message", now, f.payload)
			}
			control(now, f.payload)
			continue
		case (now == ws.OpContinuation) != (fragments > 0):
			c.t.Fatalf("op %d as fragment %d", now, fragments)
		case fragments == 0:
			op = now
		}
		fragments++
		payload += f.payload
		if f.b0&finBit != 0 {
			return op, payload, fragments
		}
	}
}
