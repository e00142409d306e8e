package reactor

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Acceptor is a non-blocking listener on one loop. It owns the listening socket,
// and a spare fd for the moment when the process has no other left. NewAcceptor
// may be called from any goroutine; the rest runs on the loop.
//
// No error of accept4(2) stops it for good: when fds, or memory, run out it
// answers the connection that waits by closing it (with the spare fd), pauses on
// a timer, so that it does not spin, and goes on.
type Acceptor struct {
	loop    *EventLoop
	socket  Socket
	channel *Channel
	addr    InetAddress
	accept  func(fd int, peer InetAddress)
	logger  *slog.Logger

	spare    int // an fd to /dev/null; -1 while there is none
	pause    time.Duration
	resume   TimerID
	lastLog  time.Duration
	unlogged int
	listens  bool
	closed   bool
	options  listenOptions
}

const (
	// acceptBurst bounds how many connections one turn of the loop accepts.
	acceptBurst = 64
	// The pause after an error starts short and doubles while errors go on.
	minAcceptPause = 10 * time.Millisecond
	maxAcceptPause = time.Second
	// acceptLogEvery limits the log lines about accept errors.
	acceptLogEvery = 10 * time.Second
)

// DefaultBacklog is how many connections may wait to be accepted; the kernel caps
// it at net.core.somaxconn.
const DefaultBacklog = 4096

// listenOptions say how to listen.
type listenOptions struct {
	reusePort bool
	backlog   int
	fd        int  // a listener that is there already, -1 for none
	keepPath  bool // the Unix path is somebody else's to remove
	keepAlive time.Duration
}

// NewAcceptor binds and listens at once, so that an address in use is an error
// here; connections wait in the kernel until Listen. accept is called on the loop
// with each new fd, which is then its own. Errors: those of socket(2), bind(2)
// and listen(2).
func NewAcceptor(loop *EventLoop, addr InetAddress, accept func(fd int, peer InetAddress)) (*Acceptor, error) {
	return newAcceptor(loop, addr, accept, listenOptions{backlog: DefaultBacklog, fd: -1}, loop.logger)
}

func newAcceptor(loop *EventLoop, addr InetAddress, accept func(int, InetAddress), o listenOptions, logger *slog.Logger) (*Acceptor, error) {
	socket, err := openListener(addr, o)
	if err != nil {
		return nil, fmt.Errorf("reactor: listen on %v: %w", addr, err)
	}
	a := &Acceptor{loop: loop, socket: socket, addr: socket.LocalAddr(), accept: accept, logger: logger, options: o}
	a.channel = NewChannel(loop, socket.FD(), ReadHandler(a.handleRead))
	a.spare = openSpare()
	return a, nil
}

func openListener(addr InetAddress, o listenOptions) (Socket, error) {
	if o.fd >= 0 {
		return inheritListener(o.fd)
	}
	s, err := NewStreamSocket(addr)
	if err != nil {
		return s, err
	}
	if err := setUpListener(s, addr, o); err != nil {
		s.Close()
		return s, err
	}
	return s, nil
}

// setUpListener sets options that accepted sockets inherit (TCP_NODELAY,
// SO_KEEPALIVE), which saves their calls for each connection.
func setUpListener(s Socket, addr InetAddress, o listenOptions) error {
	if addr.IsUnix() {
		if err := bindUnix(s, addr); err != nil {
			return err
		}
		return s.Listen(o.backlog)
	}
	errs := []error{s.SetReuseAddr(true), s.SetTCPNoDelay(true), s.SetKeepAlive(o.keepAlive)}
	if addr.family() == unix.AF_INET6 {
		errs = append(errs, s.SetIPv6Only(!addr.AddrPort().Addr().IsUnspecified()))
	}
	if o.reusePort {
		errs = append(errs, s.SetReusePort(true))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := s.Bind(addr); err != nil {
		return err
	}
	return s.Listen(o.backlog)
}

// bindUnix binds to a path. A socket that a dead server left there is replaced;
// one that answers is not, nor is anything else that has the name.
func bindUnix(s Socket, addr InetAddress) error {
	err := s.Bind(addr)
	if !errors.Is(err, unix.EADDRINUSE) || strings.HasPrefix(addr.Path(), "@") {
		return err
	}
	probe, probeErr := NewStreamSocket(addr)
	if probeErr != nil {
		return errors.Join(err, probeErr)
	}
	defer probe.Close()
	if !errors.Is(probe.Connect(addr), unix.ECONNREFUSED) {
		return err
	}
	// A file or a folder refuses connections as well.
	if info, statErr := os.Lstat(addr.Path()); statErr != nil || info.Mode().Type() != os.ModeSocket {
		return err
	}
	if removeErr := os.Remove(addr.Path()); removeErr != nil {
		return errors.Join(err, removeErr)
	}
	return s.Bind(addr)
}

// inheritListener takes over a listener that another process opened: systemd's
// socket activation, or the server that this one replaces.
func inheritListener(fd int) (Socket, error) {
	s := Socket{fd}
	listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return s, os.NewSyscallError("getsockopt", err)
	}
	if listening == 0 {
		return s, fmt.Errorf("fd %d does not listen", fd)
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		return s, os.NewSyscallError("fcntl", err)
	}
	if !s.LocalAddr().IsUnix() {
		err = s.SetTCPNoDelay(true)
	}
	return s, err
}

