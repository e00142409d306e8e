package ws

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// stamp is an envelope: the position, a space, the payload.
func stamp(dst []byte, m Message) []byte {
	return append(append(append(dst, m.Position.String()...), ' '), m.Payload...)
}

// stamped reads a message of stamp.
func (c *client) stamped() (Position, string) {
	c.t.Helper()
	op, p, err := c.frame()
	if err != nil || op != ws.OpText {
		c.t.Fatal(op, err)
	}
	at, payload, _ := strings.Cut(string(p), " ")
	pos, err := ParsePosition(at)
	if err != nil {
		c.t.Fatal(err)
	}
	return pos, payload
}

func (p *party) publish(topic string, payloads ...string) {
	p.t.Helper()
	for _, s := range payloads {
		if err := p.hub.Publish(topic, OpText, []byte(s)); err != nil {
			p.t.Fatal(err)
		}
	}
}

// resume joins a topic with Since and returns what the hub said about it.
func (p *party) resume(c *Conn, topic string, since Position) CatchUp {
	p.t.Helper()
	said := make(chan CatchUp, 1)
	if err := p.hub.Join(c, topic, Since(since, func(_ *Conn, up CatchUp) { said <- up })); err != nil {
		p.t.Fatal(err)
	}
	return wait(p.t, "CatchUp", said)
}

func TestPositionString(t *testing.T) {
	for _, p := range []Position{{}, {1, 0}, {0xfedcba9876543210, 1<<64 - 1}} {
		if got, err := ParsePosition(p.String()); err != nil || got != p {
			t.Error(p, got, err)
		}
	}
	for _, s := range []string{"-", "1", "1-", "-1", "0-1", "x-1", "1-x", "1--1", "1-2-3", "10000000000000000-1", "1-18446744073709551616", "+1-1", " 1-1"} {
		if p, err := ParsePosition(s); err == nil && p.String() != s {
			t.Errorf("%q is %v", s, p)
		} else if err == nil {
			t.Errorf("%q is a position", s)
		}
	}
}

// TestHistoryAfter is what a client gets that comes back, by how long it was away.
func TestHistoryAfter(t *testing.T) {
	p := newParty(t, NewHub(WithHistory(HistoryLimit{Messages: 3}), WithEnvelope(stamp)), 2, 2)
	p.publish("a", "1", "2")
	if up := p.resume(p.conns[0], "a", Position{}); !up.Complete || up.Missed != 2 || up.Latest.Offset != 2 {
		t.Error("all that there ever was:", up)
	}
	first, _ := p.clients[0].stamped()
	p.clients[0].stamped()
	p.publish("a", "3", "4", "5")
	epoch := first.Epoch
	for _, c := range []struct {
		what     string
		since    Position
		complete bool
		missed   string
	}{
		{"new", Position{}, false, "345"},
		{"up to date", Position{epoch, 5}, true, ""},
		{"one behind", Position{epoch, 4}, true, "5"},
		{"all that is kept behind", Position{epoch, 2}, true, "345"},
		{"longer away", Position{epoch, 1}, false, "345"},
		{"from the beginning", Position{epoch, 0}, false, "345"},
		{"from the future", Position{epoch, 6}, false, "345"},
		{"from another epoch", Position{epoch + 2, 4}, false, "345"},
	} {
		t.Run(c.what, func(t *testing.T) {
			cl, conn := p.dial()
			up := p.resume(conn, "a", c.since)
			if up.Topic != "a" || up.Complete != c.complete || up.Missed != len(c.missed) || up.Latest != (Position{epoch, 5}) {
				t.Errorf("%+v", up)
			}
			for i, want := range strings.Split(c.missed, "") {
				if pos, got := cl.stamped(); got != want || pos != (Position{epoch, uint64(6 - len(c.missed) + i)}) {
					t.Errorf("got %q at %v, want %q", got, pos, want)
				}
			}
			p.hub.Remove(conn)
			p.flush()
			conn.Send(OpText, []byte(" nothing else"))
			if _, got := cl.stamped(); got != "nothing else" {
				t.Error(got)
			}
		})
	}
}

