package reactor_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/reactor"
)

// patience bounds every wait for something that must happen.
const patience = 30 * time.Second

// Where the tests listen: on each kind of address that there is.
const (
	onTCP4 = "127.0.0.1:0"
	onTCP6 = "[::1]:0"
	onUnix = "unix:" // a socket in the test's own folder
)

// everywhere runs a test over each kind of address, and over TLS: that over one poller,
// since it does not see which one feeds it, and takes long.
func everywhere(t *testing.T, test func(t *testing.T, where string)) {
	if os.Getenv("CARILLON_POLLER") != "poll" {
		t.Run("tls", func(t *testing.T) { test(t, onTLS) })
	}
	onPlain(t, test)
}

// onPlain is everywhere without TLS.
func onPlain(t *testing.T, test func(t *testing.T, where string)) {
	for name, where := range map[string]string{"tcp4": onTCP4, "tcp6": onTCP6, "unix": onUnix} {
		t.Run(name, func(t *testing.T) { test(t, where) })
	}
}

// testServer is a server under test, its base loop, and the guard that watches
// over its connections.
type testServer struct {
	*reactor.TcpServer
	loop  *reactor.EventLoop
	guard *guard
}

// serve starts a server at where and stops it with the test, when the clients
// that dial made are closed. All its callbacks are watched for promise 1.
func serve(tb testing.TB, where string, cb *reactor.Callbacks, opts ...reactor.ServerOption) *testServer {
	tb.Helper()
	s := prepare(tb, where, cb, opts...)
	s.start(tb)
	return s
}

// start starts a server that prepare made, and stops it with the test.
func (s *testServer) start(tb testing.TB) {
	tb.Helper()
	must(tb, s.Start())
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			tb.Errorf("shutting the server down: %v", err)
		}
		s.guard.finish()
	})
}

// prepare makes a server that listens, and leaves starting and stopping it to the
// caller, who may want to keep it where the callbacks find it first.
func prepare(tb testing.TB, where string, cb *reactor.Callbacks, opts ...reactor.ServerOption) *testServer {
	tb.Helper()
	s := &testServer{loop: runLoop(tb), guard: &guard{tb: tb, seen: make(map[*reactor.TcpConnection]*watchedLife)}}
	var err error
	if where == onTLS {
		opts = append(opts, reactor.WithTLS(serverTLS()))
	}
	s.TcpServer, err = reactor.NewTcpServer(s.loop, addressOf(tb, where), s.guard.watch(cb), opts...)
	must(tb, err)
	if where == onTLS {
		secured.Store(s.Addr().String(), true)
		tb.Cleanup(func() { secured.Delete(s.Addr().String()) })
	}
	return s
}

// runLoop runs a loop for as long as the test.
func runLoop(tb testing.TB, opts ...reactor.LoopOption) *reactor.EventLoop {
	tb.Helper()
	thread := reactor.NewEventLoopThread(append([]reactor.LoopOption{reactor.WithLoopLogger(nil)}, opts...)...)
	loop, err := thread.StartLoop()
	must(tb, err)
	tb.Cleanup(func() {
		if err := thread.Stop(); err != nil {
			tb.Errorf("stopping the loop: %v", err)
		}
	})
	return loop
}

func addressOf(tb testing.TB, where string) reactor.InetAddress {
	tb.Helper()
	if where == onUnix {
		return reactor.UnixAddress(filepath.Join(tb.TempDir(), "s"))
	}
	addr, err := reactor.ParseInetAddress(strings.TrimPrefix(where, "tls:"))
	must(tb, err)
	return addr
}

// guard checks promise 1 for all connections of a server: callbacks run on the
// connection's loop, one at a time, Connection first and last.
type guard struct {
	tb   testing.TB
	mu   sync.Mutex
	seen map[*reactor.TcpConnection]*watchedLife
}

type watchedLife struct{ up, down, inside bool }

