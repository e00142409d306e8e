package reactor

import (
	"errors"
	"os"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustParse(t testing.TB, s string) InetAddress {
	t.Helper()
	a, err := ParseInetAddress(s)
	must(t, err)
	return a
}

func mustSocket(t testing.TB, addr InetAddress) Socket {
	t.Helper()
	s, err := NewStreamSocket(addr)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func rawAny[T any](raw *T) *unix.RawSockaddrAny {
	any := new(unix.RawSockaddrAny)
	*(*T)(unsafe.Pointer(any)) = *raw
	return any
}

func waitReadable(t testing.TB, fd int) {
	t.Helper()
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(patience/ms))
		if err == unix.EINTR {
			continue
		}
		if n != 1 || err != nil {
			t.Fatalf("waited in vain: %d, %v", n, err)
		}
		return
	}
}

// option reads an option of a socket.
func option(t testing.TB, s Socket, level, name int) int {
	t.Helper()
	v, err := unix.GetsockoptInt(s.FD(), level, name)
	must(t, err)
	return v
}

func TestSocketOptions(t *testing.T) {
	s := mustSocket(t, mustParse(t, "[::1]:0"))
	for name, c := range map[string]struct {
		set           func(bool) error
		level, option int
	}{
		"SO_REUSEADDR": {s.SetReuseAddr, unix.SOL_SOCKET, unix.SO_REUSEADDR},
		"SO_REUSEPORT": {s.SetReusePort, unix.SOL_SOCKET, unix.SO_REUSEPORT},
		"IPV6_V6ONLY":  {s.SetIPv6Only, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY},
		"TCP_NODELAY":  {s.SetTCPNoDelay, unix.IPPROTO_TCP, unix.TCP_NODELAY},
	} {
		for _, on := range []bool{true, false, true} {
			must(t, c.set(on))
			if got := option(t, s, c.level, c.option) != 0; got != on {
				t.Errorf("%s is %v, want %v", name, got, on)
			}
		}
	}
	must(t, s.SetSendBuffer(10_000))
	if got := option(t, s, unix.SOL_SOCKET, unix.SO_SNDBUF); got != 20_000 { // socket(7): doubled
		t.Errorf("SO_SNDBUF is %d", got)
	}
}

func TestSocketKeepAlive(t *testing.T) {
	s := mustSocket(t, mustParse(t, "127.0.0.1:0"))
	for _, c := range []struct {
		idle    time.Duration
		on      bool
		seconds int
		between int
	}{
		{time.Minute, true, 60, 15}, {time.Millisecond, true, 1, 1}, {90500 * ms, true, 90, 22}, {0, false, 90, 22}, {-1, false, 90, 22},
	} {
		must(t, s.SetKeepAlive(c.idle))
		on := option(t, s, unix.SOL_SOCKET, unix.SO_KEEPALIVE) != 0
		idle := option(t, s, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE)
		interval := option(t, s, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL)
		probes := option(t, s, unix.IPPROTO_TCP, unix.TCP_KEEPCNT)
		if on != c.on || idle != c.seconds || interval != c.between || probes != 4 {
			t.Errorf("%v: on %v, after %d s, every %d s, %d times", c.idle, on, idle, interval, probes)
		}
	}
}

// Sockets do not block and are not inherited by child processes.
func TestSocketFlags(t *testing.T) {
	for _, where := range []string{"127.0.0.1:0", "[::1]:0", "unix:@x"} {
		s := mustSocket(t, mustParse(t, where))
		status, err := unix.FcntlInt(uintptr(s.FD()), unix.F_GETFL, 0)
		must(t, err)
		flags, err := unix.FcntlInt(uintptr(s.FD()), unix.F_GETFD, 0)
		must(t, err)
		if status&unix.O_NONBLOCK == 0 || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("%s: non-blocking %v, close-on-exec %v", where, status&unix.O_NONBLOCK != 0, flags&unix.FD_CLOEXEC != 0)
		}
	}
}

func TestSocketConnectRefused(t *testing.T) {
	closed := mustSocket(t, mustParse(t, "127.0.0.1:0"))
	must(t, closed.Bind(mustParse(t, "127.0.0.1:0"))) // bound, and so nobody else's, but not listening
	s := mustSocket(t, closed.LocalAddr())
	err := s.Connect(closed.LocalAddr())
	if errors.Is(err, unix.EINPROGRESS) {
		waitReadable(t, s.FD())
		err = s.TakeError()
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("got %v", err)
	}
	if err := s.TakeError(); err != nil {
		t.Errorf("the error was not cleared: %v", err)
	}
	if peer := s.PeerAddr(); peer.IsValid() {
		t.Errorf("a socket without peer has the peer %v", peer)
	}
}

func TestSocketShutdownWrite(t *testing.T) {
	near, far := socketPair(t)
	must(t, Socket{near}.ShutdownWrite())
	if n, err := recvRetry(far, make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("the peer read %d, %v; want the end of the stream", n, err)
	}
	if _, err := sendRetry(near, []byte("x"), 0); err != unix.EPIPE {
		t.Errorf("send after it: %v", err)
	}
}

// TestSocketErrors: each names its system call and can be tested for.
func TestSocketErrors(t *testing.T) {
	gone := Socket{-1}
	for name, err := range map[string]error{
		"bind":       gone.Bind(mustParse(t, "127.0.0.1:0")),
		"listen":     gone.Listen(1),
		"connect":    gone.Connect(mustParse(t, "127.0.0.1:1")),
		"shutdown":   gone.ShutdownWrite(),
		"close":      gone.Close(),
		"getsockopt": gone.TakeError(),
		"setsockopt": gone.SetReuseAddr(true),
	} {
		var call *os.SyscallError
		if !errors.Is(err, unix.EBADF) || !errors.As(err, &call) || call.Syscall != name {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if a, b := gone.LocalAddr(), gone.PeerAddr(); a.IsValid() || b.IsValid() {
		t.Errorf("a closed socket has addresses %v and %v", a, b)
	}
	listener := mustSocket(t, mustParse(t, "127.0.0.1:0"))
	must(t, listener.Bind(mustParse(t, "127.0.0.1:0")))
	must(t, listener.Listen(1))
	if err := mustSocket(t, listener.LocalAddr()).Bind(listener.LocalAddr()); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("the address of a listener: %v", err)
	}
	if err := mustSocket(t, mustParse(t, "unix:@x")).SetTCPNoDelay(true); err == nil {
		t.Error("TCP_NODELAY was set on a Unix socket")
	}
}
