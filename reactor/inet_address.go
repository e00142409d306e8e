package reactor

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// InetAddress is the address of one end of a stream: TCP over IPv4 or IPv6, or a
// Unix socket. It is a small value without pointers of its own: copy and compare
// it freely. net/netip does the work.
type InetAddress struct {
	addrPort netip.AddrPort
	path     string // of a Unix socket; "@name" in the abstract namespace
	unix     bool
}

const unixPrefix = "unix:"

// ParseInetAddress reads "127.0.0.1:80", "[::1]:80", ":8080" (all addresses, IPv6
// and IPv4) and "unix:/run/x.sock" ("unix:@x" in the abstract namespace,
// unix(7)). It does not resolve names: ResolveInetAddress does. Error:
// ErrBadAddress, wrapped.
func ParseInetAddress(s string) (InetAddress, error) {
	if path, ok := strings.CutPrefix(s, unixPrefix); ok {
		return parseUnix(s, path)
	}
	if port, ok := strings.CutPrefix(s, ":"); ok {
		s = "[::]:" + port
	}
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		return InetAddress{}, fmt.Errorf("%w %q: want HOST:PORT, :PORT or unix:PATH", ErrBadAddress, s)
	}
	return InetAddressFrom(ap), nil
}

func parseUnix(whole, path string) (InetAddress, error) {
	if path == "" || strings.ContainsRune(path, 0) {
		return InetAddress{}, fmt.Errorf("%w %q: no path", ErrBadAddress, whole)
	}
	if longest := len(unix.RawSockaddrUnix{}.Path) - 1; len(path) > longest {
		return InetAddress{}, fmt.Errorf("%w %q: the path is longer than %d bytes", ErrBadAddress, whole, longest)
	}
	return InetAddress{path: path, unix: true}, nil
}

// ResolveInetAddress is ParseInetAddress that also takes host and service names.
// It asks the system's resolver, and so may block: never call it on a loop. Of
// several addresses it returns the first that the resolver prefers.
func ResolveInetAddress(ctx context.Context, s string) (InetAddress, error) {
	if a, err := ParseInetAddress(s); err == nil || strings.HasPrefix(s, unixPrefix) {
		return a, err
	}
	host, service, err := net.SplitHostPort(s)
	if err != nil {
		return InetAddress{}, fmt.Errorf("%w %q: %v", ErrBadAddress, s, err)
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", service)
	if err != nil {
		return InetAddress{}, fmt.Errorf("%w %q: %w", ErrBadAddress, s, err)
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return InetAddress{}, fmt.Errorf("%w %q: %w", ErrBadAddress, s, err)
	}
	return InetAddressFrom(netip.AddrPortFrom(addrs[0], uint16(port))), nil
}

// InetAddressFrom wraps an address of net/netip. An IPv4 address that is mapped
// into IPv6 becomes plain IPv4, as the addresses of connections are: a socket of
// IPv6 only cannot be bound to it.
func InetAddressFrom(ap netip.AddrPort) InetAddress {
	return InetAddress{addrPort: netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())}
}

// UnixAddress is the address of a Unix socket; "@name" is in the abstract namespace.
func UnixAddress(path string) InetAddress { return InetAddress{path: path, unix: true} }

// IsUnix reports whether a is a Unix socket's address.
func (a InetAddress) IsUnix() bool { return a.unix }

// IsValid reports whether a is an address at all: the zero value is not.
func (a InetAddress) IsValid() bool { return a.unix || a.addrPort.IsValid() }

// AddrPort returns the IP address and port; the zero value for a Unix socket.
func (a InetAddress) AddrPort() netip.AddrPort { return a.addrPort }

// Path returns a Unix socket's path, "" for TCP and for an unnamed socket.
func (a InetAddress) Path() string { return a.path }

// String returns the form that ParseInetAddress reads.
func (a InetAddress) String() string {
	if a.unix {
		return unixPrefix + a.path
	}
	return a.addrPort.String()
}

// family is the address family for socket(2).
func (a InetAddress) family() int {
	switch {
	case a.unix:
		return unix.AF_UNIX
	case a.addrPort.Addr().Is4():
		return unix.AF_INET
	default:
		return unix.AF_INET6
	}
}

// sockaddr converts a for bind(2) and connect(2). Errors: ErrBadAddress for the
// zero value, which would else mean every address, and for a zone that is no
// interface.
func (a InetAddress) sockaddr() (unix.Sockaddr, error) {
	if !a.IsValid() {
		return nil, fmt.Errorf("%w: the zero InetAddress", ErrBadAddress)
	}
	switch a.family() {
	case unix.AF_UNIX:
		return &unix.SockaddrUnix{Name: a.path}, nil
	case unix.AF_INET:
		return &unix.SockaddrInet4{Port: int(a.addrPort.Port()), Addr: a.addrPort.Addr().As4()}, nil
	}
	sa := &unix.SockaddrInet6{Port: int(a.addrPort.Port()), Addr: a.addrPort.Addr().As16()}
	if zone := a.addrPort.Addr().Zone(); zone != "" {
		id, err := zoneID(zone)
		if err != nil {
			return nil, fmt.Errorf("%w %q: %w", ErrBadAddress, a.String(), err)
		}
		sa.ZoneId = id
	}
	return sa, nil
}

// zoneID is the number of an interface that is given by number, as withZone gives
// it, or by name (RFC 4007 section 11.2).
func zoneID(zone string) (uint32, error) {
	if id, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(id), nil
	}
	iface, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, err
	}
	return uint32(iface.Index), nil
}

// withZone keeps the zone of a link-local address, by number: to ask for its name
// takes system calls.
func withZone(addr netip.Addr, id uint32) netip.Addr {
	if id == 0 {
		return addr
	}
	return addr.WithZone(strconv.FormatUint(uint64(id), 10))
}

// fromRawSockaddr converts what accept4(2), getsockname(2) and getpeername(2) write,
// without allocating for TCP. An IPv4 peer of an IPv6 socket is given its IPv4
// address.
func fromRawSockaddr(raw *unix.RawSockaddrAny, size uint32) InetAddress {
	switch raw.Addr.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(raw))
		return InetAddressFrom(netip.AddrPortFrom(netip.AddrFrom4(in.Addr), ntohs(in.Port)))
	case unix.AF_INET6:
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(raw))
		return InetAddressFrom(netip.AddrPortFrom(withZone(netip.AddrFrom16(in.Addr), in.Scope_id), ntohs(in.Port)))
	case unix.AF_UNIX:
		return fromRawUnix((*unix.RawSockaddrUnix)(unsafe.Pointer(raw)), int(size))
	default:
		return InetAddress{}
	}
}

// fromRawUnix reads sun_path: absent for an unnamed peer, with a leading NUL in
// the abstract namespace, NUL-terminated otherwise (unix(7)).
func fromRawUnix(raw *unix.RawSockaddrUnix, size int) InetAddress {
	n := size - int(unsafe.Offsetof(raw.Path))
	if n <= 0 {
		return UnixAddress("")
	}
	name := make([]byte, min(n, len(raw.Path)))
	for i := range name {
		name[i] = byte(raw.Path[i])
	}
	if name[0] == 0 {
		name[0] = '@'
		return UnixAddress(string(name))
	}
	path, _, _ := strings.Cut(string(name), "\x00")
	return UnixAddress(path)
}

// ntohs reads a port, which the kernel keeps in network byte order.
func ntohs(port uint16) uint16 {
	p := (*[2]byte)(unsafe.Pointer(&port))
	return uint16(p[0])<<8 | uint16(p[1])
}
