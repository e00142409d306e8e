package launch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/benchmarks/peers"
)

const (
	startTime = 15 * time.Second // for a server to listen
	retry     = 10 * time.Millisecond
	getTime   = 15 * time.Second // for one answer to Get
)

// Server is a running server. Its methods may be called from any goroutine.
type Server struct {
	peers.Server
	Addr string
	PID  int

	end    context.CancelFunc
	done   chan struct{} // closed when the process has ended
	err    error         // how; valid after done
	output *tail
	scheme string
	client http.Client
}

// Start starts the program of s with GOMAXPROCS=1 on that CPU (or AnyCPU), and
// returns when it accepts connections. env is added to its environment, each as
// NAME=value; with TLS=1 Get and Do speak HTTPS, and believe any certificate. It ends
// with ctx at the latest; whoever starts it calls Stop.
func Start(ctx context.Context, s peers.Server, program string, cpu int, env ...string) (*Server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, args, err := configure(s, port, env)
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(ctx)
	output := &tail{}
	cmd := Command(ctx, program, args...)
	cmd.Env = append(os.Environ(), "PORT="+strconv.Itoa(port), "GOMAXPROCS=1")
	cmd.Env = append(cmd.Env, env...)
	cmd.Stdout, cmd.Stderr = output, output
	if err := StartOn(cmd, cpu); err != nil {
		end()
		removeAll(dir)
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	server := &Server{
		Server: s, Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), PID: cmd.Process.Pid,
		end: end, done: make(chan struct{}), output: output, scheme: "http://",
		client: http.Client{Timeout: getTime, Transport: &http.Transport{
			DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		}},
	}
	if slices.Contains(env, "TLS=1") {
		server.scheme = "https://"
	}
	go func() {
		server.err = cmd.Wait()
		removeAll(dir)
		close(server.done)
	}()
	if err := server.awaitListen(ctx); err != nil {
		server.Stop()
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	return server, nil
}

// removeAll removes a server's temporary folder, where it has one.
func removeAll(dir string) {
	if dir != "" {
		_ = os.RemoveAll(dir)
	}
}

// Ports from firstPort on, so many, lie below those that Linux gives by default to who
// asks for any (ip(7), ip_local_port_range).
const (
	firstPort = 10_000
	ports     = 22_000
)

// freePort is a port that was free a moment ago. Being drawn by lot, it stays free until
// the server has it, where others ask for any port at the same time.
func freePort() (port int, err error) {
	for range 100 {
		port = firstPort + rand.IntN(ports)
		var l net.Listener
		l, err = net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		switch {
		case err == nil:
			return port, l.Close()
		case !errors.Is(err, unix.EADDRINUSE):
			return 0, fmt.Errorf("find a free port: %w", err)
		}
	}
	return 0, fmt.Errorf("find a free port: %w", err)
}

// awaitListen tries to connect until it can. Servers of others do not tell when
// they listen.
func (s *Server) awaitListen(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	var dialer net.Dialer
	for {
		c, err := dialer.DialContext(ctx, "tcp4", s.Addr)
		if err == nil {
			c.Close()
			return nil
		}
		select {
		case <-s.done:
			return s.Ended()
		case <-ctx.Done():
			return fmt.Errorf("it does not listen on %s: %w", s.Addr, errors.Join(ctx.Err(), err))
		case <-time.After(retry):
		}
	}
}

// Ended is nil while the process runs, else an error that says how it ended and
// what it printed last.
func (s *Server) Ended() error {
	select {
	case <-s.done:
	default:
		return nil
	}
	how := "exit status 0"
	if s.err != nil {
		how = s.err.Error()
	}
	return fmt.Errorf("%s has ended (%s); it printed:\n%s", s.Name, how, s.output)
}

// Done is closed when the process has ended.
func (s *Server) Done() <-chan struct{} { return s.done }

// Stop kills the process and waits for its end. It may be called again.
func (s *Server) Stop() {
	s.end()
	<-s.done
}

// Answer is a response with its whole body.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Get asks for path on a connection of its own.
func (s *Server) Get(ctx context.Context, path string) (Answer, error) {
	return s.Do(ctx, http.MethodGet, path, nil)
}

// Do makes a request on a connection of its own.
func (s *Server) Do(ctx context.Context, method, path string, body io.Reader) (Answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.scheme+s.Addr+path, body)
	if err != nil {
		return Answer{}, err
	}
	res, err := s.client.Do(req)
	if err != nil {
		return Answer{}, fmt.Errorf("%s: %w", s.Name, errors.Join(err, s.Ended()))
	}
	defer res.Body.Close()
	whole, err := io.ReadAll(res.Body)
	if err != nil {
		return Answer{}, fmt.Errorf("%s: %s %s: %w", s.Name, method, path, err)
	}
	return Answer{res.StatusCode, res.Header, string(whole)}, nil
}

// tail keeps the last bytes written to it.
type tail struct {
	mu    sync.Mutex
	bytes []byte
}

const tailSize = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes = append(t.bytes, p...)
	if extra := len(t.bytes) - tailSize; extra > 0 {
		t.bytes = append(t.bytes[:0], t.bytes[extra:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.bytes)
}
