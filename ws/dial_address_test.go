package ws

import (
	"context"
	"errors"
	"io"
	"net"
	stdhttp "net/http"
	"net/netip"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// TestDialAddresses: all addresses of a name are tried, in their order.
func TestDialAddresses(t *testing.T) {
	addr := netip.MustParseAddrPort(start(t, newRecorder()))
	gone := listen(t, "127.0.0.1:0")
	gone.Close()
	lookup := func(ips ...string) DialOption {
		return dialOption(func(c *dialConfig) {
			c.lookup = func(context.Context, string, string) ([]netip.Addr, error) {
				var all []netip.Addr
				for _, ip := range ips {
					all = append(all, netip.MustParseAddr(ip))
				}
				return all, nil
			}
		})
	}
	// Nobody listens on 127.0.0.2 and 127.0.0.3.
	url := "ws://many.example:" + portString(addr.Port()) + "/"
	in := newInbox()
	c := dialed(t, url, in, WithProxy(nil), lookup("127.0.0.2", "127.0.0.3", "127.0.0.1"))
	if got := c.Conn().RemoteAddr().String(); got != addr.String() {
		t.Error(got)
	}
	err := refusedBy(t, url, WithProxy(nil), lookup("127.0.0.2", "127.0.0.3"))
	if s := err.Error(); !strings.Contains(s, "127.0.0.2") || !strings.Contains(s, "127.0.0.3") {
		t.Error(s)
	}
	dns := &net.DNSError{Err: "no such host", Name: "many.example", IsNotFound: true}
	err = refusedBy(t, url, WithProxy(nil), dialOption(func(c *dialConfig) {
		c.lookup = func(context.Context, string, string) ([]netip.Addr, error) { return nil, dns }
	}))
	if !errors.Is(err, dns) {
		t.Error("DNS failure:", err)
	}
	down := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, io.ErrClosedPipe }}
	if err := refusedBy(t, url, WithProxy(nil), WithResolver(down)); !errors.As(err, &dns) {
		t.Error("a resolver that is down:", err)
	}
}

func TestDialUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	scriptOn(t, l, func(p *peer) {
		if p.req, err = stdhttp.ReadRequest(p.r); err != nil || p.req.Host != "app" {
			t.Error(p.req, err)
			return
		}
		p.send(p.good(""))
		p.serveEcho()
	})
	in := newInbox()
	c := dialed(t, "ws://app/", in, WithUnixSocket(path))
	c.Send(OpText, []byte("hi"))
	if got := wait(t, "echo", in.messages); got != "hi" {
		t.Error(got)
	}
}

// TestDialOnLoop: Dial on its own loop would wait for itself.
func TestDialOnLoop(t *testing.T) {
	addr := start(t, newRecorder())
	thread := reactor.NewEventLoopThread()
	loop, err := thread.StartLoop()
	if err != nil {
		t.Fatal(err)
	}
	defer thread.Stop()
	in := newInbox()
	c := dialed(t, "ws://"+addr, in, WithLoop(loop))
	if conn := wait(t, "OnOpen", in.opened); conn.Loop() != loop {
		t.Error("another loop")
	}
	shared := dialed(t, "ws://"+addr, in)
	for _, on := range []*Client{c, shared} {
		var opts []DialOption
		if on == c {
			opts = append(opts, WithLoop(loop))
		}
		errs := make(chan error, 1)
		on.Conn().Loop().QueueInLoop(func() {
			_, err := Dial(context.Background(), "ws://"+addr, in, opts...)
			errs <- err
		})
		if err := wait(t, "Dial on the loop", errs); !errors.Is(err, reactor.ErrOnLoop) {
			t.Error(err)
		}
	}
	ended(t, c)
	thread.Stop()
	if err := refusedBy(t, "ws://"+addr, WithLoop(loop)); !errors.Is(err, reactor.ErrLoopClosed) {
		t.Error("a loop that has quit:", err)
	}
}

// TestSharedLoop: it runs while a client needs it, and a later one gets another.
func TestSharedLoop(t *testing.T) {
	addr := start(t, newRecorder())
	var before *reactor.EventLoop
	for range 3 {
		a := dialed(t, "ws://"+addr, NopHandler{})
		b := dialed(t, "ws://"+addr, NopHandler{})
		loop := a.loop.EventLoop
		if b.loop.EventLoop != loop || loop == before {
			t.Error("not one loop, or an old one")
		}
		ended(t, a)
		if err := loop.QueueInLoop(func() {}); err != nil {
			t.Error("the loop ended before the last client:", err)
		}
		ended(t, b)
		for began := time.Now(); loop.QueueInLoop(func() {}) == nil; runtime.Gosched() {
			if time.Since(began) > patience {
				t.Fatal("the loop goes on behind its last client")
			}
		}
		before = loop
	}
}

func portString(port uint16) string { return strconv.Itoa(int(port)) }
