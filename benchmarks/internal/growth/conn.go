package growth

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// conn is a client that blocks its thread, for at most patience: so it costs this
// process neither a poller nor goroutines that wake each other.
type conn struct{ fd int }

// room is the receive buffer that is asked for: what arrives unread must fit it.
const room = 1 << 20

func dial(addr netip.AddrPort) (*conn, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	limit := unix.NsecToTimeval(patience.Nanoseconds())
	for _, set := range []func() error{
		func() error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, room) },
		func() error { return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) },
		// Before the limits: with them a signal would interrupt connect(2).
		func() error {
			return unix.Connect(fd, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().Unmap().As4()})
		},
		func() error { return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit) },
		func() error { return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit) },
	} {
		if err := set(); err != nil {
			_ = unix.Close(fd)
			return nil, fmt.Errorf("connect to %v: %w", addr, err)
		}
	}
	return &conn{fd}, nil
}

func (c *conn) Read(p []byte) (int, error) {
	for {
		n, err := unix.Read(c.fd, p)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case n == 0 && len(p) > 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

func (c *conn) Write(p []byte) (int, error) {
	for sent := 0; sent < len(p); {
		n, err := unix.Write(c.fd, p[sent:])
		if err != nil && err != unix.EINTR {
			return sent, os.NewSyscallError("write", err)
		}
		sent += max(n, 0)
	}
	return len(p), nil
}

// ask sends a request and returns the head of its answer, which must have no body.
func (c *conn) ask(request string) (head []byte, err error) {
	if _, err := c.Write([]byte(request)); err != nil {
		return nil, err
	}
	var one [1]byte // whatever follows the head stays where it is
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		if _, err := c.Read(one[:]); err != nil {
			return nil, err
		}
		head = append(head, one[0])
	}
	return head, nil
}

func (c *conn) close() { _ = unix.Close(c.fd) }