// TestHistoryAgain: what the callback sends comes before what was missed, and a
// member that asks again gets it again.
func TestHistoryAgain(t *testing.T) {
	p := newParty(t, NewHub(WithHistory(HistoryLimit{}), WithEnvelope(stamp)), 1, 1)
	cl, c := p.clients[0], p.conns[0]
	p.join("a", 0)
	p.publish("a", "1", "2", "3")
	at, _ := cl.stamped()
	cl.stamped()
	cl.stamped()
	if err := p.hub.Join(c, "a", Since(at, func(c *Conn, up CatchUp) { c.Send(OpText, fmt.Append(nil, " ", up.Missed)) })); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2", "2", "3"} { // the first is the count
		if _, got := cl.stamped(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	p.publish("a", "4")
	if _, got := cl.stamped(); got != "4" {
		t.Error(got)
	}
}

// TestHistoryConcurrent has clients come and go while several goroutines publish:
// put together, what each got is every message, once, in order.
func TestHistoryConcurrent(t *testing.T) {
	const publishers, each, clients, visits = 4, 300, 8, 12
	p := newParty(t, NewHub(WithHistory(HistoryLimit{Messages: publishers * each}), WithEnvelope(stamp)), 4, clients)
	var group sync.WaitGroup
	for range publishers {
		group.Go(func() {
			for range each {
				if err := p.hub.Publish("a", OpText, []byte("m")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range clients {
		group.Go(func() {
			var at Position
			cl, c := p.clients[i], p.conns[i]
			for v := range visits {
				if err := p.hub.Join(c, "a", Since(at, nil)); err != nil {
					t.Error(err)
				}
				if v%2 == 0 { // some leave at once, without reading
					at = cl.readTo(at, at.Offset+uint64(10*v+i))
				}
				p.hub.Leave(c, "a")
				p.hub.Flush(t.Context())
				c.Send(OpText, []byte(" left"))
				at = cl.readTo(at, 1<<62)
			}
			if err := p.hub.Join(c, "a", Since(at, nil)); err != nil {
				t.Error(err)
			}
			cl.readTo(at, publishers*each)
		})
	}
	group.Wait()
}

// readTo reads messages, which must be those after at without a gap, until the one
// with this offset or a text without a position.
func (c *client) readTo(at Position, until uint64) Position {
	for at.Offset < until && at.Offset < 4*300 || until == 1<<62 {
		pos, payload := c.stamped()
		if (pos == Position{}) {
			return at
		}
		if pos.Offset != at.Offset+1 || at.Epoch != 0 && pos.Epoch != at.Epoch || payload != "m" {
			c.t.Errorf("%v %q after %v", pos, payload, at)
		}
		at = pos
	}
	return at
}

// TestHistoryLimits keeps by number, bytes and age.
func TestHistoryLimits(t *testing.T) {
	for _, c := range []struct {
		what  string
		limit HistoryLimit
		keep  int
	}{
		{"messages", HistoryLimit{Messages: 7}, 7},
		{"bytes", HistoryLimit{Bytes: 1050}, 10},
		{"a message larger than all", HistoryLimit{Bytes: 99}, 0},
		{"age", HistoryLimit{Age: 1}, 0},
		{"no message is too old", HistoryLimit{Age: time.Hour}, 50},
	} {
		t.Run(c.what, func(t *testing.T) {
			c.limit.defaults()
			h := newHistory(c.limit, false)
			for range 50 {
				m := Message{}
				h.place(&m)
				h.keep(m.Position.Offset, Prepare(OpText, make([]byte, 100)))
			}
			missed, complete := h.after(Position{})
			if len(missed) != c.keep || complete != (c.keep == 50) {
				t.Errorf("%d kept, complete %v", len(missed), complete)
			}
			if _, complete := h.after(Position{h.epoch, uint64(50 - c.keep)}); !complete {
				t.Error("not complete from the floor")
			}
			if _, complete := h.after(Position{h.epoch, uint64(49 - c.keep)}); complete && c.keep < 50 {
				t.Error("complete from beneath the floor")
			}
			if len(missed)*100 != h.bytes || cap(h.kept) > 256 {
				t.Errorf("%d bytes, room for %d", h.bytes, cap(h.kept))
			}
		})
	}
}

// TestHistoryOutlivesMembers: the history is there when the last member has gone,
// for its age; then the topic begins anew, in another epoch.
func TestHistoryOutlivesMembers(t *testing.T) {
	h := NewHub(WithHistory(HistoryLimit{Age: time.Hour, Topics: 2}), WithEnvelope(stamp))
	p := newParty(t, h, 1, 1)
	cl, c := p.clients[0], p.conns[0]
	p.join("a", 0)
	p.publish("a", "1")
	at, _ := cl.stamped()
	h.Leave(c, "a")
	p.flush()
	p.publish("a", "2")
	if up := p.resume(c, "a", at); !up.Complete || up.Missed != 1 {
		t.Error(up)
	}
	cl.stamped()
	h.Leave(c, "a")
	p.flush()
	if n := h.Stats().Topics.Load(); n != 1 {
		t.Error(n, "topics")
	}
	p.publish("b", "1")
	p.publish("c", "1") // one more than is kept: a has to go
	for deadline := time.Now().Add(patience); h.topics.find("a") != nil; {
		if time.Now().After(deadline) {
			t.Fatal("a is still there")
		}
		flush(t, h)
	}
	if up := p.resume(c, "a", at); up.Complete || up.Latest.Epoch == at.Epoch {
		t.Error("the topic was forgotten, but", up)
	}
	for _, topic := range h.topics.all() {
		topic.mu.Lock()
		if topic.idle != nil && topic.name == "a" {
			t.Error("a has a member, and is idle")
		}
		topic.mu.Unlock()
	}
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestHistoryExpires: a topic without members is forgotten when its time has come.
func TestHistoryExpires(t *testing.T) {
	h := NewHub(WithHistory(HistoryLimit{Age: time.Millisecond}))
	defer h.Close(t.Context())
	for i := range 10 {
		if err := h.Publish(fmt.Sprint(i), OpText, []byte("m")); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(patience); h.Stats().Topics.Load() != 0; {
		if time.Now().After(deadline) {
			t.Fatal(h.Stats().Topics.Load(), "topics left")
		}
	}
	if err := h.Publish("late", OpText, []byte("m")); err != nil || errors.Is(err, ErrHubClosed) {
		t.Error(err)
	}
}
