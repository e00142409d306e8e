package natsbroker

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/nats-io/nats-server/v2/server"
)

// natsServer is an embedded one, on a port that it keeps: drawn by lot from those below what Linux
// gives to who asks for any, or a client could have it while the server is away.
type natsServer struct {
	t      *testing.T
	opts   server.Options
	server *server.Server
}

// startNATS runs a server until the test ends, with JetStream when dir is not empty.
func startNATS(t *testing.T, dir string) *natsServer {
	t.Helper()
	n := &natsServer{t: t, opts: server.Options{Host: "127.0.0.1", NoSigs: true, NoLog: true, JetStream: dir != "", StoreDir: dir}}
	for n.opts.Port == 0 {
		port := 10_000 + rand.IntN(22_000)
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		n.opts.Port = port
	}
	n.start()
	t.Cleanup(n.stop)
	return n
}

func (n *natsServer) start() {
	n.t.Helper()
	opts := n.opts // the server changes it
	s, err := server.NewServer(&opts)
	if err != nil {
		n.t.Fatal(err)
	}
	s.Start()
	if n.server = s; !s.ReadyForConnections(patience) {
		n.t.Fatal("the NATS server does not start")
	}
}

func (n *natsServer) stop() {
	n.server.Shutdown()
	n.server.WaitForShutdown()
}

func (n *natsServer) url() string { return fmt.Sprintf("nats://127.0.0.1:%d", n.opts.Port) }

// process is a child.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.Closer
	addr  string
	lines chan string // what it says; closed at its end
}

func startProcess(t *testing.T, url string, keep bool) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(os.Args[0]), lines: make(chan string, 1000)}
	p.cmd.Env = append(os.Environ(), "NATSBROKER_TEST_CHILD="+url)
	if keep {
		p.cmd.Env = append(p.cmd.Env, "NATSBROKER_TEST_JETSTREAM=1")
	}
	p.cmd.Stderr = os.Stderr
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdin = stdin
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for scan := bufio.NewScanner(stdout); scan.Scan(); {
			p.lines <- scan.Text()
		}
	}()
	t.Cleanup(p.stop)
	p.addr = wait(t, "address", p.lines)
	return p
}

// kill ends the process at once, by SIGKILL.
func (p *process) kill() {
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Error(err)
	}
	p.reap()
}

func (p *process) reap() error {
	for range p.lines { // to its end, before Wait closes the pipe
	}
	return p.cmd.Wait()
}

// stop ends the process in good order.
func (p *process) stop() {
	if p.cmd.ProcessState != nil {
		return
	}
	p.stdin.Close()
	if err := p.reap(); err != nil {
		p.t.Error("child:", err)
	}
}

func wait[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v, open := <-from:
		if !open {
			t.Fatalf("the end instead of %s", what)
		}
		return v
	case <-time.After(patience):
		t.Fatalf("no %s in %v", what, patience)
		panic("unreachable")
	}
}

// client is one of a process. Messages and answers to commands come apart.
type client struct {
	t        *testing.T
	conn     *websocket.Conn
	messages chan message3
	presence chan string
	answers  chan string
}

type message3 struct{ topic, position, payload string }

func connect(t *testing.T, p *process) *client {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial("ws://"+p.addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t, conn, make(chan message3, 10_000), make(chan string, 1000), make(chan string, 1000)}
	ended := make(chan struct{})
	go c.read(ended)
	t.Cleanup(func() { conn.Close(); <-ended })
	return c
}

func (c *client) read(ended chan struct{}) {
	defer close(ended)
	defer c.conn.Close() // or the server would wait for it
	for {
		_, p, err := c.conn.ReadMessage()
		if err != nil {
			return
		}
		words := strings.Split(string(p), "\x00")
		switch {
		case words[0] == "message" && strings.HasPrefix(words[3], "presence "):
			c.presence <- words[3]
		case words[0] == "message":
			c.messages <- message3{words[1], words[2], words[3]}
		default:
			c.answers <- strings.Join(words, " ")
		}
	}
}

// do sends a command and waits until it is done.
func (c *client) do(words ...string) {
	c.t.Helper()
	if err := c.conn.WriteMessage(websocket.TextMessage, []byte(strings.Join(words, "\x00"))); err != nil {
		c.t.Fatal(err)
	}
	for {
		got := wait(c.t, "answer to "+words[0], c.answers)
		if want := fmt.Sprintf("done %s <nil>", words[0]); got == want {
			return
		} else if strings.HasPrefix(got, "done") {
			c.t.Fatalf("%q, want %q", got, want)
		}
	}
}

// want reads messages of a topic, which must be these.
func (c *client) want(topic string, payloads ...string) {
	c.t.Helper()
	for _, want := range payloads {
		if got := wait(c.t, fmt.Sprintf("message %q", want), c.messages); got.topic != topic || got.payload != want {
			c.t.Fatalf("got %q of %q, want %q of %q", got.payload, got.topic, want, topic)
		}
	}
}

// gather reads messages up to one with this payload, which it leaves out, and counts each.
func (c *client) gather(until string) map[string]int {
	c.t.Helper()
	got := make(map[string]int)
	for {
		m := wait(c.t, "message up to "+until, c.messages)
		if m.payload == until {
			return got
		}
		got[m.payload]++
	}
}
