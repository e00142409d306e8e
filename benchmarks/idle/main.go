// Command idle measures what an idle connection costs a Carillon server: it
// starts the server as a process of its own, opens connections that each make one
// exchange, and reports the slope of the server's resident memory (VmRSS of
// proc_pid_status(5)) between two numbers of connections, in bytes for each, and
// how many goroutines the server then has.
//
//	go run ./idle                  # from the folder benchmarks
//	go run ./idle -to 18000 -runs 5
//
// Both processes hold one fd a connection, so -to must stay below the limit that
// `ulimit -n` shows.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// workload is one kind of connection: the exchange that it makes before it is
// left idle, and how the answer ends.
type workload struct {
	name    string
	request string
	answer  string // its last bytes
}

var workloads = []workload{
	{"HTTP keep-alive", "GET / HTTP/1.1\r\nHost: idle\r\n\r\n", "Hello, World!"},
	{"WebSocket", "GET /ws HTTP/1.1\r\nHost: idle\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" +
		"\x81\x82\x00\x00\x00\x00hi", "\x81\x02hi"},
}

func main() {
	from := flag.Int("from", 1000, "connections at the first reading")
	to := flag.Int("to", 15000, "connections at the second reading")
	runs := flag.Int("runs", 3, "runs of each workload; the median is reported")
	serve := flag.Bool("serve", false, "be the server (used by the program itself)")
	flag.Parse()
	log.SetFlags(0)
	if *serve {
		if err := runServer(); err != nil {
			log.Fatal(err)
		}
		return
	}
	if *from < 1 || *to <= *from || *runs < 1 {
		log.Fatal("idle: want 1 <= from < to and runs >= 1")
	}
	for _, w := range workloads {
		if err := report(w, *from, *to, *runs); err != nil {
			log.Fatal("idle: ", err)
		}
	}
}

func report(w workload, from, to, runs int) error {
	var slopes []float64
	goroutines := 0
	for range runs {
		slope, n, err := measure(w, from, to)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		slopes, goroutines = append(slopes, slope), n
	}
	slices.Sort(slopes)
	fmt.Printf("%-16s %4.0f bytes a connection (%.0f to %.0f in %d runs of %d to %d), %d goroutines in all\n",
		w.name, slopes[len(slopes)/2], slopes[0], slopes[len(slopes)-1], runs, from, to, goroutines)
	return nil
}

// measure returns the slope of a fresh server's memory, and its goroutines.
func measure(w workload, from, to int) (slope float64, goroutines int, err error) {
	server, err := startServer()
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	var rss [2]int
	for i, n := range []int{from, to} {
		for len(conns) < n {
			c, err := w.open(server.addr)
			if err != nil {
				return 0, 0, fmt.Errorf("connection %d: %w", len(conns)+1, err)
			}
			conns = append(conns, c)
		}
		if goroutines, err = server.settle(); err != nil {
			return 0, 0, err
		}
		if rss[i], err = server.rss(); err != nil {
			return 0, 0, err
		}
	}
	return float64(rss[1]-rss[0]) / float64(to-from), goroutines, nil
}

// open makes one connection and its exchange.
func (w workload) open(addr string) (net.Conn, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(c, w.request); err != nil {
		return nil, err
	}
	var got []byte
	for !strings.HasSuffix(string(got), w.answer) {
		var buf [1024]byte
		n, err := c.Read(buf[:])
		if err != nil {
			return nil, fmt.Errorf("after %q: %w", got, err)
		}
		got = append(got, buf[:n]...)
	}
	return c, nil
}

// child is the server's process.
type child struct {
	cmd   *exec.Cmd
	stdin io.Closer
	addr  string
}

func startServer() (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "-serve")
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
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the server did not start: %w", err)
	}
	return &child{cmd: cmd, stdin: stdin, addr: strings.TrimSpace(addr)}, nil
}

// stop ends the server by closing its stdin.
func (s *child) stop() error {
	s.stdin.Close()
	return s.cmd.Wait()
}

// settle has the server collect its garbage and give free memory back to the
// kernel, and returns the number of its goroutines.
func (s *child) settle() (int, error) {
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /settle HTTP/1.1\r\nHost: idle\r\nConnection: close\r\n\r\n"); err != nil {
		return 0, err
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		return 0, err
	}
	_, body, _ := strings.Cut(string(answer), "\r\n\r\n")
	return strconv.Atoi(body)
}

// rss is the server's resident memory in bytes.
func (s *child) rss() (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.Atoi(strings.Fields(value)[0])
			return kb << 10, err
		}
	}
	return 0, errors.New("no VmRSS in /proc/PID/status")
}
