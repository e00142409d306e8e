package natsbroker

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// standing is where a client stands.
type standing struct {
	position string
	log      []string // payloads
}

// follow reads until there have been messages with these payloads.
func (s *standing) follow(c *client, until ...string) {
	c.t.Helper()
	for len(until) > 0 {
		m := wait(c.t, "message up to "+until[0], c.messages)
		s.log = append(s.log, m.payload)
		if m.position == "" {
			c.t.Fatalf("%q has no position", m.payload)
		}
		s.position = m.position
		until = slices.DeleteFunc(until, func(p string) bool { return p == m.payload })
	}
}

// TestJetStream has three processes share the history of a stream. Clients whose process dies go to
// another and lose nothing; the NATS server is stopped and started, and nobody loses anything.
func TestJetStream(t *testing.T) {
	ns := startNATS(t, t.TempDir())
	c := startTrio(t, ns.url(), true)
	c.round("first")
	publish := func(i int, name string) {
		for n := range 20 {
			c.clients[i][0].do("publish", "a", fmt.Sprint(name, " ", n))
		}
	}
	var at [3]standing
	publish(0, "before")
	for i := range at {
		at[i].follow(c.clients[i][0], "before 19")
	}

	c.processes[1].kill()
	publish(0, "without one")
	c.start(1) // joins both: the new clients get what is published from now on
	publish(2, "with one")
	moved := connect(t, c.processes[1])
	moved.do("resume", "a", at[1].position)
	at[1].follow(moved, "with one 19")
	elsewhere := connect(t, c.processes[2])
	elsewhere.do("resume", "a", "")
	var all standing
	all.follow(elsewhere, "with one 19")

	ns.stop()
	publish(0, "no server")
	ns.start()
	publish(1, "server")
	at[0].follow(c.clients[0][0], "no server 19", "server 19")
	at[1].follow(moved, "no server 19", "server 19")
	at[2].follow(c.clients[2][0], "no server 19", "server 19")
	for i, s := range at {
		if got, want := fmt.Sprintf("%q", s.log), fmt.Sprintf("%q", at[0].log); i > 0 && got != want {
			t.Errorf("client %d got\n%s\nclient 0\n%s", i, got, want)
		}
		seen := make(map[string]bool)
		for _, m := range s.log {
			if seen[m] {
				t.Errorf("client %d got %q twice", i, m)
			}
			seen[m] = true
		}
		if want := 5 * 20; len(s.log) != want {
			t.Errorf("client %d got %d messages, want %d", i, len(s.log), want)
		}
	}
	if n := len(all.log); n < 6*41+60 {
		t.Errorf("all that is kept is %d messages", n)
	}
	c.drain()
	c.round("last")
}

// drain reads what is there, up to a mark.
func (c *trio) drain() {
	c.t.Helper()
	c.clients[0][0].do("publish", "a", "mark")
	c.each(func(_, _ int, cl *client) { cl.gather("mark") })
}

// TestPosition: a client learns when its position is of another stream.
func TestPosition(t *testing.T) {
	ns := startNATS(t, t.TempDir())
	p := startProcess(t, ns.url(), true)
	c := connect(t, p)
	for _, s := range []struct{ since, want string }{
		{"", "resumed a true 0"},
		{"abc-7", "resumed a false 0"},
	} {
		if err := c.conn.WriteMessage(1, []byte("resume\x00a\x00"+s.since)); err != nil {
			t.Fatal(err)
		}
		if got := wait(t, "CatchUp", c.answers); got != s.want {
			t.Errorf("%q: %q, want %q", s.since, got, s.want)
		}
		wait(t, "answer", c.answers)
	}
}

// TestStreamGone: the server comes back without its stream. It is made again, members go on, and a
// position from before is none any more.
func TestStreamGone(t *testing.T) {
	ns := startNATS(t, t.TempDir())
	p, other := startProcess(t, ns.url(), true), startProcess(t, ns.url(), true)
	c := connect(t, p)
	c.do("join", "a", "")
	c.do("publish", "a", "before")
	var at standing
	at.follow(c, "before")
	ns.stop()
	ns.opts.StoreDir = t.TempDir()
	ns.start()
	if line := wait(t, "loss", p.lines); line != "missed" {
		t.Fatal(line)
	}
	late := connect(t, other)
	late.do("publish", "a", "after") // before this process has ever received the topic
	at.follow(c, "after")
	if err := late.conn.WriteMessage(1, []byte("resume\x00a\x00"+at.position[:1]+at.position[2:])); err != nil {
		t.Fatal(err)
	}
	// "before" may have been stored again, if the stream was gone before it could confirm it.
	if got := wait(t, "CatchUp", late.answers); !strings.HasPrefix(got, "resumed a false") {
		t.Error(got)
	}
	at.follow(late, "after")
}
