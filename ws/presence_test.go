package ws

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// who is the names in a topic, joined.
func who(h *Hub, topic string) string {
	var names []string
	for _, m := range h.Presence(topic) {
		names = append(names, m.Who)
	}
	return strings.Join(names, " ")
}

// presenceLog is what a hub told of who came and went.
type presenceLog chan string

func (l presenceLog) tell(e PresenceEvent) {
	sign := "-"
	if e.Joined {
		sign = "+"
	}
	where := "remote"
	if e.Local {
		where = "local"
	}
	l <- fmt.Sprint(e.Topic, sign, e.Who, " ", where)
}

func (l presenceLog) want(t *testing.T, events ...string) {
	t.Helper()
	for _, want := range events {
		if got := wait(t, "event "+want, l); got != want {
			t.Errorf("event %q, want %q", got, want)
		}
	}
}

// wantAll is want in any order.
func (l presenceLog) wantAll(t *testing.T, events ...string) {
	t.Helper()
	var got []string
	for _, want := range events {
		got = append(got, wait(t, "event "+want, l))
	}
	slices.Sort(got)
	slices.Sort(events)
	if !slices.Equal(got, events) {
		t.Errorf("events %q, want %q", got, events)
	}
}

func TestPresence(t *testing.T) {
	log := make(presenceLog, 100)
	p := newParty(t, NewHub(WithPresence(log.tell)), 2, 3)
	as := func(i int, topic, name string) {
		t.Helper()
		if err := p.hub.Join(p.conns[i], topic, As(name)); err != nil {
			t.Fatal(err)
		}
		p.flush()
	}
	as(0, "a", "anna")
	as(1, "a", "bert")
	p.join("a", 2) // has no name
	as(1, "b", "\xff\x00")
	log.want(t, "a+anna local", "a+bert local", "b+\xff\x00 local")
	if got := who(p.hub, "a"); got != "anna bert" {
		t.Error(got)
	}
	as(0, "a", "anna") // nothing new
	as(0, "a", "hanna")
	as(2, "a", "hanna") // the same name on another connection
	log.want(t, "a-anna local", "a+hanna local", "a+hanna local")
	all := p.hub.Presence("a")
	if len(all) != 3 || all[1].ID == all[2].ID || who(p.hub, "a") != "bert hanna hanna" {
		t.Error(all)
	}
	p.hub.Leave(p.conns[2], "a")
	log.want(t, "a-hanna local")
	p.clients[1].Close()
	wait(t, "OnClose", p.rec.closed)
	log.wantAll(t, "a-bert local", "b-\xff\x00 local")
	if who(p.hub, "a") != "hanna" || who(p.hub, "b") != "" || who(p.hub, "") != "" {
		t.Error(p.hub.Presence("a"), p.hub.Presence("b"))
	}
}

// TestPresenceCallback publishes from the callback, as a chat does.
func TestPresenceCallback(t *testing.T) {
	var h *Hub
	h = NewHub(WithPresence(func(e PresenceEvent) {
		if e.Who == "panic" {
			panic("a bug of the application's")
		}
		h.PublishLocal(e.Topic, OpText, fmt.Append(nil, e.Who, " ", e.Joined))
	}))
	p := newParty(t, h, 1, 2)
	for i, name := range []string{"anna", "bert"} {
		if err := h.Join(p.conns[i], "a", As(name)); err != nil {
			t.Fatal(err)
		}
		p.flush() // once for the join, once for what the callback published
		p.flush()
	}
	p.clients[0].want(ws.OpText, "anna true")
	p.clients[0].want(ws.OpText, "bert true")
	p.clients[1].want(ws.OpText, "bert true")
	h.Join(p.conns[1], "a", As("panic"))
	p.clients[0].want(ws.OpText, "bert false")
	p.flush()
	if err := h.Publish("a", OpText, []byte("goes on")); err != nil {
		t.Fatal(err)
	}
	p.clients[0].want(ws.OpText, "goes on")
}

// cluster is hubs that share a broker, each with a server.
func cluster(t *testing.T, n int, clients int, b Broker, opts func(i int) []HubOption) []*party {
	parties := make([]*party, n)
	for i := range parties {
		h := NewHub(append(opts(i), WithBroker(b), WithBrokerErrors(func(err error) {
			if !errors.Is(err, ErrMissed) {
				t.Error(err)
			}
		}))...)
		parties[i] = newParty(t, h, 2, clients)
		t.Cleanup(func() { h.Close(t.Context()) })
	}
	return parties
}

