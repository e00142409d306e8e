// Package listener opens what httpd listens on, or takes it over: from systemd, or from the httpd that this one replaces. It
// holds a descriptor of each socket beside that of the server, so that it can be handed on to the next.
package listener

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/cmd/httpd/internal/config"
	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/reactor"
)

// Set are the open listeners of a process, by the addresses that were asked for. One goroutine.
type Set struct {
	inherited map[string][]*os.File // not taken yet
	systemd   []*os.File
	files     []*os.File      // taken, in their order
	names     []string        // what each was asked for as, without a scheme
	theirs    map[string]bool // names of those that the process before this one serves as well, until Ready
	state     []byte
}

// Bound is an address that is listened on.
type Bound struct {
	reactor.InetAddress
	Secure bool // TLS is spoken there
}

// namesVariable tells a successor what each descriptor was asked for as.
const namesVariable = "HTTPD_HANDOVER_NAMES"

// firstFD is where descriptors that are handed over begin: sd_listen_fds(3).
const firstFD = 3

// Inherit takes what this process was started with. It must be called once, before anything else opens files.
func Inherit() *Set {
	s := &Set{inherited: map[string][]*os.File{}, theirs: map[string]bool{}}
	if names, ok := os.LookupEnv(namesVariable); ok {
		os.Unsetenv(namesVariable)
		s.state = receiveState()
		for i, name := range strings.Split(names, "\n") {
			fd := firstFD + i
			unix.CloseOnExec(fd)
			s.inherited[name] = append(s.inherited[name], os.NewFile(uintptr(fd), name))
			s.theirs[name] = true
		}
		return s
	}
	s.systemd = activation.Files(true)
	return s
}

// HasSystemd says whether systemd has handed sockets over.
func (s *Set) HasSystemd() bool { return len(s.systemd) > 0 || len(s.inherited[config.Systemd]) > 0 }

// State is what the process that is replaced by this one has handed on beside the sockets; nil without.
func (s *Set) State() []byte { return s.state }

// Open has server listen on addr, as the config has it, and returns the addresses that were bound. A socket that was inherited is
// the same with TLS as without. Errors are those of the system, wrapped.
func (s *Set) Open(ctx context.Context, server *http.Server, addr string, opts ...http.ListenOption) ([]Bound, error) {
	name, secure := config.SplitAddr(addr)
	listen := server.Listen
	if secure {
		listen = server.ListenTLS
	}
	files, err := s.take(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", addr, err)
	}
	var bound []Bound
	for _, f := range files {
		at, err := s.serve(listen, f, name, opts)
		if err != nil {
			return nil, fmt.Errorf("cannot listen on %s: %w", addr, plain(err))
		}
		bound = append(bound, Bound{at, secure})
	}
	return bound, nil
}

// take returns the sockets for an address: several only from systemd.
func (s *Set) take(ctx context.Context, addr string) ([]*os.File, error) {
	if list := s.inherited[addr]; len(list) > 0 {
		n := 1
		if isSystemd(addr) {
			n = len(list)
		}
		s.inherited[addr] = list[n:]
		return list[:n], nil
	}
	if isSystemd(addr) {
		return s.takeFromSystemd(addr)
	}
	f, err := open(ctx, addr)
	if err != nil {
		return nil, err
	}
	return []*os.File{f}, nil
}

func isSystemd(addr string) bool {
	return addr == config.Systemd || strings.HasPrefix(addr, config.Systemd+":")
}

// takeFromSystemd returns the sockets with the name in addr, or all that are left.
func (s *Set) takeFromSystemd(addr string) (list []*os.File, err error) {
	_, name, named := strings.Cut(addr, ":")
	if len(s.systemd) == 0 && !named {
		return nil, errors.New("systemd has handed over no socket: LISTEN_FDS is not set for this process")
	}
	var left []*os.File
	for _, f := range s.systemd {
		if !named || f.Name() == name {
			list = append(list, f)
		} else {
			left = append(left, f)
		}
	}
	if s.systemd = left; len(list) == 0 {
		return nil, fmt.Errorf("systemd has handed over no socket with FileDescriptorName=%s", name)
	}
	return list, nil
}

