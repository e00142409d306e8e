package reactor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseInetAddress(t *testing.T) {
	longest := strings.Repeat("x", len(unix.RawSockaddrUnix{}.Path)-1)
	for _, c := range []struct {
		in     string
		out    string // of String; empty: refused
		family int
	}{
		{"127.0.0.1:80", "127.0.0.1:80", unix.AF_INET},
		{"0.0.0.0:0", "0.0.0.0:0", unix.AF_INET},
		{"[::1]:80", "[::1]:80", unix.AF_INET6},
		{"[::]:65535", "[::]:65535", unix.AF_INET6},
		{":8080", "[::]:8080", unix.AF_INET6},
		{"[fe80::1%eth0]:80", "[fe80::1%eth0]:80", unix.AF_INET6},
		{"[::ffff:127.0.0.1]:80", "127.0.0.1:80", unix.AF_INET}, // as the kernel's peers are given
		{"unix:/run/x.sock", "unix:/run/x.sock", unix.AF_UNIX},
		{"unix:relative", "unix:relative", unix.AF_UNIX},
		{"unix:@abstract", "unix:@abstract", unix.AF_UNIX},
		{"unix:" + longest, "unix:" + longest, unix.AF_UNIX},
		{"unix:" + longest + "x", "", 0},
		{"unix:", "", 0},
		{"unix:nul\x00", "", 0},
		{"", "", 0},
		{":", "", 0},
		{"80", "", 0},
		{"127.0.0.1", "", 0},
		{"127.0.0.1:", "", 0},
		{"127.0.0.1:65536", "", 0},
		{"127.0.0.1:-1", "", 0},
		{"127.0.0.1:+1", "", 0},
		{"127.0.0.1:http", "", 0},
		{":http", "", 0},
		{"127.1:80", "", 0},
		{"127.0.0.01:80", "", 0},
		{"::1:80", "", 0},
		{"[::1]", "", 0},
		{"[127.0.0.1]:80", "", 0},
		{"localhost:80", "", 0}, // a name: ResolveInetAddress
		{" 127.0.0.1:80", "", 0},
	} {
		a, err := ParseInetAddress(c.in)
		if c.out == "" {
			if !errors.Is(err, ErrBadAddress) || a.IsValid() {
				t.Errorf("%q: got %v, %v; want ErrBadAddress", c.in, a, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.in, err)
			continue
		}
		if a.String() != c.out || a.family() != c.family || !a.IsValid() || a.IsUnix() != (c.family == unix.AF_UNIX) {
			t.Errorf("%q: got %v of family %d, valid %v, unix %v", c.in, a, a.family(), a.IsValid(), a.IsUnix())
		}
		if again, err := ParseInetAddress(a.String()); again != a || err != nil {
			t.Errorf("%q: String does not parse back: %v, %v", c.in, again, err)
		}
	}
}

func TestResolveInetAddress(t *testing.T) {
	ctx := context.Background()
	a, err := ResolveInetAddress(ctx, "localhost:http")
	if err != nil {
		t.Fatal(err)
	}
	if !a.AddrPort().Addr().IsLoopback() || a.AddrPort().Port() != 80 {
		t.Errorf("localhost:http is %v", a)
	}
	for _, literal := range []string{"127.0.0.1:80", "[::1]:1", ":8080", "unix:/run/x"} {
		want, _ := ParseInetAddress(literal)
		if got, err := ResolveInetAddress(ctx, literal); got != want || err != nil {
			t.Errorf("%s: got %v, %v", literal, got, err)
		}
	}
	for _, bad := range []string{"", "unix:", "localhost", "localhost:no-such-service", "127.0.0.1:99999"} {
		if got, err := ResolveInetAddress(ctx, bad); !errors.Is(err, ErrBadAddress) {
			t.Errorf("%q: got %v, %v", bad, got, err)
		}
	}
}

func TestInetAddressFrom(t *testing.T) {
	mapped := netip.MustParseAddrPort("[::ffff:10.1.2.3]:80")
	if a := InetAddressFrom(mapped); a.String() != "10.1.2.3:80" || a.family() != unix.AF_INET {
		t.Errorf("an IPv4 address in IPv6's clothes is %v, of family %d", a, a.family())
	}
	if a := UnixAddress("/run/x"); a.Path() != "/run/x" || a.AddrPort().IsValid() {
		t.Errorf("got %+v", a)
	}
}

// The zero value is no address: listening on it must not mean "everywhere".
func TestInetAddressZeroIsRefused(t *testing.T) {
	if (InetAddress{}).IsValid() {
		t.Error("the zero value is valid")
	}
	s, err := NewStreamSocket(InetAddress{})
	if err == nil {
		defer s.Close()
		err = s.Bind(InetAddress{})
	}
	if !errors.Is(err, ErrBadAddress) {
		t.Errorf("bound to the zero value: %v", err)
	}
}

func TestInetAddressZone(t *testing.T) {
	lo, err := net.InterfaceByIndex(1)
	if err != nil {
		t.Skip("no interface 1: ", err)
	}
	for _, zone := range []string{lo.Name, "1"} {
		a, err := ParseInetAddress("[fe80::1%" + zone + "]:80")
		if err != nil {
			t.Fatal(err)
		}
		sa, err := a.sockaddr()
		if err != nil {
			t.Errorf("zone %s: %v", zone, err)
			continue
		}
		if got := sa.(*unix.SockaddrInet6); got.ZoneId != 1 || got.Port != 80 {
			t.Errorf("zone %s is %d", zone, got.ZoneId)
		}
	}
	raw := &unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: 0x5000, Addr: netip.MustParseAddr("fe80::2").As16(), Scope_id: 1}
	// What comes back names the same interface, so that it can be used again.
	got := fromRawSockaddr(rawAny(raw), unix.SizeofSockaddrInet6)
	if got.String() != "[fe80::2%1]:80" {
		t.Errorf("an accepted link-local peer is %s", got)
	}
	if back, err := got.sockaddr(); err != nil || back.(*unix.SockaddrInet6).ZoneId != 1 {
		t.Errorf("it came back as %v, %v", back, err)
	}
	missing, _ := ParseInetAddress("[fe80::1%no-such-if]:80")
	if _, err := missing.sockaddr(); !errors.Is(err, ErrBadAddress) {
		t.Errorf("a zone that is no interface: %v", err)
	}
}