func TestMemoryBroker(t *testing.T) {
	b := NewMemoryBroker().(*memoryBroker)
	ps := cluster(t, 3, 2, b, func(int) []HubOption { return nil })
	for _, p := range ps {
		p.join("a", 0)
		p.join("b", 1)
	}
	for i, p := range ps {
		for k := range 50 {
			p.publish("a", fmt.Sprint(i, "-", k))
		}
	}
	for _, p := range ps {
		var next [3]int
		for range 3 * 50 {
			_, m, err := p.clients[0].frame()
			var i, k int
			if _, scan := fmt.Sscanf(string(m), "%d-%d", &i, &k); err != nil || scan != nil || k != next[i] {
				t.Fatalf("%q, %v, %v", m, next, err)
			}
			next[i]++
		}
	}
	if err := ps[1].hub.PublishExcept("b", ps[1].conns[1], OpText, []byte("but one")); err != nil {
		t.Fatal(err)
	}
	for _, p := range ps {
		p.flush()
	}
	ps[0].hub.PublishAll(OpBinary, []byte("all"))
	ps[0].hub.PublishLocal("a", OpText, []byte("local"))
	for i, p := range ps {
		if i != 1 {
			p.clients[1].want(ws.OpText, "but one")
		}
		p.clients[0].want(ws.OpBinary, "all")
		p.clients[1].want(ws.OpBinary, "all")
	}
	ps[0].clients[0].want(ws.OpText, "local")
	for i, p := range ps {
		p.hub.Leave(p.conns[0], "a")
		p.flush()
		b.mu.RLock()
		if n := len(b.topics["a"]); n != 2-i {
			t.Errorf("%d subscriptions after %d hubs have left", n, i+1)
		}
		b.mu.RUnlock()
	}
}

// TestBrokerChurn joins and leaves fast: the broker's subscriptions follow to where
// it ends.
func TestBrokerChurn(t *testing.T) {
	b := NewMemoryBroker().(*memoryBroker)
	ps := cluster(t, 2, 4, b, func(int) []HubOption { return nil })
	var group sync.WaitGroup
	for i, c := range ps[0].conns {
		group.Go(func() {
			for k := range 500 {
				topic := fmt.Sprint((i + k) % 5)
				ps[0].hub.Join(c, topic)
				ps[1].hub.Publish(topic, OpText, []byte("m"))
				ps[0].hub.Leave(c, topic)
			}
		})
	}
	for _, cl := range ps[0].clients {
		go func() { // until the end of the test
			for {
				if _, _, err := cl.frame(); err != nil {
					return
				}
			}
		}()
	}
	group.Wait()
	ps[0].join("0", 0)
	b.mu.RLock()
	defer b.mu.RUnlock()
	if len(b.topics) != 2 || len(b.topics["0"]) != 1 || len(b.topics[""]) != 1 {
		t.Errorf("%v", b.topics)
	}
}

// TestClusterPresence: each hub knows the names of all, also of those that were there
// first, and hears of each change once.
func TestClusterPresence(t *testing.T) {
	logs := []presenceLog{make(presenceLog, 100), make(presenceLog, 100), make(presenceLog, 100)}
	ps := cluster(t, 3, 2, NewMemoryBroker(), func(i int) []HubOption {
		return []HubOption{WithPresence(logs[i].tell), withPresenceTimes(time.Hour, time.Hour)}
	})
	join := func(i, conn int, name string) {
		t.Helper()
		if err := ps[i].hub.Join(ps[i].conns[conn], "a", As(name)); err != nil {
			t.Fatal(err)
		}
		ps[i].flush()
	}
	join(0, 0, "anna")
	logs[0].want(t, "a+anna local")
	join(1, 0, "bert")
	logs[0].want(t, "a+bert remote")
	logs[1].wantAll(t, "a+bert local", "a+anna remote")
	join(2, 0, "carl")
	logs[2].wantAll(t, "a+carl local", "a+anna remote", "a+bert remote")
	logs[0].want(t, "a+carl remote")
	logs[1].want(t, "a+carl remote")
	for i, p := range ps {
		if got := who(p.hub, "a"); got != "anna bert carl" {
			t.Errorf("hub %d: %s", i, got)
		}
	}
	join(1, 0, "berta")
	for i, where := range []string{"remote", "local", "remote"} {
		logs[i].want(t, "a-bert "+where, "a+berta "+where)
	}
	if err := ps[1].hub.Close(t.Context()); err != nil {
		t.Error(err)
	}
	logs[0].want(t, "a-berta remote")
	logs[2].want(t, "a-berta remote")
	if got := who(ps[0].hub, "a"); got != "anna carl" {
		t.Error(got)
	}
}

// TestClusterDeadHub: the members of a hub that is silent leave, and are back when it
// speaks again.
func TestClusterDeadHub(t *testing.T) {
	b := NewMemoryBroker().(*memoryBroker)
	log := make(presenceLog, 100)
	p := cluster(t, 1, 1, b, func(int) []HubOption {
		return []HubOption{WithPresence(log.tell), withPresenceTimes(20*time.Millisecond, 200*time.Millisecond)}
	})[0]
	if err := p.hub.Join(p.conns[0], "a", As("anna")); err != nil {
		t.Fatal(err)
	}
	p.flush()
	log.want(t, "a+anna local")
	other := newGhost(t, b, "ghost")
	other.say("a", `{"all":true,"joined":{"7":"Ym9v"}}`) // boo
	log.want(t, "a+boo remote")
	log.want(t, "a-boo remote") // when its time has come
	other.say("", `{}`)
	for {
		if m := wait(t, "question", other.heard); strings.Contains(m, `"to":"ghost"`) {
			break
		}
	}
	other.say("a", `{"all":true,"joined":{"7":"Ym9v"}}`)
	log.want(t, "a+boo remote")
	other.say("", `{"bye":true}`)
	log.want(t, "a-boo remote")
}

