package http

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	nethttp "net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// What a handler keeps or takes beyond the usual: the connection, a deadline of it, a reader of the body.

// unchanged is a middleware of net/http that does nothing, as those do that only look.
func unchanged(h nethttp.Handler) nethttp.Handler {
	return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) { h.ServeHTTP(w, r) })
}

// behindAndNot runs check on the reactor and under net/http, each with and without a middleware of net/http in front of h.
func behindAndNot(t *testing.T, h nethttp.HandlerFunc, check func(t *testing.T, addr string)) {
	for name, around := range map[string][]Middleware{"alone": nil, "behind a middleware": {WrapMiddleware(unchanged)}} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func() *App {
				app := New()
				app.Use(around...)
				app.Handle("/", h)
				return app
			}, func(t *testing.T, url string) { check(t, strings.TrimPrefix(url, "http://")) })
		})
	}
}

func TestHijackWhereverTheConnectionIs(t *testing.T) {
	behindAndNot(t, func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		c, _, err := nethttp.NewResponseController(w).Hijack()
		if err != nil {
			nethttp.Error(w, err.Error(), 500)
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "another protocol")
	}, func(t *testing.T, addr string) {
		c := dial(t, addr)
		send(t, c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		if got, err := io.ReadAll(c); string(got) != "another protocol" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestReadDeadlineWhereverTheConnectionIs(t *testing.T) {
	read := make(chan error, 1)
	behindAndNot(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if err := nethttp.NewResponseController(w).SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
			read <- errors.New("the deadline was not set: " + err.Error())
			return
		}
		_, err := io.ReadAll(r.Body)
		read <- err
	}, func(t *testing.T, addr string) {
		c := dial(t, addr)
		send(t, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
		select {
		case err := <-read:
			if err == nil || strings.Contains(err.Error(), "not set") {
				t.Errorf("read: %v", err)
			}
		case <-time.After(patience):
			t.Error("the read goes on")
		}
		c.Close()
	})
}

// What is answered behind a hijack went, in front of the other protocol's bytes, to its client.
func TestNothingIsAnsweredBehindAHijack(t *testing.T) {
	ends := map[string]func() error{
		"returns": func() error { return nil },
		"fails":   func() error { return errors.New("failed") },
		"panics":  func() error { panic("panicked") },
	}
	for _, name := range slices.Sorted(maps.Keys(ends)) {
		t.Run(name, func(t *testing.T) {
			app, over := New(), make(chan struct{})
			app.Server.ErrorHandler = func(c *Ctx, e *Error) error {
				return c.Stream(e.Code, "text/plain", func(s *Stream) error {
					_, _ = s.WriteString("an error")
					return s.Flush()
				})
			}
			take := WrapFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) {
				c, _, err := nethttp.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				go func() {
					defer c.Close()
					<-over
					_, _ = io.WriteString(c, "another protocol")
				}()
			})
			app.Get("/", func(c *Ctx) error {
				c.After(func(c *Ctx) {
					if !c.Written() {
						t.Error("the answer is still to come")
					}
					close(over)
				})
				if err := take(c); err != nil {
					return err
				}
				return ends[name]()
			})
			c := dial(t, serveApp(t, app))
			send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			if got, err := io.ReadAll(c); string(got) != "another protocol" || err != nil {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// The body of an inline handler lies in the connection's buffer, which others have by the time of an Async answer.
func TestBodyReaderForAsync(t *testing.T) {
	app, asked, goOn := New(), make(chan struct{}), make(chan struct{})
	app.Post("/", func(c *Ctx) error {
		body := c.BodyReader()
		a, err := c.Async()
		if err != nil {
			return err
		}
		go func() {
			close(asked)
			<-goOn
			_ = a.Answer(func(c *Ctx) error {
				p, err := io.ReadAll(body)
				if err != nil {
					return err
				}
				return c.Blob(200, "text/plain", p)
			})
		}()
		return nil
	}, Inline)
	app.Get("/", func(c *Ctx) error { return c.NoContent(204) }, Inline)
	url := "http://" + serveApp(t, app)
	const body = "what the client has sent"
	done := make(chan string, 1)
	go func() {
		_, got := fetch(t, client(t), "POST", url, body)
		done <- got
	}()
	<-asked
	fetch(t, client(t), "GET", url, "") // has the buffer reused
	close(goOn)
	if got := <-done; got != body {
		t.Errorf("read %q", got)
	}
}

func TestBodyReaderDoesNotHoldALoop(t *testing.T) {
	app, read := New(), make(chan error, 1)
	app.Post("/", func(c *Ctx) error {
		a, err := c.Async()
		if err != nil {
			return err
		}
		return c.Loop().QueueInLoop(func() {
			_ = a.Answer(func(c *Ctx) error {
				_, err := io.ReadAll(c.BodyReader())
				read <- err
				return err
			})
		})
	}, StreamBody)
	c := dial(t, serveApp(t, app))
	send(t, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
	select {
	case err := <-read:
		if !errors.Is(err, reactor.ErrOnLoop) {
			t.Errorf("read: %v, want ErrOnLoop", err)
		}
	case <-time.After(patience):
		t.Fatal("the loop waits for its own client")
	}
	c.Close()
}

// A body that no route wants is not asked for.
func TestNotFoundDoesNotAskForTheBody(t *testing.T) {
	app := New()
	app.Get("/get", func(c *Ctx) error { return nil })
	addr := serveApp(t, app)
	for path, want := range map[string]string{"/none": "HTTP/1.1 404 ", "/get": "HTTP/1.1 405 "} {
		c := dial(t, addr)
		send(t, c, "POST "+path+" HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\nExpect: 100-continue\r\n\r\n")
		got := make([]byte, len(want))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
}

// A value with a line end, which a middleware may have decoded out of a query, is no further header line.
func TestHeaderOfMiddlewareIsNoOtherHeader(t *testing.T) {
	app := New()
	app.Use(WrapMiddleware(func(h nethttp.Handler) nethttp.Handler {
		return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			r.Header.Set("X-Name", r.URL.Query().Get("name"))
			h.ServeHTTP(w, r)
		})
	}))
	app.Get("/", func(c *Ctx) error { return c.Text(200, "user "+c.Header("X-User")) })
	for target, want := range map[string]int{"/?name=a": 200, "/?name=a%0d%0aX-User:%20root": 400, "/?name=a%0aX-User:%20root": 400} {
		res, err := app.Test(httptest.NewRequest("GET", target, nil))
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != want {
			body, _ := io.ReadAll(res.Body)
			t.Errorf("%s: %d %s", target, res.StatusCode, body)
		}
	}
}

func TestTestWithoutAHost(t *testing.T) {
	app := New()
	app.Get("/", func(c *Ctx) error { return c.Text(200, c.Host()) })
	r, err := nethttp.NewRequest("GET", "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := app.Test(r)
	if err != nil || res.StatusCode != 200 || r.Host != "" {
		t.Errorf("%v, %v; the request's host is %q", res, err, r.Host)
	}
}

// An exchange that serves another request has nothing left of the trailers of the one before.
func TestTrailersAreOfThisRequest(t *testing.T) {
	for name, opts := range map[string][]RouteOption{"inline": {Inline}, "on a goroutine": nil} {
		t.Run(name, func(t *testing.T) {
			app := New()
			app.Server.Loops = 1
			app.Post("/", func(c *Ctx) error {
				if _, err := c.PeekBody(); err != nil {
					return err
				}
				text := "trailers:"
				for name, value := range c.Trailers() {
					text += " " + name + "=" + value
				}
				return c.Text(200, text)
			}, opts...)
			app.Post("/net", WrapFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
				_, err := io.ReadAll(r.Body)
				_, _ = fmt.Fprintf(w, "trailers: %d, %v", len(r.Trailer), err)
			}), opts...)
			c := dial(t, serveApp(t, app))
			in := bufio.NewReader(c)
			for _, step := range []struct{ path, framing, want string }{
				{"/", "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Secret: 1\r\n\r\n", "trailers: X-Secret=1"},
				{"/", "Content-Length: 1\r\n\r\na", "trailers:"},
				{"/", "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Secret: 1\r\n\r\n", "trailers: X-Secret=1"},
				{"/net", "Content-Length: 1\r\n\r\na", "trailers: 0, <nil>"},
			} {
				send(t, c, "POST "+step.path+" HTTP/1.1\r\nHost: a\r\n"+step.framing)
				if _, got := answer(t, in, "POST"); got != step.want {
					t.Errorf("%s %.18q: %q, want %q", step.path, step.framing, got, step.want)
				}
			}
		})
	}
}
