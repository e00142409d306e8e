package http

import (
	"bufio"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// As many goroutines are kept as handlers have run at the same time, they serve again, and they end when nobody needs them.
func TestHandsAreKeptAndEnd(t *testing.T) {
	patience := handPatience
	handPatience = 50 * time.Millisecond
	t.Cleanup(func() { handPatience = patience })

	const many = 20
	var round atomic.Pointer[sync.WaitGroup]
	app := New()
	app.Server.Loops = 1
	app.Get("/together", func(c *Ctx) error {
		all := round.Load()
		all.Done()
		all.Wait() // so that none serves two of them
		return c.Text(200, "done")
	})
	app.Get("/exit", func(*Ctx) error { runtime.Goexit(); return nil })
	addr := serveApp(t, app)
	before := runtime.NumGoroutine()
	for range 3 {
		all := new(sync.WaitGroup)
		all.Add(many)
		round.Store(all)
		var readers []*bufio.Reader
		for range many {
			c := dial(t, addr)
			send(t, c, "GET /together HTTP/1.1\r\nHost: h\r\n\r\n")
			readers = append(readers, bufio.NewReader(c))
		}
		for _, r := range readers {
			answer(t, r, "GET")
		}
		// One that ends its goroutine takes no other with it, and is not given work again.
		c := dial(t, addr)
		send(t, c, "GET /exit HTTP/1.1\r\nHost: h\r\n\r\n")
		if res, _ := answer(t, bufio.NewReader(c), "GET"); res.StatusCode != 500 {
			t.Error(res.StatusCode)
		}
	}
	until(t, "the goroutines to end", func() bool { return runtime.NumGoroutine() <= before })
}
