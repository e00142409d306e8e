package ws

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/reactor"
	"github.com/gobwas/ws"
)

// party is a server of a hub and its clients; conns are the server's ends.
type party struct {
	t       testing.TB
	hub     *Hub
	rec     *recorder
	addr    string
	clients []*client
	conns   []*Conn
}

// newParty starts a server with so many loops, and n clients, which are in no hub
// yet. What clients send is dropped.
func newParty(t testing.TB, hub *Hub, loops, n int, opts ...EndpointOption) *party {
	t.Helper()
	p := &party{t: t, hub: hub, rec: newRecorder()}
	p.rec.opened, p.rec.closed = make(chan *Conn, 20_000), make(chan closeEvent, 20_000)
	p.rec.onMessage = func(*Conn, Op, []byte) {}
	p.addr = startServer(t, &http.Server{Handler: Endpoint(p.rec, opts...), Loops: loops})
	for range n {
		p.dial()
	}
	return p
}

func (p *party) dial() (*client, *Conn) {
	p.t.Helper()
	cl := dial(p.t, p.addr)
	c := wait(p.t, "OnOpen", p.rec.opened)
	p.clients, p.conns = append(p.clients, cl), append(p.conns, c)
	return cl, c
}

// join has clients join a topic, and waits for it.
func (p *party) join(topic string, which ...int) {
	p.t.Helper()
	for _, i := range which {
		if err := p.hub.Join(p.conns[i], topic); err != nil {
			p.t.Fatal(err)
		}
	}
	p.flush()
}

func (p *party) flush() {
	p.t.Helper()
	flush(p.t, p.hub)
}

func flush(t testing.TB, h *Hub) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := h.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

// nothingLeft checks that the hub has forgotten everything, when all have gone.
func nothingLeft(t testing.TB, h *Hub) {
	t.Helper()
	flush(t, h)
	s := h.Stats()
	if s.Members.Load() != 0 || s.Connections.Load() != 0 || s.Topics.Load() != 0 || len(h.topics.all()) != 0 {
		t.Errorf("left: %d members, %d connections, %d topics", s.Members.Load(), s.Connections.Load(), s.Topics.Load())
	}
	h.lobby.mu.Lock()
	defer h.lobby.mu.Unlock()
	if n := h.lobby.count.Load(); n > 0 || len(h.ids.byConn) > 0 || len(h.ids.byID) > 0 {
		t.Errorf("left: %d in the lobby, %d ids", n, len(h.ids.byConn))
	}
}

// endAll has all clients close and waits for OnClose.
func (p *party) endAll() {
	p.t.Helper()
	for _, cl := range p.clients {
		cl.Close()
	}
	for range p.conns {
		wait(p.t, "OnClose", p.rec.closed)
	}
}

func TestHubPublish(t *testing.T) {
	p := newParty(t, NewHub(), 2, 4)
	h := p.hub
	p.join("a", 0, 1, 2)
	p.join("b", 2)
	if err := h.Add(p.conns[3]); err != nil {
		t.Fatal(err)
	}
	p.flush()
	for _, c := range []struct {
		what    string
		publish func() error
		to      []int
	}{
		{"topic", func() error { return h.Publish("a", OpText, []byte("m")) }, []int{0, 1, 2}},
		{"prepared", func() error { return h.PublishPrepared("b", Prepare(OpText, []byte("m"))) }, []int{2}},
		{"but one", func() error { return h.PublishExcept("a", p.conns[1], OpText, []byte("m")) }, []int{0, 2}},
		{"local", func() error { return h.PublishLocal("a", OpText, []byte("m")) }, []int{0, 1, 2}},
		{"all", func() error { return h.PublishAll(OpText, []byte("m")) }, []int{0, 1, 2, 3}},
		{"all but one", func() error { return h.PublishAllExcept(p.conns[3], OpText, []byte("m")) }, []int{0, 1, 2}},
		{"nobody there", func() error { return h.Publish("c", OpText, []byte("m")) }, nil},
	} {
		if err := c.publish(); err != nil {
			t.Fatal(c.what, err)
		}
		p.flush()
		for i, cl := range p.clients {
			if slices.Contains(c.to, i) {
				cl.want(ws.OpText, "m")
			}
			p.conns[i].Send(OpText, []byte(c.what))
			cl.want(ws.OpText, c.what)
		}
	}
	topics := h.Topics(p.conns[2])
	slices.Sort(topics)
	if !slices.Equal(topics, []string{"a", "b"}) || h.Members("a") != 3 || h.Members("b") != 1 || h.Members("c") != 0 {
		t.Error(topics, h.Members("a"), h.Members("b"), h.Members("c"))
	}
	s := h.Stats()
	if s.Published.Load() != 7 || s.Delivered.Load() != 3+1+2+3+4+3 || s.Dropped.Load() != 0 ||
		s.Topics.Load() != 2 || s.Members.Load() != 4 || s.Connections.Load() != 4 {
		t.Error(s)
	}
	if err := h.Remove(p.conns[2]); err != nil {
		t.Fatal(err)
	}
	p.flush()
	if h.Topics(p.conns[2]) != nil || h.Members("a") != 2 || h.Members("b") != 0 || s.Connections.Load() != 3 || s.Topics.Load() != 1 {
		t.Error(h.Topics(p.conns[2]), s)
	}
	p.endAll()
	nothingLeft(t, h)
}

