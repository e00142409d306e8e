package wsload

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"

	"golang.org/x/sys/unix"
)

// batch is how many handshakes are under way at once: fewer than any server's
// backlog.
const batch = 64

const (
	handshakeKey = "dGhlIHNhbXBsZSBub25jZQ=="
	guid         = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	maxResponse  = 4 << 10
)

var acceptKey = func() string {
	sum := sha1.Sum([]byte(handshakeKey + guid))
	return base64.StdEncoding.EncodeToString(sum[:])
}()

// Grow opens connections until there are n, and returns when the server has
// answered a ping on each: then it has done whatever it does for a new one.
func (l *Client) Grow(ctx context.Context, n int) error {
	for len(l.conns) < n {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.open(ctx, min(batch, n-len(l.conns))); err != nil {
			return fmt.Errorf("open connections %d and following: %w", len(l.conns), err)
		}
	}
	return nil
}

func (l *Client) open(ctx context.Context, n int) (err error) {
	var fds []int
	defer func() {
		for _, fd := range fds {
			closeNow(fd)
		}
	}()
	request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n", l.path, l.addr, handshakeKey)
	for range n {
		fd, err := l.connect()
		if err != nil {
			return err
		}
		fds = append(fds, fd)
		if _, err := unix.Write(fd, request); err != nil {
			return fmt.Errorf("send the handshake: %w", err)
		}
	}
	for len(fds) > 0 {
		fd := fds[0]
		rest, err := readResponse(fd)
		if err != nil {
			return err
		}
		if err := l.add(fd, rest); err != nil {
			return err
		}
		fds = fds[1:]
	}
	return l.awaitPongs(ctx, len(l.conns)-n)
}

// connect blocks, in the kernel's time for a local connection.
func (l *Client) connect() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	limit := unix.NsecToTimeval(l.patience.Nanoseconds())
	err = errors.Join(
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1))
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrInet4{Addr: l.addr.Addr().As4(), Port: int(l.addr.Port())})
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("connect: %w", err)
	}
	return fd, nil
}

// readResponse reads the answer to the handshake, and returns what came behind it.
func readResponse(fd int) ([]byte, error) {
	var got []byte
	for {
		head, rest, ok := bytes.Cut(got, []byte("\r\n\r\n"))
		if ok {
			return rest, checkResponse(append(head, "\r\n\r\n"...))
		}
		if len(got) >= maxResponse {
			return nil, fmt.Errorf("handshake: no end in %q", got)
		}
		part := make([]byte, maxResponse-len(got))
		n, err := unix.Read(fd, part)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return nil, fmt.Errorf("handshake: %w", err)
		case n == 0:
			return nil, fmt.Errorf("handshake: %w after %q", errClosed, got)
		default:
			got = append(got, part[:n]...)
		}
	}
}

func checkResponse(head []byte) error {
	r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(bytes.Clone(head))), nil)
	if err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusSwitchingProtocols || r.Header.Get("Sec-WebSocket-Accept") != acceptKey {
		return fmt.Errorf("handshake: status %d, Sec-WebSocket-Accept %q", r.StatusCode, r.Header.Get("Sec-WebSocket-Accept"))
	}
	return nil
}

// add takes a connection into the loop. It is closed with l, or when it fails, by
// the caller.
func (l *Client) add(fd int, rest []byte) error {
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(len(l.conns))}
	if err := unix.EpollCtl(l.epfd, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	c := &conn{fd: fd}
	l.conns = append(l.conns, c)
	l.take(c, rest)
	return nil
}

// awaitPongs sends a ping on each connection since from.
func (l *Client) awaitPongs(ctx context.Context, from int) error {
	lost := l.faults.Lost
	ping := appendMasked(nil, opPing, nil)
	l.pongsDue = len(l.conns) - from
	for _, c := range l.conns[from:] {
		c.send(ping)
	}
	err := l.pump(ctx, l.patience, func() bool { return l.pongsDue <= 0 || l.faults.Lost > lost })
	switch {
	case errors.Is(err, errTime):
		return fmt.Errorf("%d pings were not answered", l.pongsDue)
	case err == nil && l.faults.Lost > lost:
		return l.faults.First
	}
	return err
}
