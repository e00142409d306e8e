package reactor_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// The system calls of a running echo server are made to fail by strace(1), in a
// process of its own: every byte must come back all the same, on every connection.

const faultChildEnv = "CARILLON_FAULT_CHILD"

func TestFaultsLoseNothing(t *testing.T) {
	if underRace() && os.Getenv(reactor.PollerEnv) == string(reactor.PollerPoll) {
		t.Skip("over poll it runs without the race detector")
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	if server, err := startFaultyServer(strace, nil); err != nil {
		t.Skipf("strace cannot trace here: %v", err)
	} else {
		echoAll(t, server.addr, false)
		server.stop(t)
	}
	cases := []struct {
		name      string
		inject    []string
		turnsAway bool // the fault may cost a connection before its first byte
	}{
		{"EMFILE on accept4", []string{"accept4:error=EMFILE:when=3..6"}, true},
		{"ENFILE and ENOMEM on accept4", []string{"accept4:error=ENFILE:when=2", "accept4:error=ENOMEM:when=4"}, true},
		{"ECONNABORTED on accept4", []string{"accept4:error=ECONNABORTED:when=2+3"}, false},
		{"EINTR on accept4", []string{"accept4:error=EINTR:when=1+2"}, false},
		{"EINTR on read", []string{"recvfrom,readv:error=EINTR:when=1+2"}, false},
		{"EAGAIN on read", []string{"recvfrom,readv:error=EAGAIN:when=1+3"}, false},
		{"EINTR on write", []string{"sendto,sendmsg:error=EINTR:when=1+2"}, false},
		{"EAGAIN on write", []string{"sendto,sendmsg:error=EAGAIN:when=1+3"}, false},
		{"EINTR on the waits", []string{"epoll_wait,epoll_pwait,poll,ppoll:error=EINTR:when=20+3"}, false},
		{"EINTR on wake-ups", []string{"write:error=EINTR:when=1+2"}, false},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			server, err := startFaultyServer(strace, tc.inject)
			if err != nil {
				t.Fatal(err)
			}
			echoAll(t, server.addr, tc.turnsAway)
			server.stop(t)
		})
	}
}

type faultyServer struct {
	addr  string
	cmd   *exec.Cmd
	stdin io.Closer
}

func startFaultyServer(strace string, inject []string) (*faultyServer, error) {
	args := []string{"-f", "-qq", "-o", os.DevNull, "-e", "trace=accept4,recvfrom,readv,sendto,sendmsg,epoll_wait,epoll_pwait,poll,ppoll,write"}
	for _, fault := range inject {
		args = append(args, "-e", "inject="+fault)
	}
	cmd := exec.Command(strace, append(args, "--", os.Args[0])...)
	cmd.Env = append(os.Environ(), faultChildEnv+"=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		stdin.Close()
		return nil, errors.Join(err, cmd.Wait())
	}
	return &faultyServer{addr: strings.TrimSpace(line), cmd: cmd, stdin: stdin}, nil
}

// stop ends the child by closing its stdin, and fails if it did not end well.
func (s *faultyServer) stop(t *testing.T) {
	t.Helper()
	s.stdin.Close()
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("the server under faults: %v", err)
	}
}

// runFaultChild is the server; TestMain calls it in the child.
func runFaultChild() int {
	thread := reactor.NewEventLoopThread(reactor.WithLoopLogger(nil))
	loop, err := thread.StartLoop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	addr, _ := reactor.ParseInetAddress("127.0.0.1:0")
	server, err := reactor.NewTcpServer(loop, addr, &reactor.Callbacks{
		Connection: func(c *reactor.TcpConnection) {
			if c.Connected() {
				_ = c.Socket().SetSendBuffer(1) // the kernel's smallest: writes fall short
			}
		},
		Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
			_ = c.Send(in.Peek())
			in.RetrieveAll()
		},
	}, reactor.WithThreads(2))
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(server.Addr())
	io.Copy(io.Discard, os.Stdin)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := thread.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// echoAll sends through several connections at once, in pieces of all sizes, and
// compares what comes back. A server that is out of fds may turn a connection
// away before it answered anything; then another is tried.
func echoAll(t *testing.T, addr string, turnsAway bool) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			err := echoOne(addr, uint64(i))
			for attempt := 0; turnsAway && errors.Is(err, errTurnedAway) && attempt < 20; attempt++ {
				err = echoOne(addr, uint64(i))
			}
			if err != nil {
				t.Errorf("connection %d: %v", i, err)
			}
		})
	}
	wg.Wait()
}

var errTurnedAway = errors.New("the connection ended before its first byte came back")

func echoOne(addr string, seed uint64) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(60 * time.Second))
	random := rand.New(rand.NewPCG(seed, 1))
	data := make([]byte, 300_000)
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	sent := make(chan error, 1)
	go func() { sent <- sendInPieces(conn, data, random) }()
	got, err := io.ReadAll(conn)
	if sendErr := <-sent; len(got) == 0 {
		return errors.Join(errTurnedAway, err, sendErr)
	}
	if err != nil {
		return err
	}
	if len(got) != len(data) || !bytes.Equal(got, data) {
		return fmt.Errorf("%d bytes, sha256 %x, came back of %d, %x", len(got), sha256.Sum256(got), len(data), sha256.Sum256(data))
	}
	return nil
}

func sendInPieces(conn net.Conn, data []byte, random *rand.Rand) error {
	for len(data) > 0 {
		n := min(len(data), 1+random.IntN(1<<random.IntN(17)))
		if _, err := conn.Write(data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	err := conn.(*net.TCPConn).CloseWrite()
	if err == syscall.ENOTCONN {
		return nil
	}
	return err
}
