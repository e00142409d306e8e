package http

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

func appNamed(name string) *App {
	app := New()
	app.Get("/", func(c *Ctx) error { return c.Text(200, name) }, Inline)
	return app
}

func TestSitesByHost(t *testing.T) {
	sites := NewSites(appNamed("other"))
	for _, host := range []string{"example.com", "*.example.com", "*.deep.example.com", "[::1]", "127.0.0.1"} {
		if err := sites.Add(host, appNamed(host)); err != nil {
			t.Fatal(err)
		}
	}
	var s Server
	s.SetSites(sites)
	addr := serve(t, &s)
	for _, tt := range []struct{ host, want string }{
		{"example.com", "example.com"},
		{"EXAMPLE.com:8080", "example.com"},
		{"example.com.", "example.com"},
		{"www.example.com", "*.example.com"},
		{"a.b.example.com", "*.example.com"},
		{"a.deep.example.com", "*.deep.example.com"},
		{"deep.example.com", "*.example.com"},
		{"notexample.com", "other"},
		{"example.com.evil.net", "other"},
		{"[::1]:80", "[::1]"},
		{"127.0.0.1", "127.0.0.1"},
	} {
		c := dial(t, addr)
		send(t, c, "GET / HTTP/1.1\r\nHost: "+tt.host+"\r\nConnection: close\r\n\r\n")
		if res, body := answer(t, bufio.NewReader(c), "GET"); res.StatusCode != 200 || body != tt.want {
			t.Errorf("%s: %d %q, want %q", tt.host, res.StatusCode, body, tt.want)
		}
	}
}

func TestSitesRefuseHosts(t *testing.T) {
	sites := NewSites(nil)
	if err := sites.Add("a.example", New()); err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"", "a.example", "A.Example.", "a.example:80", "a b", "*", "*.", "x.*.example", "http://a", "[::1", "::1"} {
		if err := sites.Add(host, New()); err == nil {
			t.Errorf("%q was taken", host)
		}
	}
}

func TestUnknownSiteIs421(t *testing.T) {
	var s Server
	s.SetSites(NewSites(nil))
	c := dial(t, serve(t, &s))
	send(t, c, "GET /any HTTP/1.1\r\nHost: x\r\n\r\n")
	if res, _ := answer(t, bufio.NewReader(c), "GET"); res.StatusCode != 421 {
		t.Errorf("status %d", res.StatusCode)
	}
}

