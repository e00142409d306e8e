package http

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	nethttp "net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// hijacking is an App whose handler at /take gives its connection to f.
func hijacking(t *testing.T, f func(c net.Conn, rw *bufio.ReadWriter)) *App {
	app := New()
	app.Handle("/take", nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		c, rw, err := nethttp.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := w.Write([]byte("x")); !errors.Is(err, nethttp.ErrHijacked) {
			t.Errorf("Write behind Hijack: %v", err)
		}
		f(c, rw)
	}))
	return app
}

const take = "GET /take HTTP/1.1\r\nHost: h\r\n\r\n"

// What came behind the request is there, and the end of the stream behind that, however they came.
func TestHijackedConnectionHasWhatCameBefore(t *testing.T) {
	for _, size := range []int{0, 5, 10000, 70000, 300 << 10} {
		entered := make(chan struct{}, 1)
		app := hijacking(t, func(c net.Conn, rw *bufio.ReadWriter) {
			defer c.Close()
			body, err := io.ReadAll(rw)
			if err != nil {
				t.Error(err)
			}
			rw.Write(body)
			rw.Flush()
		})
		app.Use(func(next Handler) Handler { return func(c *Ctx) error { <-entered; return next(c) } })
		addr := serveApp(t, app)
		for range 5 {
			c := dial(t, addr)
			want := strings.Repeat("h", size)
			sent := make(chan error, 1)
			go func() {
				_, err := io.WriteString(c, take+want)
				sent <- errors.Join(err, c.CloseWrite())
			}()
			if size < 10000 {
				if err := <-sent; err != nil { // all of it may be there before the handler is
					t.Fatal(err)
				}
				sent <- nil
			}
			entered <- struct{}{}
			got, err := io.ReadAll(c)
			if err != nil || string(got) != want {
				t.Fatalf("%d bytes of %d, %v", len(got), size, err)
			}
			if err := <-sent; err != nil {
				t.Error(err)
			}
			c.Close()
		}
	}
}

// Deadlines of a hijacked connection end what waits, also when they are moved over and over as they pass.
func TestHijackedDeadlines(t *testing.T) {
	done := make(chan struct{})
	app := hijacking(t, func(c net.Conn, rw *bufio.ReadWriter) {
		defer close(done)
		defer c.Close()
		b := make([]byte, 1)
		if err := c.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
			t.Error(err)
		}
		if _, err := c.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read: %v", err)
		}
		for range 300 {
			_ = c.SetReadDeadline(time.Now().Add(50 * time.Microsecond))
			for start := time.Now(); time.Since(start) < 50*time.Microsecond; {
			}
			_ = c.SetReadDeadline(time.Time{})
			if h := c.(*hijacked); func() bool { h.in.mu.Lock(); defer h.in.mu.Unlock(); return h.in.expired }() {
				t.Error("expired without a deadline")
				break
			}
		}
		_ = c.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		if _, err := c.Write(make([]byte, 32<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write: %v", err)
		}
	})
	c := dial(t, serveApp(t, app))
	send(t, c, take)
	<-done
}

// Writes of several goroutines do not mix, and each is bounded by what the peer takes.
func TestHijackedWritesDoNotMix(t *testing.T) {
	const size, writers = 1 << 20, 4
	app := hijacking(t, func(c net.Conn, rw *bufio.ReadWriter) {
		defer c.Close()
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() {
				if n, err := c.Write(bytes.Repeat([]byte{'a' + byte(i)}, size)); n != size || err != nil {
					t.Errorf("%d, %v", n, err)
				}
			})
		}
		wg.Wait()
	})
	c := dial(t, serveApp(t, app))
	send(t, c, take)
	got, err := io.ReadAll(c)
	if err != nil || len(got) != writers*size {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	for ; len(got) > 0; got = got[size:] {
		if bytes.Count(got[:size], got[:1]) != size {
			t.Fatal("writes were mixed")
		}
	}
}

// Whoever waits on a hijacked connection is woken when it is closed, by either side.
func TestHijackedConnectionCloses(t *testing.T) {
	ended := make(chan error, 1)
	app := hijacking(t, func(c net.Conn, rw *bufio.ReadWriter) {
		io.WriteString(c, "taken\n")
		line, _ := rw.ReadString('\n')
		go func() {
			_, err := io.Copy(io.Discard, c)
			ended <- err
		}()
		if line == "close\n" {
			c.Close()
		}
	})
	addr := serveApp(t, app)
	c := dial(t, addr)
	r := bufio.NewReader(c)
	send(t, c, take+"close\n")
	if line, _ := r.ReadString('\n'); line != "taken\n" {
		t.Errorf("%q", line)
	}
	closes(t, r)
	<-ended
	c.Close()
	c = dial(t, addr)
	send(t, c, take)
	if line, _ := bufio.NewReader(c).ReadString('\n'); line != "taken\n" {
		t.Errorf("%q", line)
	}
	if err := tcpOf(c).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	c.Close()
	<-ended
}

// A body that still comes when its connection is hijacked is not waited for.
func TestHijackWithinABody(t *testing.T) {
	read := make(chan error, 1)
	app := New()
	app.Handle("/take", nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		c, _, err := nethttp.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		_, err = io.Copy(io.Discard, r.Body)
		read <- err
	}))
	c := dial(t, serveApp(t, app))
	send(t, c, "POST /take HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nbeginning")
	if err := <-read; err == nil {
		t.Error("the body had an end")
	}
	closes(t, c)
}

// A connection that was taken over is no 200 in a log.
func TestHijackedStatusIs101(t *testing.T) {
	codes := make(chan int, 1)
	for name, opts := range map[string][]RouteOption{
		"plain":                   nil,
		"behind a net/http layer": {With(WrapMiddleware(func(next nethttp.Handler) nethttp.Handler { return next }))},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func() *App {
				app := New()
				log := &lockedBuffer{}
				app.Server.Logger = slog.New(slog.NewTextHandler(log, nil))
				app.Use(func(next Handler) Handler {
					return func(c *Ctx) error {
						c.After(func(c *Ctx) {
							if log.String() != "" {
								t.Errorf("logged: %s", log)
							}
							codes <- c.StatusCode()
						})
						return next(c)
					}
				})
				app.Handle("/take", nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
					c, _, err := nethttp.NewResponseController(w).Hijack()
					if err != nil {
						t.Error(err)
						return
					}
					c.Close()
				}), opts...)
				return app
			}, func(t *testing.T, url string) {
				c := dial(t, strings.TrimPrefix(url, "http://"))
				send(t, c, take)
				closes(t, c)
				if code := <-codes; code != 101 {
					t.Errorf("%d, want 101", code)
				}
			})
		})
	}
}
