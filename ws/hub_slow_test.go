package ws

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"syscall"
	"testing"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// TestHubSlowReader has one of 1,000 members of a busy topic not read. Whatever the
// policy: the others get everything, the memory for it stays within its bound, and
// the policy's counter says what it missed.
func TestHubSlowReader(t *testing.T) {
	onceIsEnough(t)
	for _, policy := range []SlowPolicy{CloseSlow, DropNewest, DropOldest} {
		t.Run(policy.String(), func(t *testing.T) { slowReader(t, policy) })
	}
}

func slowReader(t *testing.T, policy SlowPolicy) {
	const members, batch, messages, size, limit = 1000, 8, 96, 1024, 20 << 10
	stats := new(Stats)
	p := newParty(t, NewHub(), 2, 0, WithSendLimit(limit, policy), WithStats(stats))
	c := p.dialNarrow(8 << 10)
	for range members - 1 {
		p.dial()
	}
	for _, c := range p.conns {
		if err := p.hub.Join(c, "busy"); err != nil {
			t.Fatal(err)
		}
	}
	p.flush()
	most := 0
	for from := 0; from < messages; from += batch {
		for i := range batch {
			if err := p.hub.Publish("busy", OpBinary, sequenced(from+i, size)); err != nil {
				t.Fatal(err)
			}
		}
		p.flush()
		most = max(most, onLoop(t, c, c.outputHeld))
		p.readAll(1, from, batch, size)
	}
	if bound := limit + size + 16; most > bound || most < limit/2 {
		t.Errorf("it held up to %d bytes, the bound is %d", most, bound)
	}
	missed := map[SlowPolicy]int64{
		CloseSlow: stats.Slow.Load(), DropNewest: stats.Newest.Load(), DropOldest: stats.Oldest.Load(),
	}
	if missed[policy] == 0 || missed[CloseSlow]+missed[DropNewest]+missed[DropOldest] != missed[policy] {
		t.Fatal(missed)
	}
	p.readSlow(policy, int(missed[policy]), messages, size)
	if n := p.hub.Members("busy"); policy != CloseSlow && n != members || policy == CloseSlow && missed[policy] != 1 {
		t.Error(n, "members,", missed)
	}
}

// TestHubSlowMemberHasClosed publishes past the limit of a member whose close frame
// was read and waits behind its handler: the others, in the same room, lose nothing by
// its end, which comes after the call.
func TestHubSlowMemberHasClosed(t *testing.T) {
	loop, h, hub := newLoop(t), newCalls(), NewHub()
	s := newTestSide(0, Offload(h), WithSendLimit(1, CloseSlow))
	conns, peers := make([]*Conn, 3), make([]*client, 3)
	for i := range conns {
		conns[i], peers[i] = openPair(t, loop, s)
		h.want(t, "open")
		if err := hub.Join(conns[i], "a"); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, hub)
	slow := conns[0]
	idle(t, slow)
	inLoop(t, loop, func() {
		k := slow.rare.Load().worker
		k.mu.Lock()
		k.waited = true // as if it were behind
		k.mu.Unlock()
		slow.pause()
		slow.tcp.Input().Append(closing1(4000, "bye"))
		if err := slow.Send(OpText, []byte("more than the limit")); err != nil {
			t.Error(err)
		}
		if err := hub.Publish("a", OpText, []byte("m")); err != nil {
			t.Error(err)
		}
		if slow.phase != closing {
			t.Error("phase", slow.phase)
		}
	})
	for _, peer := range peers[1:] {
		peer.want(ws.OpText, "m")
	}
	peers[0].want(ws.OpText, "more than the limit")
	peers[0].wantClose(CodeTryAgainLater)
	h.want(t, "close 4000 bye")
}

// readSlow has the slow reader read at last.
func (p *party) readSlow(policy SlowPolicy, missed, messages, size int) {
	slow := p.clients[0]
	next := 0 // the oldest that may come
	got := 0
	for policy == CloseSlow || got < messages-missed {
		op, m, err := slow.frame()
		if err != nil {
			p.t.Fatal(err, got)
		}
		if op == ws.OpClose {
			if code, _, _ := parseCloseBody(m); policy != CloseSlow || code != CodeTryAgainLater || got == 0 {
				p.t.Errorf("closed with %v after %d messages", code, got)
			}
			return
		}
		i := int(binary.BigEndian.Uint32(m))
		if i < next || policy != DropOldest && i != next || !bytes.Equal(m, sequenced(i, size)) {
			p.t.Fatalf("message %d of %d bytes, expected %d", i, len(m), next)
		}
		next, got = i+1, got+1
	}
	if policy == DropOldest && next != messages {
		p.t.Errorf("the last message is %d", next-1)
	}
	if policy == DropNewest {
		if d := p.hub.Stats().Dropped.Load(); int(d) != missed {
			p.t.Errorf("the hub counts %d", d)
		}
	}
	// Now that it has caught up it gets what comes.
	p.hub.Publish("busy", OpText, []byte("end"))
	slow.want(ws.OpText, "end")
}

// dialNarrow has the kernel hold little of what the peer does not take. (A receive
// buffer that shrinks later would make TCP drop and probe for seconds.)
func (p *party) dialNarrow(bytes int) *Conn {
	p.t.Helper()
	d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		return errors.Join(raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, bytes)
		}), err)
	}}
	conn, err := d.Dial("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close() })
	cl := &client{p.t, conn, bufio.NewReader(conn)}
	cl.write([]byte(opening + "\r\n"))
	cl.response()
	c := wait(p.t, "OnOpen", p.rec.opened)
	p.clients, p.conns = append(p.clients, cl), append(p.conns, c)
	if err := onLoop(p.t, c, func() error { return c.tcp.Socket().SetSendBuffer(bytes) }); err != nil {
		p.t.Fatal(err)
	}
	return c
}

// outputHeld is what waits for the peer, in bytes.
func (c *Conn) outputHeld() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.tcp.OutputBytes()
	if r := c.rare.Load(); r != nil {
		n += r.backlog.bytes
	}
	return n
}

// sequenced is message i, of so many bytes.
func sequenced(i, size int) []byte {
	m := bytes.Repeat([]byte{byte(i)}, size)
	binary.BigEndian.PutUint32(m, uint32(i))
	return m
}

// readAll has all clients from first on read messages, which must be these, with a
// few goroutines.
func (p *party) readAll(first, from, count, size int) {
	p.t.Helper()
	const readers = 8
	expected := make([][]byte, count)
	for k := range expected {
		expected[k] = sequenced(from+k, size)
	}
	var group sync.WaitGroup
	for r := range readers {
		group.Go(func() {
			for i := first + r; i < len(p.clients); i += readers {
				for k, want := range expected {
					op, m, err := p.clients[i].frame()
					if err != nil || op != ws.OpBinary || !bytes.Equal(m, want) {
						p.t.Errorf("client %d: %v, %d bytes instead of message %d", i, err, len(m), from+k)
						return
					}
				}
			}
		})
	}
	group.Wait()
	if p.t.Failed() {
		p.t.FailNow()
	}
}