func TestHubErrors(t *testing.T) {
	p := newParty(t, NewHub(), 1, 1)
	h, c := p.hub, p.conns[0]
	for _, e := range []struct {
		what string
		err  error
		want error
	}{
		{"Join of no topic", h.Join(c, ""), ErrBadTopic},
		{"Publish to no topic", h.Publish("", OpText, nil), ErrBadTopic},
		{"PublishLocal to no topic", h.PublishLocal("", OpText, nil), ErrBadTopic},
		{"Publish of a ping", h.Publish("a", ws.OpPing, nil), ErrBadOp},
		{"Since without a history", h.Join(c, "a", Since(Position{}, nil)), ErrNoHistory},
		{"As without presence", h.Join(c, "a", As("me")), ErrNoPresence},
		{"Leave of what was not joined", h.Leave(c, "a"), nil},
		{"Remove of who is not there", h.Remove(c), nil},
	} {
		if !errors.Is(e.err, e.want) {
			t.Errorf("%s: %v", e.what, e.err)
		}
	}
	p.join("a", 0)
	if got := onLoop(t, c, func() error { return h.Flush(context.Background()) }); !errors.Is(got, reactor.ErrOnLoop) {
		t.Error("Flush on the loop:", got)
	}
	if err := c.Close(CodeNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	if err := h.Join(c, "b"); !errors.Is(err, ErrClosed) {
		t.Error("Join of a connection that closes:", err)
	}
	p.endAll()
	if err := h.Join(c, "b"); !errors.Is(err, ErrClosed) {
		t.Error("Join of a closed connection:", err)
	}
	nothingLeft(t, h)
	if err := h.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{h.Join(c, "a"), h.Add(c), h.Leave(c, "a"), h.Remove(c), h.Publish("a", OpText, nil), h.PublishAll(OpText, nil)} {
		if !errors.Is(err, ErrHubClosed) {
			t.Error(err)
		}
	}
}

// TestHubProgramOrder: what one goroutine does happens in its order, on the
// connection's loop and elsewhere.
func TestHubProgramOrder(t *testing.T) {
	p := newParty(t, NewHub(), 1, 1)
	h, c := p.hub, p.conns[0]
	steps := func() {
		for i := range 100 {
			h.Publish("a", OpText, []byte("before"))
			h.Join(c, "a")
			h.Publish("a", OpText, fmt.Append(nil, i))
			h.Leave(c, "a")
			h.Publish("a", OpText, []byte("behind"))
		}
	}
	steps()
	for i := range 100 {
		p.clients[0].want(ws.OpText, fmt.Sprint(i))
	}
	onLoop(t, c, func() error { steps(); return nil })
	for i := range 100 {
		p.clients[0].want(ws.OpText, fmt.Sprint(i))
	}
	// On the loop it has happened when the call returns.
	onLoop(t, c, func() error {
		h.Join(c, "a")
		if h.Members("a") != 1 || h.Publish("a", OpText, []byte("one")) != nil || c.Send(OpText, []byte("two")) != nil {
			t.Error("not at once")
		}
		return nil
	})
	p.clients[0].want(ws.OpText, "one")
	p.clients[0].want(ws.OpText, "two")
}

// TestHubOrder has several goroutines, and handlers on their loops, publish at once:
// everybody gets everything once, in one and the same order.
func TestHubOrder(t *testing.T) {
	const publishers, each, clients = 6, 200, 12
	p := newParty(t, NewHub(), 4, clients)
	for i := range clients {
		p.join("a", i)
	}
	var group sync.WaitGroup
	for n := range publishers {
		group.Go(func() {
			for i := range each {
				message := fmt.Appendf(nil, "%d %d", n, i)
				publish := func() {
					if err := p.hub.Publish("a", OpText, message); err != nil {
						t.Error(err)
					}
				}
				if n%2 == 0 {
					publish()
				} else {
					p.conns[n].Loop().RunInLoop(publish)
				}
			}
		})
	}
	var all [clients]string
	for i, cl := range p.clients {
		var log strings.Builder
		var next [publishers]int
		for range publishers * each {
			_, m, err := cl.frame()
			var n, k int
			if _, scan := fmt.Sscan(string(m), &n, &k); err != nil || scan != nil {
				t.Fatal(err, scan)
			}
			if k != next[n] {
				t.Fatalf("client %d got %d of publisher %d, want %d", i, k, n, next[n])
			}
			next[n]++
			fmt.Fprintln(&log, n, k)
		}
		all[i] = log.String()
		if all[i] != all[0] {
			t.Fatalf("client %d got another order than client 0", i)
		}
	}
	group.Wait()
	if err := p.hub.PublishAll(OpText, []byte("end")); err != nil {
		t.Fatal(err)
	}
	for _, cl := range p.clients {
		cl.want(ws.OpText, "end")
	}
}

// TestHubCloseWhilePublishing has half of the members end, in all ways, while
// messages come: the others lose nothing, and nothing of those that went is left.
func TestHubCloseWhilePublishing(t *testing.T) {
	const clients, messages = 24, 600
	p := newParty(t, NewHub(), 4, clients)
	for i := range clients {
		p.join("a", i)
		p.join(fmt.Sprint("own", i), i)
	}
	var group sync.WaitGroup
	group.Go(func() {
		for i := range messages {
			if err := p.hub.Publish("a", OpText, fmt.Append(nil, i)); err != nil {
				t.Error(err)
			}
		}
	})
	for i := 0; i < clients; i += 2 {
		group.Go(func() {
			for k := range i * 20 {
				p.clients[i].want(ws.OpText, fmt.Sprint(k))
			}
			switch i % 6 {
			case 0:
				p.clients[i].Close()
			case 2:
				p.clients[i].Write(closing1(1000, ""))
			case 4:
				p.conns[i].Close(CodeGoingAway, "")
				p.clients[i].Close()
			}
		})
	}
	for i := 1; i < clients; i += 2 {
		for k := range messages {
			p.clients[i].want(ws.OpText, fmt.Sprint(k))
		}
	}
	group.Wait()
	for range clients / 2 {
		wait(t, "OnClose", p.rec.closed)
	}
	if n := p.hub.Members("a"); n != clients/2 {
		t.Error(n, "members")
	}
	for i := 1; i < clients; i += 2 {
		p.clients[i].Close()
		wait(t, "OnClose", p.rec.closed)
	}
	nothingLeft(t, p.hub)
}

// TestHubStorm joins and leaves many topics from many goroutines while messages
// come. Then each connection is where its last call put it.
func TestHubStorm(t *testing.T) {
	const clients, workers, topics, rounds = 16, 8, 40, 400
	p := newParty(t, NewHub(), 4, clients)
	var drain sync.WaitGroup
	for _, cl := range p.clients {
		drain.Go(func() {
			for {
				if _, _, err := cl.frame(); err != nil {
					return
				}
			}
		})
	}
	var group sync.WaitGroup
	in := make([]map[string]bool, clients)
	for w := range workers {
		group.Go(func() {
			for i := w; i < clients; i += workers { // a connection belongs to one worker
				in[i] = make(map[string]bool)
				for r := range rounds {
					topic := fmt.Sprint((r*r*7 + i*r + w) % topics)
					if r%3 == 2 {
						p.hub.Leave(p.conns[i], topic)
						delete(in[i], topic)
					} else {
						p.hub.Join(p.conns[i], topic)
						in[i][topic] = true
					}
					p.hub.Publish(topic, OpText, []byte("m"))
					p.hub.Members(topic)
					p.hub.Topics(p.conns[i])
				}
			}
		})
	}
	group.Wait()
	p.flush()
	total := 0
	for i, c := range p.conns {
		got := p.hub.Topics(c)
		if len(got) != len(in[i]) || slices.ContainsFunc(got, func(s string) bool { return !in[i][s] }) {
			t.Errorf("connection %d is in %v, want %v", i, got, in[i])
		}
		total += len(got)
		if err := onLoop(t, c, func() error { return p.hub.memberOf(c).check(c) }); err != nil {
			t.Error(err)
		}
	}
	if n := p.hub.Stats().Members.Load(); int(n) != total {
		t.Errorf("%d members, want %d", n, total)
	}
	p.endAll()
	drain.Wait()
	nothingLeft(t, p.hub)
}

// check compares both sides of each membership. Loop goroutine only.
func (m *member) check(c *Conn) error {
	for i, s := range m.seats {
		if o := s.room.members[s.place]; o.conn != c || o.member != m || int(o.seat) != i {
			return fmt.Errorf("seat %d in %q is not that of place %d there", i, s.room.topic.name, s.place)
		}
		if m.index != nil && m.index[s.room.topic] != int32(i) {
			return fmt.Errorf("seat %d in %q is not in the index", i, s.room.topic.name)
		}
	}
	if m.index != nil && len(m.index) != len(m.seats) {
		return fmt.Errorf("%d seats, %d in the index", len(m.seats), len(m.index))
	}
	return nil
}

// TestHubShutdown shuts a server down while its hub is used: nothing is left, and
// the hub works for other servers.
func TestHubShutdown(t *testing.T) {
	h := NewHub()
	rec := newRecorder()
	s := &http.Server{Handler: Endpoint(rec), Loops: 2}
	addr, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var group sync.WaitGroup
	var conns []*Conn
	for range 6 {
		cl := dial(t, addr.String())
		group.Go(func() { // reads until the server closes, and answers
			for {
				if op, _, err := cl.frame(); err != nil || op == ws.OpClose {
					cl.Write(closing1(1001, ""))
					cl.Close()
					return
				}
			}
		})
		conns = append(conns, wait(t, "OnOpen", rec.opened))
	}
	for _, c := range conns {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				h.Join(c, "a")
				h.Publish("a", OpText, []byte("m"))
				h.Leave(c, "a")
			}
		})
	}
	for h.Stats().Delivered.Load() < 100 {
		flush(t, h)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	close(stop)
	group.Wait()
	nothingLeft(t, h)
	if n := len(*h.shards.Load()); n > 0 || len(h.lobby.rooms) > 0 {
		t.Errorf("left: %d shards, %d rooms of the lobby", n, len(h.lobby.rooms))
	}
	p := newParty(t, h, 1, 1)
	p.join("a", 0)
	h.Publish("a", OpText, []byte("again"))
	p.clients[0].want(ws.OpText, "again")
}

