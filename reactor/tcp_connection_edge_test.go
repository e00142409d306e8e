package reactor_test

import (
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/reactor"
)

// A read that stops at a mark in the stream is short, and yet more lies behind it
// for which no further edge comes.

// lengths is a Message callback that announces how many bytes came.
func lengths(got chan<- int) func(*reactor.TcpConnection, *reactor.Buffer) {
	return func(_ *reactor.TcpConnection, in *reactor.Buffer) {
		got <- in.Len()
		in.RetrieveAll()
	}
}

func expectBytes(tb testing.TB, got <-chan int, want int) {
	tb.Helper()
	for n := 0; n < want; {
		n += receive(tb, got, "all bytes")
	}
}

// TestUrgentDataHidesNothing: a read stops at urgent data (tcp(7)), which itself is
// not part of the stream. It happens twice, since the mark must be forgotten
// without the next one being overlooked.
func TestUrgentDataHidesNothing(t *testing.T) {
	life, got := newEnds(), make(chan int, 100)
	server := serve(t, onTCP4, &reactor.Callbacks{Connection: life.connection, Message: lengths(got)})
	client := dial(t, server.Addr()).(*net.TCPConn)
	c := receive(t, life.up, "the connection")
	for range 2 {
		inLoop(t, c.Loop(), func() { // the loop is held until all of it has arrived
			write(t, client, "abc")
			sendUrgent(t, client)
			write(t, client, "defgh")
			eventually(t, "all is acknowledged", func() bool { return unacknowledged(t, client) == 0 })
		})
		expectBytes(t, got, len("abcdefgh"))
	}
}

func sendUrgent(tb testing.TB, conn *net.TCPConn) {
	tb.Helper()
	raw, err := conn.SyscallConn()
	must(tb, err)
	check(tb, raw.Control(func(fd uintptr) { check(tb, unix.Sendto(int(fd), []byte("!"), unix.MSG_OOB, nil)) }))
}

// unacknowledged is how many bytes the peer's kernel does not have yet.
func unacknowledged(tb testing.TB, conn *net.TCPConn) (n int) {
	tb.Helper()
	raw, err := conn.SyscallConn()
	must(tb, err)
	check(tb, raw.Control(func(fd uintptr) {
		n, err = unix.IoctlGetInt(int(fd), unix.TIOCOUTQ)
		check(tb, err)
	}))
	return n
}

// TestRightsHideNothing: on a Unix socket a read stops behind a message that
// carries file descriptors (unix(7)), also for those who do not ask for them.
func TestRightsHideNothing(t *testing.T) {
	life, got := newEnds(), make(chan int, 100)
	server := serve(t, onUnix, &reactor.Callbacks{Connection: life.connection, Message: lengths(got)})
	client := dial(t, server.Addr()).(*net.UnixConn)
	c := receive(t, life.up, "the connection")
	passed, err := os.Open(os.DevNull)
	must(t, err)
	defer passed.Close()
	inLoop(t, c.Loop(), func() {
		_, _, err := client.WriteMsgUnix([]byte("abc"), unix.UnixRights(int(passed.Fd())), nil)
		check(t, err)
		write(t, client, "defgh")
	})
	expectBytes(t, got, len("abcdefgh"))
}
