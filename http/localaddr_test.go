package http

import (
	"bufio"
	"sync"
	"testing"

	"github.com/carillon-go/carillon/reactor"
)

// Two loops that each answer for a connection of the other must not wait for each other when a handler asks where its client
// has connected to.
func TestLocalAddrAcrossLoops(t *testing.T) {
	type asked struct {
		a    *Async
		loop *reactor.EventLoop
	}
	come := make(chan asked, 2)
	app := New()
	app.Server.Loops = 2
	app.Get("/", func(c *Ctx) error {
		loop := c.Loop()
		a, err := c.Async()
		if err == nil {
			come <- asked{a, loop}
		}
		return err
	}, Inline)
	addr := serveApp(t, app)
	for range 20 {
		first, second := dial(t, addr), dial(t, addr)
		for _, c := range []interface{ Write([]byte) (int, error) }{first, second} {
			must(c.Write([]byte("GET / HTTP/1.1\r\nHost: h\r\n\r\n")))
		}
		one, two := <-come, <-come
		if one.loop == two.loop {
			t.Fatal("both connections are on one loop: the test shows nothing")
		}
		var both sync.WaitGroup
		both.Add(2)
		tell := func(c *Ctx) error {
			both.Done()
			both.Wait() // each loop is held from here on until the address is there
			return c.Text(200, c.LocalAddr().String())
		}
		for _, p := range []struct {
			a  *Async
			on *reactor.EventLoop
		}{{one.a, two.loop}, {two.a, one.loop}} {
			if err := p.on.QueueInLoop(func() { _ = p.a.Answer(tell) }); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []interface {
			Read([]byte) (int, error)
		}{first, second} {
			if _, body := answer(t, bufio.NewReader(c), "GET"); body != addr {
				t.Fatalf("%q, want %q", body, addr)
			}
		}
		first.Close()
		second.Close()
	}
}