// listenFunc is Listen or ListenTLS of a server.
type listenFunc func(addr string, opts ...http.ListenOption) (reactor.InetAddress, error)

// serve gives the server a descriptor of its own, and keeps f.
func (s *Set) serve(listen listenFunc, f *os.File, name string, opts []http.ListenOption) (reactor.InetAddress, error) {
	s.files, s.names = append(s.files, f), append(s.names, name)
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return reactor.InetAddress{}, os.NewSyscallError("fcntl", err)
	}
	at, err := listen(":0", append(opts[:len(opts):len(opts)], http.ListenWith(reactor.WithListenFD(fd)))...)
	if err != nil {
		unix.Close(fd)
	}
	return at, err
}

// open binds and listens.
func open(ctx context.Context, addr string) (*os.File, error) {
	resolved, err := reactor.ResolveInetAddress(ctx, addr)
	if err != nil {
		return nil, err
	}
	if resolved.IsUnix() {
		return openUnix(ctx, resolved.Path())
	}
	l, err := (&net.ListenConfig{Control: keepAlive}).Listen(ctx, "tcp", resolved.String())
	if err != nil {
		return nil, plain(err)
	}
	defer l.Close()
	return l.(*net.TCPListener).File()
}

// keepAlive has the kernel look after connections whose peers have vanished; they have it of their listener.
func keepAlive(_, _ string, c syscall.RawConn) error {
	var err error
	failed := c.Control(func(fd uintptr) {
		err = errors.Join(
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1),
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(reactor.DefaultKeepAlive/time.Second)),
		)
	})
	return errors.Join(failed, err)
}

// openUnix binds to a path. A socket that a dead server left there is replaced; one that answers is not, nor is anything else
// that has the name.
func openUnix(ctx context.Context, path string) (*os.File, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if errors.Is(err, syscall.EADDRINUSE) && !strings.HasPrefix(path, "@") {
		info, statErr := os.Lstat(path)
		if statErr != nil || info.Mode().Type() != os.ModeSocket {
			return nil, plain(err)
		}
		probe, probeErr := new(net.Dialer).DialContext(ctx, "unix", path)
		if probeErr == nil {
			probe.Close()
		}
		if !errors.Is(probeErr, syscall.ECONNREFUSED) {
			return nil, plain(err)
		}
		if err := os.Remove(path); err != nil {
			return nil, plain(err)
		}
		l, err = new(net.ListenConfig).Listen(ctx, "unix", path)
	}
	if err != nil {
		return nil, plain(err)
	}
	u := l.(*net.UnixListener)
	u.SetUnlinkOnClose(false)
	defer u.Close()
	return u.File()
}

func plain(err error) error {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno
	}
	return err
}

// Unused returns the addresses that were handed over and that nobody has opened, and closes them.
func (s *Set) Unused() (names []string) {
	for name, list := range s.inherited {
		for _, f := range list {
			f.Close()
			names = append(names, name)
		}
	}
	for _, f := range s.systemd {
		f.Close()
		names = append(names, config.Systemd)
	}
	s.inherited, s.systemd = nil, nil
	return names
}

// Close closes all descriptors. The path of a Unix socket is removed, unless it was systemd's, or another process has the socket:
// the next one, as handedOver says, or the one before, which goes on when this one has not come to Ready.
func (s *Set) Close(handedOver bool) {
	for i, f := range s.files {
		f.Close()
		if path, ok := strings.CutPrefix(s.names[i], "unix:"); ok && !handedOver && !s.theirs[s.names[i]] && !strings.HasPrefix(path, "@") {
			_ = os.Remove(path) // it may be gone already
		}
	}
	s.files, s.names = nil, nil
}