// watch wraps the callbacks that are there; absent ones stay absent, since that
// has a meaning of its own.
func (g *guard) watch(cb *reactor.Callbacks) *reactor.Callbacks {
	wrap := func(name string, f func(*reactor.TcpConnection)) func(*reactor.TcpConnection) {
		if f == nil {
			return nil
		}
		return func(c *reactor.TcpConnection) {
			defer g.enter(c, name)()
			f(c)
		}
	}
	watched := &reactor.Callbacks{
		WriteComplete: wrap("WriteComplete", cb.WriteComplete),
		LowWater:      wrap("LowWater", cb.LowWater),
		HalfClose:     wrap("HalfClose", cb.HalfClose),
		Timeout:       wrap("Timeout", cb.Timeout),
		Drain:         wrap("Drain", cb.Drain),
	}
	watched.Connection = func(c *reactor.TcpConnection) {
		defer g.enter(c, "Connection")()
		if cb.Connection != nil {
			cb.Connection(c)
		}
	}
	if cb.Message != nil {
		watched.Message = func(c *reactor.TcpConnection, in *reactor.Buffer) {
			defer g.enter(c, "Message")()
			cb.Message(c, in)
		}
	}
	if cb.HighWater != nil {
		watched.HighWater = func(c *reactor.TcpConnection, pending int) {
			defer g.enter(c, "HighWater")()
			cb.HighWater(c, pending)
		}
	}
	return watched
}

func (g *guard) enter(c *reactor.TcpConnection, callback string) (leave func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	life := g.seen[c]
	if life == nil {
		life = new(watchedLife)
		g.seen[c] = life
	}
	switch {
	case !c.Loop().IsInLoopThread():
		g.tb.Errorf("%s: %s runs off its loop", c.Name(), callback)
	case life.inside:
		g.tb.Errorf("%s: %s runs inside another callback", c.Name(), callback)
	case life.down:
		g.tb.Errorf("%s: %s comes after the last callback", c.Name(), callback)
	case callback != "Connection" && !life.up:
		g.tb.Errorf("%s: %s comes before Connection", c.Name(), callback)
	case callback == "Connection" && !life.up && c.State() == reactor.Disconnected:
		g.tb.Errorf("%s: the end was announced, but not the beginning", c.Name())
	case callback == "Connection" && life.up && c.State() != reactor.Disconnected:
		g.tb.Errorf("%s: Connection comes a second time in state %v", c.Name(), c.State())
	}
	life.inside = true
	if callback == "Connection" {
		life.up, life.down = true, life.up
	}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		life.inside = false
	}
}

// finish checks that every connection has ended, and forgets them.
func (g *guard) finish() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c, life := range g.seen {
		if !life.down {
			g.tb.Errorf("%s: its end was never announced", c.Name())
		}
	}
	clear(g.seen)
}

// dial connects to addr, and closes the connection with the test.
func dial(tb testing.TB, addr reactor.InetAddress) net.Conn {
	tb.Helper()
	return dialWith(tb, &net.Dialer{}, addr)
}

// dialNarrow connects with the smallest receive buffer that the kernel allows, so
// that little is under way that was not read.
func dialNarrow(tb testing.TB, addr reactor.InetAddress) net.Conn {
	tb.Helper()
	return dialWith(tb, &net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 1) })
	}}, addr)
}

func dialWith(tb testing.TB, dialer *net.Dialer, addr reactor.InetAddress) net.Conn {
	tb.Helper()
	return secure(tb, dialPlainWith(tb, dialer, addr), addr)
}

// dialPlain is dial without TLS, whatever the server has.
func dialPlain(tb testing.TB, addr reactor.InetAddress) net.Conn {
	tb.Helper()
	return dialPlainWith(tb, &net.Dialer{}, addr)
}

func dialPlainWith(tb testing.TB, dialer *net.Dialer, addr reactor.InetAddress) net.Conn {
	tb.Helper()
	network, target := "tcp", addr.String()
	if addr.IsUnix() {
		network, target = "unix", addr.Path()
	}
	conn, err := dialer.Dial(network, target)
	must(tb, err)
	tb.Cleanup(func() { conn.Close() })
	must(tb, conn.SetDeadline(time.Now().Add(patience)))
	return conn
}

