package reactor_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/reactor"
)

func TestAcceptorHandsOver(t *testing.T) {
	everywhere(t, func(t *testing.T, where string) {
		loop := runLoop(t)
		type accepted struct {
			fd   int
			peer reactor.InetAddress
		}
		fds := make(chan accepted, 10)
		a, err := reactor.NewAcceptor(loop, addressOf(t, where), func(fd int, peer reactor.InetAddress) { fds <- accepted{fd, peer} })
		must(t, err)
		early := dial(t, a.Addr()) // waits in the kernel
		turn(t, loop)
		if len(fds) != 0 {
			t.Error("accepted before Listen")
		}
		inLoop(t, loop, func() { check(t, a.Listen()) })
		for _, client := range []net.Conn{early, dial(t, a.Addr())} {
			got := receive(t, fds, "a connection")
			if !got.peer.IsUnix() && got.peer.String() != client.LocalAddr().String() {
				t.Errorf("peer %v, want %v", got.peer, client.LocalAddr())
			}
			flags, err := unix.FcntlInt(uintptr(got.fd), unix.F_GETFL, 0)
			must(t, err)
			inherited, err := unix.FcntlInt(uintptr(got.fd), unix.F_GETFD, 0)
			must(t, err)
			if flags&unix.O_NONBLOCK == 0 || inherited&unix.FD_CLOEXEC == 0 {
				t.Error("the fd blocks, or outlives an exec")
			}
			if !got.peer.IsUnix() {
				if on, err := unix.GetsockoptInt(got.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY); err != nil || on == 0 {
					t.Errorf("TCP_NODELAY: %d, %v", on, err)
				}
			}
			must(t, unix.Close(got.fd))
		}
		inLoop(t, loop, func() {
			check(t, a.Close())
			check(t, a.Close())
			wantError(t, a.Listen(), reactor.ErrClosed)
		})
		if conn, err := net.Dial(network(a.Addr()), target(a.Addr())); err == nil {
			conn.Close()
			t.Error("a closed acceptor still listens")
		}
	})
}

func network(addr reactor.InetAddress) string {
	if addr.IsUnix() {
		return "unix"
	}
	return "tcp"
}

func target(addr reactor.InetAddress) string {
	if addr.IsUnix() {
		return addr.Path()
	}
	return addr.String()
}

func TestListenAddressInUse(t *testing.T) {
	everywhere(t, func(t *testing.T, where string) {
		server := serve(t, where, &reactor.Callbacks{Message: echo})
		if _, err := reactor.NewTcpServer(server.loop, server.Addr(), &reactor.Callbacks{}); !errors.Is(err, unix.EADDRINUSE) {
			t.Errorf("a second server on %v: %v", server.Addr(), err)
		}
		client := dial(t, server.Addr()) // the first one is unharmed
		write(t, client, "x")
		expect(t, client, "x")
	})
}

// TestListenUnixPath: what may be removed to make room for a Unix socket, and what
// may not.
func TestListenUnixPath(t *testing.T) {
	listen := func(t *testing.T, path string) error {
		loop := runLoop(t)
		server, err := reactor.NewTcpServer(loop, reactor.UnixAddress(path), &reactor.Callbacks{})
		if err == nil {
			must(t, server.Shutdown(t.Context()))
		}
		return err
	}
	t.Run("a socket that a dead server left", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "s")
		dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		must(t, err)
		dead.SetUnlinkOnClose(false)
		must(t, dead.Close())
		must(t, listen(t, path))
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("after the end the path is still there: %v", err)
		}
	})
	others := map[string]func(path string) error{
		"a file":          func(path string) error { return os.WriteFile(path, []byte("precious"), 0o600) },
		"an empty folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"a symlink":       func(path string) error { return os.Symlink("elsewhere", path) },
		"a socket that lives": func(path string) error {
			live, err := net.Listen("unix", path)
			if err == nil {
				t.Cleanup(func() { live.Close() })
			}
			return err
		},
	}
	for name, create := range others {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			must(t, create(path))
			wantError(t, listen(t, path), unix.EADDRINUSE)
			if _, err := os.Lstat(path); err != nil {
				t.Errorf("it was removed: %v", err)
			}
		})
	}
	t.Run("in the abstract namespace", func(t *testing.T) {
		name := "@carillon-" + filepath.Base(t.TempDir()) + time.Now().Format("150405.000000")
		must(t, listen(t, name))
		must(t, listen(t, name))
	})
}

// TestListenFD serves on a listener that somebody else opened, as a supervisor
// does; a Unix path stays, since it is the supervisor's.
func TestListenFD(t *testing.T) {
	everywhere(t, func(t *testing.T, where string) {
		addr := addressOf(t, where)
		listener, err := net.Listen(network(addr), target(addr))
		must(t, err)
		defer listener.Close()
		file, err := listener.(interface{ File() (*os.File, error) }).File()
		must(t, err)
		fd, err := unix.Dup(int(file.Fd()))
		must(t, err)
		must(t, file.Close())
		server := prepare(t, where, &reactor.Callbacks{Message: echo}, reactor.WithListenFD(fd))
		if server.Addr().IsUnix() != addr.IsUnix() || target(server.Addr()) != listener.Addr().String() {
			t.Errorf("the server is at %v, the listener at %v", server.Addr(), listener.Addr())
		}
		must(t, server.Start())
		client := dial(t, server.Addr())
		write(t, client, "x")
		expect(t, client, "x")
		client.Close()
		must(t, server.Shutdown(t.Context()))
		if addr.IsUnix() {
			if _, err := os.Lstat(addr.Path()); err != nil {
				t.Errorf("the path is somebody else's, but: %v", err)
			}
		}
	})
	t.Run("not a listener", func(t *testing.T) {
		file, err := os.Open(os.DevNull)
		must(t, err)
		defer file.Close()
		if _, err := reactor.NewTcpServer(runLoop(t), addressOf(t, onTCP4), &reactor.Callbacks{}, reactor.WithListenFD(int(file.Fd()))); err == nil {
			t.Error("a file was taken for a listener")
		}
	})
}

// TestListenDualStack: the unspecified IPv6 address takes IPv4 too, and names such
// a peer by its IPv4 address; another IPv6 address does not.
func TestListenDualStack(t *testing.T) {
	peers := make(chan reactor.InetAddress, 10)
	server := serve(t, ":0", &reactor.Callbacks{Connection: func(c *reactor.TcpConnection) {
		if c.Connected() {
			peers <- c.PeerAddr()
		}
	}})
	port := server.Addr().AddrPort().Port()
	for _, host := range []string{"127.0.0.1", "::1"} {
		conn, err := net.Dial("tcp", (&net.TCPAddr{IP: net.ParseIP(host), Port: int(port)}).String())
		must(t, err)
		defer conn.Close()
		if peer := receive(t, peers, "the connection"); peer.String() != conn.LocalAddr().String() {
			t.Errorf("peer %v, want %v", peer, conn.LocalAddr())
		}
	}
}

// TestBacklog: connections wait in the kernel until Start; a backlog bounds them.
func TestBacklog(t *testing.T) {
	server := prepare(t, onUnix, &reactor.Callbacks{Message: echo}, reactor.WithBacklog(1))
	first := dial(t, server.Addr())
	var err error
	for range 5 {
		socket, socketErr := reactor.NewStreamSocket(server.Addr())
		must(t, socketErr)
		err = socket.Connect(server.Addr())
		defer socket.Close()
	}
	wantError(t, err, unix.EAGAIN) // the backlog of 1 is full
	server.start(t)
	write(t, first, "x")
	expect(t, first, "x")
	first.Close()
}
