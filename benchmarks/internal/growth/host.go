package growth

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/reactor"
)

// patience is for what never takes that long.
const patience = 30 * time.Second

// host is an App in this process, on one loop that is locked to a thread. Each of
// its connections, too, is from this process.
type host struct {
	app   *http.App
	addr  netip.AddrPort
	loop  *reactor.EventLoop
	conns []*conn
}

// newHost starts an App with what register gives it.
func newHost(register func(app *http.App)) (*host, error) {
	h := &host{app: http.New()}
	h.app.Server.Loops = 1
	h.app.Server.LoopOptions = []reactor.LoopOption{reactor.WithLockOSThread()}
	h.app.Server.IdleTimeout = time.Hour
	h.app.Server.Logger = slog.New(slog.DiscardHandler)
	loops := make(chan *reactor.EventLoop, 1)
	h.app.Get("/loop", func(c *http.Ctx) error {
		loops <- c.Loop()
		return c.NoContent(204)
	}, http.Inline)
	register(h.app)
	bound, err := h.app.Listen("127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	h.addr = bound.AddrPort()
	if err := h.app.Start(); err != nil {
		return nil, errors.Join(err, h.close())
	}
	c, err := h.dial()
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	if _, err := c.ask("GET /loop HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return nil, errors.Join(err, h.close())
	}
	h.loop = <-loops
	return h, nil
}

// dial adds a connection, which close closes.
func (h *host) dial() (*conn, error) {
	c, err := dial(h.addr)
	if err == nil {
		h.conns = append(h.conns, c)
	}
	return c, err
}

// onLoop runs f on the loop and waits for it.
func (h *host) onLoop(f func()) error {
	done := make(chan struct{})
	if err := h.loop.QueueInLoop(func() { f(); close(done) }); err != nil {
		return err
	}
	<-done
	return nil
}

// spent is the CPU time of the loop so far.
func (h *host) spent() (t time.Duration, err error) {
	err = h.onLoop(func() { t = threadTime() })
	return t, err
}

func (h *host) close() error {
	for _, c := range h.conns {
		c.close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return h.app.Shutdown(ctx)
}

// hosts has one for each size.
type hosts[T interface{ close() error }] map[int]T

func newHosts[T interface{ close() error }](sizes []int, start func(x int) (T, error)) (hosts[T], error) {
	all := hosts[T]{}
	for _, x := range sizes {
		h, err := start(x)
		if err != nil {
			return nil, errors.Join(err, all.close())
		}
		all[x] = h
	}
	return all, nil
}

func (all hosts[T]) close() (err error) {
	for _, h := range all {
		err = errors.Join(err, h.close())
	}
	return err
}