// closeWrite sends the client's FIN.
func closeWrite(tb testing.TB, conn net.Conn) {
	tb.Helper()
	must(tb, conn.(interface{ CloseWrite() error }).CloseWrite())
}

// reset closes a TCP client with a RST.
func reset(tb testing.TB, conn net.Conn) {
	tb.Helper()
	if over, ok := conn.(*tls.Conn); ok {
		conn = over.NetConn()
	}
	must(tb, conn.(*net.TCPConn).SetLinger(0))
	must(tb, conn.Close())
}

func write(tb testing.TB, conn net.Conn, s string) {
	tb.Helper()
	_, err := io.WriteString(conn, s)
	must(tb, err)
}

// expect reads exactly want.
func expect(tb testing.TB, conn net.Conn, want string) {
	tb.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(conn, got)
	if err != nil || string(got) != want {
		tb.Fatalf("got %q, %v; want %q", got[:n], err, want)
	}
}

// expectEnd reads up to the end of the stream, which must be orderly, and
// compares with want.
func expectEnd(tb testing.TB, conn net.Conn, want []byte) {
	tb.Helper()
	got, err := io.ReadAll(conn)
	if err != nil {
		tb.Fatalf("after %d bytes of %d: %v", len(got), len(want), err)
	}
	if !bytes.Equal(got, want) {
		tb.Fatalf("%s", difference(got, want))
	}
}

func difference(got, want []byte) string {
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	return fmt.Sprintf("got %d bytes, want %d; they differ from byte %d on", len(got), len(want), at)
}

// expectClosed waits until the peer has closed the connection, in whatever way.
func expectClosed(tb testing.TB, conn net.Conn) {
	tb.Helper()
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		tb.Fatal("the connection stays open")
	}
}

// receive waits for the next value of an event's channel.
func receive[T any](tb testing.TB, event <-chan T, what string) T {
	tb.Helper()
	select {
	case v := <-event:
		return v
	case <-time.After(patience):
		tb.Fatalf("waited in vain for: %s", what)
		panic("unreachable")
	}
}

// inLoop runs f on the loop and waits for it.
func inLoop(tb testing.TB, loop *reactor.EventLoop, f func()) {
	tb.Helper()
	done := make(chan struct{})
	must(tb, loop.QueueInLoop(func() { defer close(done); f() }))
	receive(tb, done, "a turn of the loop")
}

// turn lets the loop finish what it had begun, and then poll and handle what was
// ready, before it returns.
func turn(tb testing.TB, loop *reactor.EventLoop) {
	tb.Helper()
	for range 3 {
		inLoop(tb, loop, func() {})
	}
}

// eventually polls for what announces itself by no event, such as the state of the
// kernel.
func eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(patience); !holds(); {
		if time.Now().After(deadline) {
			tb.Fatalf("waited in vain until: %s", what)
		}
		pause := time.NewTimer(time.Millisecond)
		<-pause.C
	}
}

// unread is how many bytes wait in the receive buffer of c; on c's loop.
func unread(c *reactor.TcpConnection) int {
	n, err := unix.IoctlGetInt(c.Socket().FD(), unix.TIOCINQ)
	if err != nil {
		return -1
	}
	return n
}

// openFiles counts the fds of this process.
func openFiles(tb testing.TB) int {
	tb.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	must(tb, err)
	return len(fds)
}

// noise returns n bytes of which no two stretches are alike, the same for the same
// seed.
func noise(n int, seed uint64) []byte {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	p := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(p)
	return p
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// check is must for a callback: ending the test there would take the loop with it.
func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Error(err)
	}
}

func wantError(tb testing.TB, got, want error) {
	tb.Helper()
	if !errors.Is(got, want) {
		tb.Errorf("error: got %v, want %v", got, want)
	}
}
