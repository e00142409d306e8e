package reactor

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Socket is a thin owner of one non-blocking, close-on-exec stream socket. It has
// no lock: its methods may be called from any goroutine, but not at the same time
// as Close.
type Socket struct{ fd int }

// NewStreamSocket creates a socket of the family that addr needs. Errors: those
// of socket(2).
func NewStreamSocket(addr InetAddress) (Socket, error) {
	fd, err := unix.Socket(addr.family(), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return Socket{-1}, os.NewSyscallError("socket", err)
	}
	return Socket{fd}, nil
}

// FD returns the socket's fd; it stays the Socket's own.
func (s Socket) FD() int { return s.fd }

// Bind gives the socket its local address. Errors: those of bind(2).
func (s Socket) Bind(addr InetAddress) error {
	sa, err := addr.sockaddr()
	if err != nil {
		return err
	}
	return os.NewSyscallError("bind", unix.Bind(s.fd, sa))
}

// Listen makes it a listener with room for backlog connections that are not yet
// accepted (the kernel caps it at net.core.somaxconn). Errors: those of listen(2).
func (s Socket) Listen(backlog int) error {
	return os.NewSyscallError("listen", unix.Listen(s.fd, backlog))
}

// Connect starts a connection; nil means that it is established already, and an
// error for which errors.Is(err, unix.EINPROGRESS) holds that it is under way.
// A Unix listener whose backlog is full answers EAGAIN. Errors: those of
// connect(2).
func (s Socket) Connect(addr InetAddress) error {
	sa, err := addr.sockaddr()
	if err != nil {
		return err
	}
	err = unix.Connect(s.fd, sa)
	if errors.Is(err, unix.EINTR) {
		err = unix.EINPROGRESS // it goes on by itself: connect(2), NOTES
	}
	return os.NewSyscallError("connect", err)
}

// LocalAddr asks getsockname(2); the zero InetAddress when that fails.
func (s Socket) LocalAddr() InetAddress { return sockname(unix.SYS_GETSOCKNAME, s.fd) }

// PeerAddr asks getpeername(2); the zero InetAddress when there is no peer.
func (s Socket) PeerAddr() InetAddress { return sockname(unix.SYS_GETPEERNAME, s.fd) }

// TakeError returns and clears the socket's pending error (SO_ERROR), nil when
// there is none.
func (s Socket) TakeError() error {
	code, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	switch {
	case err != nil:
		return os.NewSyscallError("getsockopt", err)
	case code != 0:
		return unix.Errno(code)
	default:
		return nil
	}
}

// SetReuseAddr sets SO_REUSEADDR: a restarted server need not wait for the old
// one's TIME_WAIT.
func (s Socket) SetReuseAddr(on bool) error {
	return s.setOption(unix.SOL_SOCKET, unix.SO_REUSEADDR, on)
}

// SetReusePort sets SO_REUSEPORT: several sockets listen on one address and the
// kernel spreads the connections.
func (s Socket) SetReusePort(on bool) error {
	return s.setOption(unix.SOL_SOCKET, unix.SO_REUSEPORT, on)
}

// SetIPv6Only sets IPV6_V6ONLY; off, an IPv6 listener on [::] also takes IPv4.
func (s Socket) SetIPv6Only(on bool) error {
	return s.setOption(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, on)
}

// SetTCPNoDelay sets TCP_NODELAY (tcp(7)): a small segment is not held back until
// the one before it is acknowledged. It fails on a Unix socket.
func (s Socket) SetTCPNoDelay(on bool) error {
	return s.setOption(unix.IPPROTO_TCP, unix.TCP_NODELAY, on)
}

// SetKeepAlive switches TCP keepalive on (tcp(7)), or off for 0: after idle without
// traffic the kernel probes the peer, four times within as long again, and resets
// the connection when none is answered. It finds peers that vanished. Times are
// rounded to whole seconds, at least one.
func (s Socket) SetKeepAlive(idle time.Duration) error {
	const probes = 4
	if err := s.setOption(unix.SOL_SOCKET, unix.SO_KEEPALIVE, idle > 0); err != nil || idle <= 0 {
		return err
	}
	for _, set := range []struct{ option, value int }{
		{unix.TCP_KEEPIDLE, int(max(idle/time.Second, 1))},
		{unix.TCP_KEEPINTVL, int(max(idle/probes/time.Second, 1))},
		{unix.TCP_KEEPCNT, probes},
	} {
		if err := unix.SetsockoptInt(s.fd, unix.IPPROTO_TCP, set.option, set.value); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return nil
}

// SetSendBuffer sets SO_SNDBUF in bytes; the kernel doubles it and has a floor.
func (s Socket) SetSendBuffer(bytes int) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, bytes))
}

func (s Socket) setOption(level, option int, on bool) error {
	value := 0
	if on {
		value = 1
	}
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(s.fd, level, option, value))
}

// Unacknowledged returns how many bytes of what was written the peer's kernel has
// not taken yet (SIOCOUTQ, tcp(7), unix(7)). Errors: those of ioctl(2).
func (s Socket) Unacknowledged() (int, error) {
	n, err := unix.IoctlGetInt(s.fd, unix.SIOCOUTQ)
	return n, os.NewSyscallError("ioctl", err)
}

// Acknowledged returns how many bytes the peer's kernel has taken since the
// connection began (TCP_INFO, tcp(7)). Errors: those of getsockopt(2), ENOPROTOOPT
// or EOPNOTSUPP on a Unix socket.
func (s Socket) Acknowledged() (uint64, error) {
	info, err := unix.GetsockoptTCPInfo(s.fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, os.NewSyscallError("getsockopt", err)
	}
	return info.Bytes_acked, nil
}

// ShutdownWrite sends a FIN behind what was written. Errors: those of shutdown(2).
func (s Socket) ShutdownWrite() error { return os.NewSyscallError("shutdown", shutdownWrite(s.fd)) }

// Close gives the fd back. The socket must not be used afterwards.
func (s Socket) Close() error { return os.NewSyscallError("close", closeFD(s.fd)) }
