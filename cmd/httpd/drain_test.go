package main

import (
	"bufio"
	"io"
	"net"
	nethttp "net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// bigSize is more than all the socket buffers between the two processes hold, so
// that the download cannot end before it is read.
const bigSize = 256 << 20

// download begins to fetch a big file and reads its header only.
func download(t *testing.T, p *process) (*nethttp.Response, net.Conn) {
	t.Helper()
	conn, err := net.Dial("tcp", p.address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	res, err := nethttp.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.ContentLength != bigSize {
		t.Fatalf("Content-Length %d", res.ContentLength)
	}
	return res, conn
}

func bigSite(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "big"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(bigSize); err != nil {
		t.Fatal(err)
	}
	return dir
}

// awaitRefusal polls, for the end of a listener in another process is no event
// that one could wait for.
func awaitRefusal(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		conn.Close()
		if time.Now().After(deadline) {
			t.Fatal("still accepts connections")
		}
	}
}

func TestSignalLetsADownloadEnd(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			p := start(t, "-l", "127.0.0.1:0", "--drain", patience.String(), bigSite(t))
			idle, err := net.Dial("tcp", p.address())
			if err != nil {
				t.Fatal(err)
			}
			// As clients do: closes when the server has.
			var closed sync.WaitGroup
			closed.Go(func() {
				_, _ = io.Copy(io.Discard, idle)
				idle.Close()
			})
			res, conn := download(t, p)
			p.signal(sig)
			p.stderr.await(t, "stopping")
			awaitRefusal(t, p.address())
			if n, err := io.Copy(io.Discard, res.Body); n != bigSize || err != nil {
				t.Errorf("got %d of %d bytes: %v", n, bigSize, err)
			}
			conn.Close()
			closed.Wait()
			if code := p.wait(); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

func TestSecondSignalStopsAtOnce(t *testing.T) {
	p := start(t, "-l", "127.0.0.1:0", "--drain", patience.String(), bigSite(t))
	download(t, p)
	p.signal(syscall.SIGINT)
	p.stderr.await(t, "stopping")
	p.signal(syscall.SIGINT)
	if code := p.wait(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	expectLastLine(t, p, "httpd: stopped by a second signal")
}

func TestDrainHasADeadline(t *testing.T) {
	p := start(t, "-l", "127.0.0.1:0", "--drain", "50ms", bigSite(t))
	download(t, p)
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	expectLastLine(t, p, "longer than 50ms")
}

// A deadline that has passed is no failure where nothing was left to end.
func TestDrainOfZeroWithoutConnections(t *testing.T) {
	p := start(t, "-l", "127.0.0.1:0", "-l", "127.0.0.1:0", "--drain", "0s", t.TempDir())
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	expectLastLine(t, p, "stopping connections=0")
}

func expectLastLine(t *testing.T, p *process, want string) {
	t.Helper()
	all := p.stderr.all()
	if len(all) == 0 || !strings.Contains(all[len(all)-1], want) {
		t.Errorf("want %q last on stderr, got %q", want, all)
	}
}