// TestInetAddressFromTheKernel compares what accept4(2), getsockname(2) and
// getpeername(2) say, for each kind of address.
func TestInetAddressFromTheKernel(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ listen, connect, from string }{
		{"127.0.0.1:0", "", ""},
		{"[::1]:0", "", ""},
		{":0", "127.0.0.1", ""}, // an IPv4 peer of an IPv6 socket
		{":0", "[::1]", ""},
		{"unix:" + filepath.Join(dir, "path"), "", ""},
		{"unix:" + filepath.Join(dir, "path2"), "", "unix:" + filepath.Join(dir, "from")},
		{fmt.Sprintf("unix:@carillon-%d", unix.Getpid()), "", fmt.Sprintf("unix:@carillon-from-%d", unix.Getpid())},
	} {
		t.Run(c.listen+" "+c.connect, func(t *testing.T) {
			addr := mustParse(t, c.listen)
			listener := mustSocket(t, addr)
			if !addr.IsUnix() && addr.family() == unix.AF_INET6 {
				must(t, listener.SetIPv6Only(false))
			}
			must(t, listener.Bind(addr))
			must(t, listener.Listen(1))
			bound := listener.LocalAddr()
			if addr.IsUnix() && bound != addr {
				t.Errorf("bound to %v, want %v", bound, addr)
			}
			to := bound
			if c.connect != "" {
				to = mustParse(t, fmt.Sprintf("%s:%d", c.connect, bound.AddrPort().Port()))
			}
			client := mustSocket(t, to)
			if c.from != "" {
				must(t, client.Bind(mustParse(t, c.from)))
			}
			if err := client.Connect(to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
				t.Fatal(err)
			}
			waitReadable(t, listener.FD())
			fd, peer, err := accept4Retry(listener.FD())
			must(t, err)
			accepted := Socket{fd}
			defer accepted.Close()
			if client.PeerAddr() != to {
				t.Errorf("the client's peer is %v, want %v", client.PeerAddr(), to)
			}
			if peer != client.LocalAddr() || peer != accepted.PeerAddr() {
				t.Errorf("accept4 says %v, getpeername %v, the client's getsockname %v", peer, accepted.PeerAddr(), client.LocalAddr())
			}
			if accepted.LocalAddr() != to {
				t.Errorf("the accepted socket is at %v, want %v", accepted.LocalAddr(), to)
			}
			if want := c.from; want != "" && peer.String() != want {
				t.Errorf("the peer is %v, want %s", peer, want)
			}
		})
	}
}
