package http

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/carillon-go/carillon/reactor"
)

func TestListen(t *testing.T) {
	var a, b Server
	defer a.Shutdown(context.Background())
	defer b.Shutdown(context.Background())
	addr, err := a.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Listen(addr.String()); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("port in use: %v", err)
	}
	if _, err := b.Listen("nonsense"); err == nil {
		t.Error("nonsense is listened on")
	}
	if err := b.Start(); err == nil {
		t.Error("started without a handler")
	}
	b.Handler = echo
	if err := b.Start(); err == nil {
		t.Error("started without a listener")
	}
}

func TestSeveralListeners(t *testing.T) {
	s := &Server{Handler: echo}
	dir, err := os.MkdirTemp("", "carillon")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := dir + "/sock"
	if _, err := s.Listen("unix:" + path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Listen("[::1]:0"); err != nil {
		t.Logf("no IPv6 here: %v", err)
	}
	serve(t, s)
	if _, err := s.Listen("127.0.0.1:0"); !errors.Is(err, ErrServerStarted) {
		t.Errorf("Listen after Start: %v", err)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	send(t, c, goodRequest)
	if _, body := answer(t, bufio.NewReader(c), "GET"); body != "GET /good " {
		t.Error(body)
	}
}

func TestUpgrade(t *testing.T) {
	echoBack := &reactor.Callbacks{Message: func(c *reactor.TcpConnection, in *reactor.Buffer) {
		if err := c.Send(in.Peek()); err != nil {
			t.Error(err)
		}
		in.RetrieveAll()
	}}
	big := strings.Repeat("b", outputBound+1)
	addr := serve(t, &Server{Handler: func(c *Ctx) error {
		if c.Path() == "/big" {
			return c.Text(200, big)
		}
		if err := c.Upgrade(func(*reactor.TcpConnection) {}); !errors.Is(err, ErrNotUpgraded) {
			t.Errorf("upgrade before 101: %v", err)
		}
		if err := errors.Join(c.SetHeader("Upgrade", "echo"), c.SetHeader("Connection", "Upgrade"), c.NoContent(101)); err != nil {
			return err
		}
		return c.Upgrade(func(tcp *reactor.TcpConnection) { tcp.SetCallbacks(echoBack) })
	}})
	// Behind an answer that fills the output, the request is parsed when that has left, outside Message.
	for _, ahead := range []string{"", strings.Repeat("GET /big HTTP/1.1\r\nHost: h\r\n\r\n", 100)} {
		c := dial(t, addr)
		r := bufio.NewReader(c)
		send(t, c, ahead+"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nin the same segment, ")
		for range strings.Count(ahead, "GET") {
			if _, body := answer(t, r, "GET"); body != big {
				t.Fatalf("ahead of the upgrade: %d bytes", len(body))
			}
		}
		head := "HTTP/1.1 101 Switching Protocols\r\n"
		line, err := r.ReadString('\n')
		if err != nil || line != head {
			t.Fatalf("%q, %v", line, err)
		}
		for line != "\r\n" {
			if line, err = r.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(line, "Content-Length") || strings.HasPrefix(line, "Connection: close") {
				t.Errorf("in a 101: %q", line)
			}
		}
		send(t, c, "and behind it")
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != "in the same segment, and behind it" {
			t.Errorf("%q, %v", got, err)
		}
	}
}