// ghost is a hub that says only what it is told.
type ghost struct {
	t     *testing.T
	name  string
	link  BrokerLink
	heard chan string
}

func newGhost(t *testing.T, b Broker, name string) *ghost {
	g := &ghost{t: t, name: name, heard: make(chan string, 10_000)}
	g.link = b.Connect(name, g)
	if err := g.link.Update([]string{""}, nil); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *ghost) say(topic, news string) {
	m := BrokerMessage{Message: Message{Topic: topic, Op: OpText, Payload: []byte(news)}, Kind: KindPresence, Origin: g.name}
	if err := g.link.Publish(m); err != nil {
		g.t.Error(err)
	}
}

func (g *ghost) Deliver(m BrokerMessage)                               { g.heard <- string(m.Payload) }
func (g *ghost) Restore(string, uint64, uint64, []BrokerMessage, bool) {}
func (g *ghost) Lost()                                                 {}
func (g *ghost) Failed(err error)                                      { g.t.Error(err) }

// withPresenceTimes sets how often a hub gives a sign of life, and when it is dead.
func withPresenceTimes(every, dead time.Duration) HubOption {
	return func(c *hubConfig) { c.beat = beatTimes{every, dead} }
}

// TestClusterOrder: messages that are published at the same time come in the same order
// to the members of all hubs.
func TestClusterOrder(t *testing.T) {
	ps := cluster(t, 2, 1, NewMemoryBroker(), func(int) []HubOption { return nil })
	for _, p := range ps {
		p.join("a", 0)
	}
	const publishers, each = 4, 500
	var group sync.WaitGroup
	for i := range publishers {
		group.Go(func() {
			for k := range each {
				if err := ps[0].hub.Publish("a", OpText, fmt.Append(nil, i, "-", k)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	for i := range publishers * each {
		_, here, err1 := ps[0].clients[0].frame()
		_, there, err2 := ps[1].clients[0].frame()
		if err := errors.Join(err1, err2); err != nil || string(here) != string(there) {
			t.Fatalf("message %d is %s here and %s there, %v", i, here, there, err)
		}
	}
}

// awayBroker keeps the history, and never says what is in it.
type awayBroker struct{}

func (b awayBroker) Connect(string, BrokerReceiver) BrokerLink { return b }
func (awayBroker) Update([]string, []string) error             { return nil }
func (awayBroker) Publish(BrokerMessage) error                 { return nil }
func (awayBroker) Close() error                                { return nil }
func (awayBroker) KeepHistory(HistoryLimit) bool               { return true }

// TestHubForgetsWhoNeverJoined: of connections that end while they wait for the
// broker's history, or have only published, nothing is left.
func TestHubForgetsWhoNeverJoined(t *testing.T) {
	h := NewHub(WithBroker(awayBroker{}), WithHistory(HistoryLimit{}))
	defer h.Close(t.Context())
	p := newParty(t, h, 2, 4)
	for i, c := range p.conns {
		if err := h.PublishExcept("a", c, OpText, []byte("m")); err != nil {
			t.Fatal(err)
		}
		for range i {
			if err := h.Join(c, "a", Since(Position{}, nil)); err != nil {
				t.Fatal(err)
			}
		}
	}
	a := h.topics.find("a")
	if ids, waiting := remembered(h, a); ids != 4 || waiting != 1+2+3 {
		t.Errorf("%d ids, %d wait", ids, waiting)
	}
	if err := h.Leave(p.conns[3], "a"); err != nil {
		t.Fatal(err)
	}
	if n := onLoop(t, p.conns[3], func() int { return len(p.conns[3].rare.Load().ends) }); n != 1 {
		t.Error(n, "hear of the end of one that waits no more")
	}
	p.endAll()
	for _, c := range p.conns { // one that ended first is found to have in a later turn
		onLoop(t, c, func() int { return 0 })
	}
	if ids, waiting := remembered(h, a); ids != 0 || waiting != 0 || len(a.rooms) > 0 {
		t.Errorf("%d ids, %d wait, %d rooms", ids, waiting, len(a.rooms))
	}
}

// remembered is how many connections a hub has ids for, and how many joins wait for a
// topic's history.
func remembered(h *Hub, t *topic) (ids, waiting int) {
	h.ids.mu.Lock()
	defer h.ids.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(h.ids.byConn), len(t.waiting)
}

// TestHubHearsEarly has another hub speak while one is made.
func TestHubHearsEarly(t *testing.T) {
	b := NewMemoryBroker()
	other := &ghost{t: t, name: "ghost", heard: make(chan string, 100_000)}
	other.link = b.Connect("ghost", other)
	stop := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				other.say("", `{}`)
			}
		}
	})
	for range 50 {
		h := NewHub(WithBroker(b), WithPresence(nil))
		flush(t, h)
		if err := h.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	group.Wait()
}
