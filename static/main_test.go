package static

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/reactor"
)

func TestMain(m *testing.M) {
	reactor.PoisonBuffers(true)
	goleak.VerifyTestMain(m)
}

// underRace says whether the test was built with -race, whose sync.Pool forgets at random, so that allocations cannot be counted.
func underRace() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// serve starts a server of the folder dir and returns its address.
func serve(tb testing.TB, dir string, opts ...Option) string {
	tb.Helper()
	files, err := New(dir, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	server := &http.Server{Handler: files.Serve, Loops: 1}
	addr, err := server.Listen("127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	if err := server.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			tb.Errorf("shutdown: %v", err)
		}
		if err := files.Close(); err != nil {
			tb.Errorf("close: %v", err)
		}
		if left := openBeneath(tb, dir); len(left) > 0 {
			tb.Errorf("still open after the end: %q", left)
		}
	})
	return addr.String()
}

// listening starts app on a free port, and returns the address. Whoever calls it shuts
// it down.
func listening(tb testing.TB, app *http.App) string {
	tb.Helper()
	addr, err := app.Listen("127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	if err := app.Start(); err != nil {
		tb.Fatal(err)
	}
	return addr.String()
}

// openBeneath returns which open fds of this process are of what lies in dir.
func openBeneath(tb testing.TB, dir string) []string {
	tb.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		tb.Fatal(err)
	}
	var open []string
	for _, fd := range fds {
		if target, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil {
			if strings.HasPrefix(target, dir+"/") {
				open = append(open, target)
			}
		}
	}
	return open
}

// peer is a client that writes requests as they stand and reads answers one
// by one.
type peer struct {
	tb   testing.TB
	conn net.Conn
	in   *bufio.Reader
}

func dial(tb testing.TB, addr string) *peer {
	tb.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		tb.Fatal(err)
	}
	return &peer{tb, conn, bufio.NewReader(conn)}
}

// answer is a response, read whole.
type answer struct {
	code   int
	header nethttp.Header
	length int64 // Content-Length; -1 without
	body   string
}

// send writes one request; lines are header lines.
func (p *peer) send(method, target string, lines ...string) {
	p.tb.Helper()
	if err := p.conn.SetDeadline(time.Now().Add(time.Minute)); err != nil { // for this one, and under -race
		p.tb.Fatal(err)
	}
	request := method + " " + target + " HTTP/1.1\r\nHost: host.example\r\n"
	for _, line := range lines {
		request += line + "\r\n"
	}
	if _, err := io.WriteString(p.conn, request+"\r\n"); err != nil {
		p.tb.Fatalf("%s %q: %v", method, target, err)
	}
}

// receive reads the answer to a request of that method.
func (p *peer) receive(method string) (answer, error) {
	response, err := nethttp.ReadResponse(p.in, &nethttp.Request{Method: method})
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, response.ContentLength, string(body)}, err
}

// ask sends one request and reads its answer.
func (p *peer) ask(method, target string, lines ...string) answer {
	p.tb.Helper()
	p.send(method, target, lines...)
	a, err := p.receive(method)
	if err != nil {
		p.tb.Fatalf("%s %q: %v", method, target, err)
	}
	return a
}

// put writes a file with an old date, so that its validators are strong.
func put(tb testing.TB, dir, name string, body []byte) string {
	tb.Helper()
	full := filepath.Join(dir, name)
	if err := os.WriteFile(full, body, 0o644); err != nil {
		tb.Fatal(err)
	}
	if err := os.Chtimes(full, time.Time{}, time.Unix(dated, 123456789)); err != nil {
		tb.Fatal(err)
	}
	return full
}

// noise returns n bytes of which no two stretches are alike.
func noise(n int) []byte {
	p := make([]byte, 0, n+16)
	for i := 0; len(p) < n; i++ {
		p = fmt.Appendf(p, "%x,", i*2654435761)
	}
	return p[:n]
}
