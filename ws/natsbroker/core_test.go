package natsbroker

import (
	"fmt"
	"sync"
	"testing"
)

const topics = 3

// trio is three processes with two clients each, all in the topic "a", and the second ones in odd topics.
type trio struct {
	t         *testing.T
	url       string
	keep      bool
	processes [3]*process
	clients   [3][2]*client
}

func startTrio(t *testing.T, url string, keep bool) *trio {
	c := &trio{t: t, url: url, keep: keep}
	for i := range c.processes {
		c.start(i)
	}
	return c
}

func (c *trio) start(i int) {
	c.t.Helper()
	c.processes[i] = startProcess(c.t, c.url, c.keep)
	for k := range c.clients[i] {
		c.clients[i][k] = connect(c.t, c.processes[i])
		c.clients[i][k].do("join", "a", fmt.Sprintf("%d%d", i, k))
	}
	for _, topic := range odd[:topics] {
		c.clients[i][1].do("join", topic, "odd")
	}
}

func (c *trio) each(f func(i, k int, cl *client)) {
	for i, pair := range c.clients {
		for k, cl := range pair {
			f(i, k, cl)
		}
	}
}

// round publishes from all clients at once, and checks that each gets everything once.
func (c *trio) round(name string) {
	c.t.Helper()
	const messages = 40
	var group sync.WaitGroup
	c.each(func(i, k int, cl *client) {
		group.Go(func() {
			for n := range messages {
				cl.do("publish", "a", fmt.Sprintf("%s %d%d %d", name, i, k, n))
			}
			cl.do("publish", "a", fmt.Sprint(name, " end"))
		})
	})
	group.Wait()
	c.each(func(i, k int, cl *client) {
		next := make(map[string]int)
		for ends := 0; ends < 6; {
			m := wait(c.t, "message of "+name, cl.messages)
			var who string
			var n int
			if m.payload == name+" end" {
				ends++
			} else if _, err := fmt.Sscanf(m.payload, name+" %s %d", &who, &n); err != nil || n != next[who] {
				c.t.Fatalf("client %d%d got %q, want %d: %v", i, k, m.payload, next[who], err)
			} else {
				next[who]++
			}
		}
		if len(next) != 6 {
			c.t.Errorf("client %d%d got messages of %v", i, k, next)
		}
		for who, n := range next {
			if n != messages {
				c.t.Errorf("client %d%d got %d messages of %s", i, k, n, who)
			}
		}
	})
	for n, topic := range odd[:topics] {
		c.clients[n][1].do("publish", topic, name)
		for i := range c.clients {
			c.clients[i][1].want(topic, name)
		}
	}
	c.clients[0][0].do("others", "a", name+" others")
	c.each(func(i, k int, cl *client) {
		if i != 0 || k != 0 {
			cl.want("a", name+" others")
		}
	})
	c.clients[2][0].do("all", name+" all")
	c.each(func(_, _ int, cl *client) { cl.want("", name+" all") })
}

// TestCluster has three processes share topics by core NATS, kills one and starts it again, and stops
// and starts the NATS server.
func TestCluster(t *testing.T) {
	ns := startNATS(t, "")
	c := startTrio(t, ns.url(), false)
	c.round("first")

	c.processes[1].kill()
	c.clients[0][0].do("publish", "a", "without one")
	for _, i := range []int{0, 2} {
		for _, cl := range c.clients[i] {
			cl.want("a", "without one")
		}
	}
	c.start(1)
	c.round("second")

	ns.stop()
	c.clients[0][0].do("publish", "a", "alone") // of its own members nobody waits
	c.clients[0][0].want("a", "alone")
	c.clients[0][1].want("a", "alone")
	ns.start()
	for _, p := range c.processes {
		if line := wait(t, "reconnection", p.lines); line != "missed" {
			t.Fatal(line)
		}
	}
	// What was published meanwhile comes to the others at most once: whether they were there again
	// when it did is up to chance.
	c.clients[0][0].do("publish", "a", "back")
	c.each(func(i, k int, cl *client) {
		got := cl.gather("back")
		if most := 1; i == 0 && len(got) > 0 || len(got) > most || got["alone"] > most {
			t.Errorf("client %d%d got %v", i, k, got)
		}
	})
	c.round("third")
}

// TestChurn joins and leaves in one process while another publishes: who has joined and flushed gets
// what is published then, once.
func TestChurn(t *testing.T) {
	ns := startNATS(t, "")
	one, two := startProcess(t, ns.url(), false), startProcess(t, ns.url(), false)
	from := connect(t, two)
	var group sync.WaitGroup
	for n := range 4 {
		to := connect(t, one)
		group.Go(func() {
			for k := range 25 {
				topic := fmt.Sprint("churn.", n%2)
				to.do("join", topic, "")
				to.do("leave", topic)
				to.do("join", "own", "")
				to.do("join", topic, "")
				to.do("publish", "own", fmt.Sprint(n, " ", k))
				for { // messages of the other topic pass by
					m := wait(t, "own message", to.messages)
					if m.payload == fmt.Sprint(n, " ", k) {
						break
					}
				}
				to.do("leave", "own")
				to.do("leave", topic)
			}
		})
	}
	for k := range 100 {
		from.do("publish", fmt.Sprint("churn.", k%2), "m")
	}
	group.Wait()
	last := connect(t, one)
	last.do("join", "churn.0", "")
	for k := range 10 {
		from.do("publish", "churn.0", fmt.Sprint(k))
		last.want("churn.0", fmt.Sprint(k))
	}
}

// TestPresence: names are known across processes, also of one that died.
func TestPresence(t *testing.T) {
	ns := startNATS(t, "")
	one, two := startProcess(t, ns.url(), false), startProcess(t, ns.url(), false)
	a, b := connect(t, one), connect(t, two)
	a.do("join", "room", "anna")
	b.do("join", "room", "bert")
	for _, c := range []*client{a, b} {
		seen := make(map[string]bool)
		for !seen["presence anna true"] || !seen["presence bert true"] {
			seen[wait(t, "presence", c.presence)] = true
		}
	}
	two.stop()
	for wait(t, "presence", a.presence) != "presence bert false" {
	}
}