// A connection outlives the sites that its first request was for, and a request that is at work ends as it has begun.
func TestSetSitesKeepsConnections(t *testing.T) {
	var s Server
	atWork, goOn := make(chan struct{}), make(chan struct{})
	first := appNamed("first")
	first.Get("/slow", func(c *Ctx) error {
		close(atWork)
		<-goOn
		return c.Text(200, "slow first")
	})
	sites := NewSites(first)
	s.SetSites(sites)
	addr := serve(t, &s)
	c, slow := dial(t, addr), dial(t, addr)
	in := bufio.NewReader(c)
	get := func() string {
		send(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		_, body := answer(t, in, "GET")
		return body
	}
	if got := get(); got != "first" {
		t.Errorf("got %q", got)
	}
	send(t, slow, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
	<-atWork
	s.SetSites(NewSites(appNamed("second")))
	if got := get(); got != "second" {
		t.Errorf("got %q", got)
	}
	select {
	case <-sites.Drained():
		t.Error("drained with a request at work")
	default:
	}
	close(goOn)
	<-sites.Drained()
	if _, body := answer(t, bufio.NewReader(slow), "GET"); body != "slow first" {
		t.Errorf("got %q", body)
	}
}

// A client whose next request crosses with the server's end must not lose it.
func TestRetireLeavesIdleConnectionsTheirNextRequest(t *testing.T) {
	s := Server{Handler: echo}
	addr := serve(t, &s)
	c, idle := dial(t, addr), dial(t, addr)
	in := bufio.NewReader(c)
	for _, conn := range []net.Conn{c, idle} {
		send(t, conn, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	answer(t, in, "GET")
	answer(t, bufio.NewReader(idle), "GET")
	done := make(chan error, 1)
	const grace = 300 * time.Millisecond
	began := time.Now()
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		done <- s.Retire(ctx, grace)
	}()
	refuses(t, addr)
	send(t, c, "GET /2 HTTP/1.1\r\nHost: x\r\n\r\n")
	if res, _ := answer(t, in, "GET"); !res.Close {
		t.Error("the last answer does not say that it is")
	}
	closes(t, in)
	closes(t, idle)
	if took := time.Since(began); took < grace {
		t.Errorf("the idle connection was closed after %v", took)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// An answer that was begun before the server retired has not said that it is the last: so it is not.
func TestRetireBehindAnswersThatHaveBegun(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	streams := func(c *Ctx) error {
		return c.Stream(200, "text/plain", func(w *Stream) error {
			if _, err := w.WriteString("begun"); err != nil {
				return err
			}
			err := w.Flush()
			begun <- struct{}{}
			<-goOn
			return err
		})
	}
	app := New()
	app.Get("/", func(c *Ctx) error { return c.Text(200, "x") }, Inline)
	app.Get("/streamed", streams)
	app.Post("/unread", streams, StreamBody)
	app.Get("/late", func(c *Ctx) error {
		begun <- struct{}{}
		<-goOn
		return c.Text(200, "x")
	})
	app.prepare()
	for _, tt := range []struct {
		request, behind string
		last            bool
	}{
		{"GET /streamed HTTP/1.1\r\nHost: x\r\n\r\n", "", false},
		{"POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello", "hello", false},
		{"GET /late HTTP/1.1\r\nHost: x\r\n\r\n", "", true},
	} {
		s := Server{find: app.find}
		addr := serve(t, &s)
		c := dial(t, addr)
		in := bufio.NewReader(c)
		send(t, c, tt.request)
		<-begun
		done := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			done <- s.Retire(ctx, patience)
		}()
		refuses(t, addr)
		goOn <- struct{}{}
		send(t, c, tt.behind)
		if res, _ := answer(t, in, "GET"); res.Close != tt.last {
			t.Errorf("%q: the answer says that it is the last: %v", tt.request, res.Close)
		}
		if !tt.last {
			send(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			if res, body := answer(t, in, "GET"); res.StatusCode != 200 || body != "x" || !res.Close {
				t.Errorf("%q: the next request: %d %q, last: %v", tt.request, res.StatusCode, body, res.Close)
			}
		}
		closes(t, in)
		c.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// refuses waits until nobody listens any more.
func refuses(t *testing.T, addr string) {
	t.Helper()
	until(t, "the listener is closed", func() bool {
		probe, err := net.Dial("tcp", addr)
		if err == nil {
			probe.Close()
		}
		return err != nil
	})
}

func TestPreface(t *testing.T) {
	who := reactor.InetAddress{}
	var err error
	if who, err = reactor.ParseInetAddress("192.0.2.7:1234"); err != nil {
		t.Fatal(err)
	}
	preface := func(b []byte, _ reactor.InetAddress) (int, reactor.InetAddress, reactor.InetAddress, error) {
		switch {
		case b[0] == 'G':
			return -1, reactor.InetAddress{}, reactor.InetAddress{}, nil
		case b[0] != '!':
			return 0, who, who, fmt.Errorf("no preface")
		case len(b) < 3:
			return 0, who, who, nil
		}
		return 3, who, reactor.InetAddress{}, nil
	}
	s := Server{Handler: func(c *Ctx) error { return c.Text(200, c.RemoteAddr().String()) }}
	bound, err := s.Listen("127.0.0.1:0", WithPreface(preface))
	if err != nil {
		t.Fatal(err)
	}
	serve(t, &s)
	const request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, pieces := range [][]string{{"!12" + request}, {"!", "1", "2", request}, {"!12", request + request}} {
		c := dial(t, bound.String())
		for _, p := range pieces {
			send(t, c, p)
		}
		if _, body := answer(t, bufio.NewReader(c), "GET"); body != who.String() {
			t.Errorf("%q: remote is %q", pieces, body)
		}
	}
	c := dial(t, bound.String())
	send(t, c, request)
	if _, body := answer(t, bufio.NewReader(c), "GET"); body != c.LocalAddr().String() {
		t.Errorf("without preface: remote is %q", body)
	}
	c = dial(t, bound.String())
	send(t, c, "?"+request)
	if n, err := c.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes for a bad preface", n)
	}
}

// However a request ends, its Sites are drained behind it.
func TestSitesAreDrained(t *testing.T) {
	waits := make(chan struct{}, 1)
	handlers := map[string]Handler{
		"answered": func(c *Ctx) error { return c.Text(200, "x") },
		"failed":   func(c *Ctx) error { return NewError(500, "") },
		"panics":   func(c *Ctx) error { panic("so it is meant") },
		"async": func(c *Ctx) error {
			a, err := c.Async()
			if err == nil {
				go a.Answer(func(c *Ctx) error { return c.Text(200, "x") })
			}
			return err
		},
		"reads": func(c *Ctx) error {
			waits <- struct{}{}
			_, err := c.Body()
			return err
		},
		"upgraded": func(c *Ctx) error {
			if err := c.NoContent(101); err != nil {
				return err
			}
			return c.Upgrade(func(tcp *reactor.TcpConnection) { tcp.ForceClose() })
		},
	}
	for _, tt := range []struct {
		name, request string
		inline, leave bool
	}{
		{"answered", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", true, false},
		{"answered", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", false, false},
		{"answered", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n", false, false},
		{"answered", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc", true, true},
		{"failed", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", true, false},
		{"panics", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", false, false},
		{"async", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", true, false},
		{"reads", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc", false, true},
		{"upgraded", "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			app := New()
			opts := []RouteOption{StreamBody}
			if tt.inline {
				opts = []RouteOption{Inline}
			}
			app.Any("/", handlers[tt.name], opts...)
			s := Server{Logger: slog.New(slog.DiscardHandler)}
			sites := NewSites(app)
			s.SetSites(sites)
			c := dial(t, serve(t, &s))
			send(t, c, tt.request)
			switch {
			case tt.name == "reads":
				<-waits
			case tt.leave:
				until(t, "the head has come", func() bool { return sites.requests.Load() == 1 })
			default:
				c.Read(make([]byte, 1))
			}
			if tt.leave {
				c.Close()
			}
			s.SetSites(NewSites(nil))
			select {
			case <-sites.Drained():
			case <-time.After(patience):
				t.Fatal("not drained")
			}
		})
	}
	defer func() {
		if recover() == nil {
			t.Error("sites that were replaced were set again")
		}
	}()
	var s Server
	first := NewSites(nil)
	s.SetSites(first)
	s.SetSites(first)
	s.SetSites(NewSites(nil))
	s.SetSites(first)
}