// openSpare opens an fd to give up when there is no other; -1 when even that
// fails.
func openSpare() int {
	fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

// Addr returns the address that is listened on, with the port that the kernel
// chose for port 0. Any goroutine.
func (a *Acceptor) Addr() InetAddress { return a.addr }

// Listen starts accepting. Loop goroutine only. Error: the poller's.
func (a *Acceptor) Listen() error {
	if a.closed {
		return ErrClosed
	}
	a.listens = true
	return a.channel.EnableReading()
}

// handleRead accepts what waits, up to a burst; the poller, level-triggered here,
// reports the rest again.
func (a *Acceptor) handleRead() {
	for range acceptBurst {
		fd, peer, err := accept4Retry(a.socket.FD())
		if err != nil {
			a.handleError(err)
			return
		}
		a.pause = 0
		a.accept(fd, peer)
		if a.closed {
			return
		}
	}
}

// handleError sorts accept4(2)'s errors: nothing waits; one connection was lost
// while it waited, or its protocol layer reports a pending network error, which
// says nothing about the next; or no resources, and anything else.
func (a *Acceptor) handleError(err error) {
	switch err {
	case unix.EAGAIN:
		return
	case unix.ECONNABORTED, unix.EPROTO, unix.ENETDOWN, unix.ENOPROTOOPT, unix.EHOSTDOWN,
		unix.ENONET, unix.EHOSTUNREACH, unix.EOPNOTSUPP, unix.ENETUNREACH, unix.EPERM:
		a.log(err)
		return
	case unix.EMFILE, unix.ENFILE:
		a.turnAway()
	}
	a.log(err)
	a.pauseAccepting()
}

// turnAway gives up the spare fd to accept one connection and close it, so that
// its client learns at once instead of waiting for a time-out.
func (a *Acceptor) turnAway() {
	if a.spare < 0 {
		return
	}
	_ = closeFD(a.spare)
	if fd, _, err := accept4Retry(a.socket.FD()); err == nil {
		_ = closeFD(fd)
	}
	a.spare = openSpare()
}

func (a *Acceptor) pauseAccepting() {
	a.pause = min(max(2*a.pause, minAcceptPause), maxAcceptPause)
	if err := a.channel.DisableReading(); err != nil {
		a.log(err)
	}
	a.resume = a.loop.RunAfter(a.pause, a.resumeAccepting)
}

func (a *Acceptor) resumeAccepting() {
	if a.closed {
		return
	}
	if a.spare < 0 {
		a.spare = openSpare()
	}
	if err := a.channel.EnableReading(); err != nil {
		a.log(err)
		a.pauseAccepting()
	}
}

// log reports at a limited rate how often accepting failed, and why last.
func (a *Acceptor) log(err error) {
	a.unlogged++
	now := a.loop.Now()
	if a.lastLog != 0 && now-a.lastLog < acceptLogEvery {
		return
	}
	a.logger.Error("accepting connections fails", "address", a.addr.String(),
		"error", os.NewSyscallError("accept4", err), "times", a.unlogged, "pause", a.pause)
	a.lastLog, a.unlogged = now, 0
}

// Close stops listening: connections that wait in the kernel are reset, and the
// path of a Unix socket that was not inherited is removed. Loop goroutine only, or any when the loop does
// not run.
func (a *Acceptor) Close() error {
	if a.closed {
		return nil
	}
	a.closed = true
	a.loop.Cancel(a.resume)
	var errs []error
	if a.listens {
		errs = append(errs, a.channel.Remove())
	}
	if a.spare >= 0 {
		_ = closeFD(a.spare)
	}
	errs = append(errs, closeListener(a.socket, a.addr, a.options))
	return errors.Join(errs...)
}

func closeListener(s Socket, addr InetAddress, o listenOptions) error {
	err := s.Close()
	if path := addr.Path(); path != "" && !strings.HasPrefix(path, "@") && !o.keepPath {
		if removeErr := os.Remove(path); !errors.Is(removeErr, os.ErrNotExist) {
			err = errors.Join(err, removeErr)
		}
	}
	return err
}
