package reactor_test

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/reactor"
)

// freeAddress is an address at which nobody listens. Its port is drawn by lot from those
// below what Linux gives to who asks for any: the tests beside this one do.
func freeAddress(tb testing.TB, where string) reactor.InetAddress {
	tb.Helper()
	addr := addressOf(tb, where)
	if addr.IsUnix() {
		return addr
	}
	for {
		free := netip.AddrPortFrom(addr.AddrPort().Addr(), uint16(10_000+rand.IntN(22_000)))
		listener, err := net.Listen("tcp", free.String())
		if errors.Is(err, unix.EADDRINUSE) {
			continue
		}
		must(tb, err)
		must(tb, listener.Close())
		addr, err = reactor.ParseInetAddress(free.String())
		must(tb, err)
		return addr
	}
}

// blackhole is the address of a TCP listener that lets nobody in any more: its
// backlog is full and it never accepts.
func blackhole(tb testing.TB) reactor.InetAddress {
	tb.Helper()
	socket, err := reactor.NewStreamSocket(addressOf(tb, onTCP4))
	must(tb, err)
	tb.Cleanup(func() { socket.Close() })
	must(tb, socket.Bind(addressOf(tb, onTCP4)))
	must(tb, socket.Listen(0))
	addr := socket.LocalAddr()
	for range 4 {
		filler, err := reactor.NewStreamSocket(addr)
		must(tb, err)
		tb.Cleanup(func() { filler.Close() })
		if err := filler.Connect(addr); err != nil && !errors.Is(err, unix.EINPROGRESS) {
			tb.Fatal(err)
		}
		fds := []unix.PollFd{{Fd: int32(filler.FD()), Events: unix.POLLOUT}}
		if n, _ := unix.Poll(fds, 100); n == 0 {
			return addr // this one was not let in
		}
	}
	tb.Fatal("the backlog does not fill")
	return addr
}

func TestConnector(t *testing.T) {
	onPlain(t, func(t *testing.T, where string) {
		server := serve(t, where, &reactor.Callbacks{Message: echo})
		loop := runLoop(t)
		fds := make(chan int, 10)
		connector := reactor.NewConnector(loop, server.Addr(), func(fd int) { fds <- fd }, nil)
		must(t, connector.Start())
		fd := receive(t, fds, "the connection")
		defer unix.Close(fd)
		if on, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY); !server.Addr().IsUnix() && (err != nil || on == 0) {
			t.Errorf("TCP_NODELAY: %d, %v", on, err)
		}
		must(t, connector.Stop()) // what was handed over is not touched
		turn(t, loop)
		_, err := unix.Write(fd, []byte("x"))
		must(t, err)
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(patience/time.Millisecond)); err != nil {
			t.Error(err)
		}
		p := make([]byte, 2)
		if n, err := unix.Read(fd, p); n != 1 || p[0] != 'x' {
			t.Errorf("%d bytes came back, %v", n, err)
		}
		if len(fds) != 0 {
			t.Error("connected twice")
		}
	})
}

func TestConnectorStopsInEachState(t *testing.T) {
	states := map[string]func(t *testing.T) (addr reactor.InetAddress, begin func(loop *reactor.EventLoop, c *reactor.Connector, failed <-chan error)){
		"idle": func(t *testing.T) (reactor.InetAddress, func(*reactor.EventLoop, *reactor.Connector, <-chan error)) {
			return freeAddress(t, onTCP4), func(*reactor.EventLoop, *reactor.Connector, <-chan error) {}
		},
		"connecting": func(t *testing.T) (reactor.InetAddress, func(*reactor.EventLoop, *reactor.Connector, <-chan error)) {
			return blackhole(t), func(loop *reactor.EventLoop, c *reactor.Connector, _ <-chan error) {
				must(t, c.Start())
				must(t, c.Start())
				turn(t, loop)
			}
		},
		"waiting": func(t *testing.T) (reactor.InetAddress, func(*reactor.EventLoop, *reactor.Connector, <-chan error)) {
			return freeAddress(t, onTCP4), func(_ *reactor.EventLoop, c *reactor.Connector, failed <-chan error) {
				must(t, c.Start())
				wantError(t, receive(t, failed, "the first failure"), unix.ECONNREFUSED)
			}
		},
	}
	for name, state := range states {
		t.Run(name, func(t *testing.T) {
			loop := runLoop(t)
			addr, begin := state(t)
			failed := make(chan error, 100)
			connector := reactor.NewConnector(loop, addr,
				func(fd int) { t.Error("connected"); unix.Close(fd) },
				func(err error, _ time.Duration) { failed <- err })
			before := openFiles(t)
			begin(loop, connector, failed)
			inLoop(t, loop, func() {
				check(t, connector.Stop())
				check(t, connector.Stop())
			})
			// A timer behind every possible retry finds nothing more.
			later := make(chan struct{})
			loop.RunAfter(reactor.DefaultMinRetryDelay+50*time.Millisecond, func() { close(later) })
			receive(t, later, "a timer behind the retry")
			if len(failed) != 0 {
				t.Errorf("after Stop: %v", <-failed)
			}
			if after := openFiles(t); after > before {
				t.Errorf("%d fds are open, before %d", after, before)
			}
		})
	}
}

func TestConnectorOnLoopThatHasQuit(t *testing.T) {
	thread := reactor.NewEventLoopThread()
	loop, err := thread.StartLoop()
	must(t, err)
	connector := reactor.NewConnector(loop, freeAddress(t, onTCP4), func(int) {}, nil)
	must(t, thread.Stop())
	wantError(t, connector.Start(), reactor.ErrLoopClosed)
	wantError(t, connector.Stop(), reactor.ErrLoopClosed)
}
