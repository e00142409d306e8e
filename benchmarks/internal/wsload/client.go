// Package wsload makes the load on a WebSocket server: many connections on one
// epoll instance and one goroutine, edge-triggered, with system calls that the Go
// scheduler does not see and frames that are masked beforehand, so that it costs
// less than the servers that it measures.
//
// It checks each answer: opcode, length, payload (of long answers every eighth of
// a connection), and that nothing comes unasked.
package wsload

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxEvents = 512
	inputSize = 256 << 10
	maxWait   = 10 * time.Millisecond // of one epoll_wait: the scheduler cannot use its thread meanwhile
	patience  = 15 * time.Second      // for a handshake, and for answers that are due
)

// Client is connections to one endpoint of a server. Its methods are for one
// goroutine.
type Client struct {
	addr  netip.AddrPort
	path  string
	epfd  int
	conns []*conn // also the lost ones; the index is in their events

	payload []byte
	frame   []byte // the message, masked
	answer  []byte // the same as a server sends it in one frame

	onAnswer    func(*conn)
	outstanding int // answers that have not come
	pongsDue    int
	messages    int64 // answers that have come
	faults      Faults

	patience time.Duration
	in       []byte
	events   []unix.EpollEvent
}

// Faults is what went wrong since the client was made.
type Faults struct {
	Wrong   int64 // answers that differ from what was sent
	Missing int64 // answers that did not come in time
	Lost    int64 // connections that the server ended
	First   error // why the first of those ended
}

// Err is nil when nothing went wrong.
func (f Faults) Err() error {
	if f == (Faults{}) {
		return nil
	}
	err := fmt.Errorf("%d wrong answers, %d missing ones, %d lost connections", f.Wrong, f.Missing, f.Lost)
	if f.First != nil {
		err = fmt.Errorf("%w; the first: %w", err, f.First)
	}
	return err
}

// New makes a client without connections, for ws://addr/path; addr is IPv4 and
// has no name. Whoever makes it calls Close.
func New(addr, path string, payload []byte) (*Client, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	if !to.Addr().Is4() {
		return nil, fmt.Errorf("%s is no IPv4 address", addr)
	}
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	l := &Client{
		addr: to, path: path, epfd: epfd, patience: patience,
		in: make([]byte, inputSize), events: make([]unix.EpollEvent, maxEvents),
	}
	l.setMessage(payload)
	return l, nil
}

// setMessage sets what is sent next, when no answer is outstanding.
func (l *Client) setMessage(p []byte) {
	l.payload = p
	l.frame = appendMasked(l.frame[:0], opBinary, p)
	l.answer = append(appendHead(l.answer[:0], opBinary, len(p), 0), p...)
}

// Connections is how many were opened, the lost ones included.
func (l *Client) Connections() int { return len(l.conns) }

// Faults is what went wrong so far.
func (l *Client) Faults() Faults { return l.faults }

// Close resets all connections: none is left in TIME_WAIT, where ten thousand of
// them would use up the ports.
func (l *Client) Close() {
	for _, c := range l.conns {
		if c.fd >= 0 {
			closeNow(c.fd)
		}
	}
	l.conns = nil
	_ = unix.Close(l.epfd)
}

// ask sends the message on c and expects an answer on it.
func (l *Client) ask(c *conn) {
	if c.fd < 0 {
		return
	}
	c.due++
	l.outstanding++
	c.send(l.frame)
}

// pump handles events until done or the time is over, which is errTime.
func (l *Client) pump(ctx context.Context, limit time.Duration, done func() bool) error {
	end := time.Now().Add(limit)
	for !done() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if time.Now().After(end) {
			return errTime
		}
		if err := l.turn(); err != nil {
			return err
		}
	}
	return nil
}

var errTime = errors.New("the time is over")

// turn waits for events, at most maxWait, and handles them.
func (l *Client) turn() error {
	n, errno := epollWait(l.epfd, l.events, maxWait)
	if errno != 0 && errno != unix.EINTR {
		return fmt.Errorf("epoll_wait: %w", errno)
	}
	for _, ev := range l.events[:n] {
		c := l.conns[ev.Fd]
		if c.fd < 0 {
			continue
		}
		c.flush()
		l.receive(c, ev.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0)
		if c.lost != nil {
			l.drop(c)
		}
	}
	return nil
}

// drop gives up a lost connection and the answers that it owed.
func (l *Client) drop(c *conn) {
	closeNow(c.fd)
	c.fd = -1
	l.outstanding -= c.due
	c.due = 0
	l.faults.Lost++
	if l.faults.First == nil {
		l.faults.First = c.lost
	}
}

// settle waits for the answers that are due, and counts those that do not come.
func (l *Client) settle(ctx context.Context) error {
	l.onAnswer = nil
	err := l.pump(ctx, l.patience, func() bool { return l.outstanding <= 0 })
	if errors.Is(err, errTime) {
		l.faults.Missing += int64(l.outstanding)
		l.forget()
		return nil
	}
	return err
}

func (l *Client) forget() {
	l.outstanding = 0
	for _, c := range l.conns {
		c.due = 0
	}
}