// TestHubOverloaded publishes while a loop does nothing: the hub refuses more than
// it can hold, whole messages only, and what it took is delivered.
func TestHubOverloaded(t *testing.T) {
	p := newParty(t, NewHub(), 1, 1)
	p.hub.queueLimit = 1 << 20
	p.join("a", 0)
	release, held := make(chan struct{}), make(chan struct{})
	p.conns[0].Loop().QueueInLoop(func() { close(held); <-release })
	wait(t, "loop", held)
	big := []byte(strings.Repeat("x", 64<<10))
	took := 0
	for ; took < 100; took++ {
		if err := p.hub.Publish("a", OpBinary, big); err != nil {
			if !errors.Is(err, ErrOverloaded) {
				t.Error(err)
			}
			break
		}
	}
	if err := p.hub.Join(p.conns[0], "b"); !errors.Is(err, ErrOverloaded) {
		t.Error("Join:", err)
	}
	close(release)
	if took != 16 {
		t.Errorf("took %d times 64 KiB", took)
	}
	for range took {
		p.clients[0].want(ws.OpBinary, string(big))
	}
	p.flush()
	if err := p.hub.Publish("a", OpText, []byte("next")); err != nil {
		t.Error(err)
	}
	p.clients[0].want(ws.OpText, "next")
}

// TestHubBudget gives a loop more than it can do in one turn: other things get their
// turn in between, and nothing is lost or overtaken, also by a call on the loop.
func TestHubBudget(t *testing.T) {
	const messages = 3 * drainBudget
	p := newParty(t, NewHub(), 1, 1)
	p.join("a", 0)
	loop := p.conns[0].Loop()
	release, held := make(chan struct{}), make(chan struct{})
	loop.QueueInLoop(func() { close(held); <-release })
	wait(t, "loop", held)
	for i := range messages {
		if err := p.hub.Publish("a", OpText, fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	between := make(chan int64, 1)
	loop.QueueInLoop(func() {
		between <- p.hub.Stats().Delivered.Load()
		p.hub.Publish("a", OpText, []byte("end"))
	})
	close(release)
	if n := wait(t, "turn", between); n == 0 || n >= messages {
		t.Errorf("%d of %d messages were delivered in one turn", n, messages)
	}
	for i := range messages {
		p.clients[0].want(ws.OpText, fmt.Sprint(i))
	}
	p.clients[0].want(ws.OpText, "end")
}
