package http

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// A part of an answer is not taken for the whole because its handler has not looked at the error of a Write.
func TestWritesThatFailTearTheAnswer(t *testing.T) {
	big, givenUp := make([]byte, 16<<20), make(chan struct{}, 1)
	app := quiet(New())
	app.Get("/deadline", WrapFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		_ = nethttp.NewResponseController(w).SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		_, _ = w.Write(big)
		givenUp <- struct{}{}
	}))
	app.Get("/loop", func(c *Ctx) error {
		return c.Stream(200, "x/y", func(s *Stream) error {
			for range 100 {
				_, _ = s.Write(big[:100<<10])
			}
			givenUp <- struct{}{}
			return nil
		})
	}, Inline)
	addr := serveApp(t, app)
	for _, path := range []string{"/deadline", "/loop"} {
		c := dial(t, addr)
		send(t, c, "GET "+path+" HTTP/1.1\r\nHost: h\r\n\r\n")
		<-givenUp
		res, err := nethttp.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, res.Body); err == nil {
			t.Errorf("%s: %d bytes were taken for all", path, n)
		}
	}
}

type loud struct{}

func (loud) Whole(c *Ctx, body []byte) ([]byte, error) {
	switch string(body) {
	case "fail":
		_ = c.SetHeader("Content-Encoding", "loud")
		return nil, &Error{Code: 418}
	case "nothing":
		c.SetStatus(204)
		return nil, nil
	}
	_ = c.SetHeader("X-Status", fmt.Sprint(c.StatusCode()))
	return []byte(strings.ToUpper(string(body))), nil
}

func (loud) Stream(c *Ctx, next io.Writer) FilterWriter {
	if c.ResponseHeader("X-Plain") != "" {
		return nil
	}
	return &loudWriter{next: next}
}

// loudWriter keeps everything back until it is flushed or closed.
type loudWriter struct {
	next io.Writer
	kept []byte
}

func (w *loudWriter) Write(p []byte) (int, error) { w.kept = append(w.kept, p...); return len(p), nil }

func (w *loudWriter) Flush() error {
	_, err := io.WriteString(w.next, strings.ToUpper(string(w.kept)))
	w.kept = w.kept[:0]
	return err
}

func (w *loudWriter) Close() error {
	if strings.HasSuffix(string(w.kept), "fail") {
		return errors.New("no end")
	}
	w.kept = append(w.kept, '.')
	return w.Flush()
}

type exclaim struct{}

func (exclaim) Whole(_ *Ctx, body []byte) ([]byte, error) {
	return append(append([]byte(nil), body...), '!'), nil
}
func (exclaim) Stream(_ *Ctx, next io.Writer) FilterWriter { return &exclaimWriter{next} }

type exclaimWriter struct{ io.Writer }

func (exclaimWriter) Flush() error   { return nil }
func (w exclaimWriter) Close() error { _, err := io.WriteString(w, "!"); return err }

// Filters see what is answered in one piece and as a stream, the one added last first, and what has no body not at all.
func TestFilters(t *testing.T) {
	onBoth(t, func() *App {
		app := quiet(New())
		app.Use(func(next Handler) Handler {
			return func(c *Ctx) error { c.AddFilter(exclaim{}); c.AddFilter(loud{}); return next(c) }
		})
		say := func(text string) Handler { return func(c *Ctx) error { return c.Text(201, text) } }
		app.Get("/whole", say("whole"))
		app.Get("/fail", say("fail"))
		app.Get("/nothing", say("nothing"))
		app.Get("/empty", func(c *Ctx) error { return c.NoContent(204) })
		app.Get("/silent", func(c *Ctx) error { return nil })
		app.Get("/error", func(c *Ctx) error { return NewError(404, "x") })
		stream := func(text, header string) Handler {
			return func(c *Ctx) error {
				if header != "" {
					_ = c.SetHeader(header, "1")
				}
				return c.Stream(200, "text/plain", func(s *Stream) error {
					for part := range strings.SplitAfterSeq(text, " ") {
						if _, err := s.WriteString(part); err != nil {
							return err
						}
						if strings.HasSuffix(part, " ") {
							if err := s.Flush(); err != nil {
								return err
							}
						}
					}
					return nil
				})
			}
		}
		app.Get("/stream", stream("one two three", ""))
		app.Get("/plain", stream("one two three", "X-Plain"))
		app.Get("/torn", stream("one fail", ""))
		app.Get("/net", WrapFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			for range 2 {
				fmt.Fprint(w, "net ")
				w.(nethttp.Flusher).Flush()
			}
		}))
		app.Get("/net/small", WrapFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) { fmt.Fprint(w, "net") }))
		return app
	}, func(t *testing.T, url string) {
		c := client(t)
		for _, tc := range []struct {
			method, path string
			code         int
			body         string
			length       int64
		}{
			{"GET", "/whole", 201, "WHOLE!", 6}, {"HEAD", "/whole", 201, "", 6},
			{"GET", "/fail", 418, `{"status":418,"title":""}`, 25},
			{"GET", "/nothing", 204, "", 0}, {"GET", "/empty", 204, "", 0}, {"GET", "/silent", 200, "!", 1},
			{"GET", "/error", 404, `{"DETAIL":"X","STATUS":404,"TITLE":"NOT FOUND"}!`, 48},
			{"GET", "/stream", 200, "ONE TWO THREE.!", -1}, {"GET", "/plain", 200, "one two three!", -1},
			{"GET", "/net", 200, "NET NET .!", -1}, {"GET", "/net/small", 200, "NET!", 4},
		} {
			res, body := fetch(t, c, tc.method, url+tc.path, "")
			if res.StatusCode != tc.code || body != tc.body || res.ContentLength != tc.length || res.Header.Get("Content-Encoding") != "" {
				t.Errorf("%s %s: %d %q, length %d, want %+v", tc.method, tc.path, res.StatusCode, body, res.ContentLength, tc)
			}
		}
		res, err := c.Get(url + "/torn")
		if err == nil {
			var body []byte
			if body, err = io.ReadAll(res.Body); err == nil {
				t.Errorf("torn: %q", body)
			}
			res.Body.Close()
		}
	})
}

// Shutdown ends event streams also where a middleware of net/http stands in front, answers what is in flight with
// Connection: close, and cuts a stream that does not end.
func TestShutdownOfHandlersAtWork(t *testing.T) {
	plain := WrapMiddleware(func(next nethttp.Handler) nethttp.Handler { return next })
	entered, release, cut := make(chan string, 8), make(chan struct{}), make(chan error, 1)
	app := quiet(New())
	events := func(c *Ctx) error {
		return c.SSE(func(s *EventStream) error {
			if err := s.Send(Event{Data: "x"}); err != nil {
				return err
			}
			entered <- "events"
			<-c.Done()
			return c.Err()
		})
	}
	app.Get("/events", events)
	app.Get("/events/wrapped", events, With(plain, plain))
	app.Get("/slow", func(c *Ctx) error { entered <- "slow"; <-release; return c.Text(200, "done") })
	app.Get("/endless", func(c *Ctx) error {
		return c.Stream(200, "x/y", func(s *Stream) error {
			entered <- "endless"
			for {
				if _, err := s.Write(make([]byte, 1<<20)); err != nil {
					cut <- err
					return err
				}
			}
		})
	})
	addr := serveApp(t, app)
	start := func(path string) (*bufio.Reader, func()) {
		c := dial(t, addr)
		send(t, c, "GET "+path+" HTTP/1.1\r\nHost: h\r\n\r\n")
		<-entered
		return bufio.NewReader(c), func() { c.Close() }
	}
	one, _ := start("/events")
	two, _ := start("/events/wrapped")
	slow, _ := start("/slow")
	_, closeEndless := start("/endless")
	defer closeEndless()
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { done <- app.Shutdown(ctx) }()
	for i, r := range []*bufio.Reader{one, two} {
		if _, body := answer(t, r, "GET"); body != "data: x\n\n" {
			t.Errorf("stream %d: %q", i, body)
		}
		closes(t, r)
	}
	close(release)
	if res, body := answer(t, slow, "GET"); body != "done" || !res.Close {
		t.Errorf("%q, close %v", body, res.Close)
	}
	closes(t, slow)
	cancel()
	if err := <-cut; !errors.Is(err, ErrClientGone) {
		t.Errorf("the endless stream: %v", err)
	}
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
}

// HEAD of an event stream has an end.
func TestHeadOfEventStream(t *testing.T) {
	app := New()
	app.Get("/events", func(c *Ctx) error {
		return c.SSE(func(s *EventStream) error { <-c.Done(); return c.Err() })
	})
	c := dial(t, serveApp(t, app))
	r := bufio.NewReader(c)
	for range 2 {
		send(t, c, "HEAD /events HTTP/1.1\r\nHost: h\r\n\r\n")
		if res, _ := answer(t, r, "HEAD"); res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("%v", res)
		}
	}
}

// An upgrade passes a middleware of net/http by.
func TestUpgradeBehindMiddlewareOfNetHTTP(t *testing.T) {
	plain := WrapMiddleware(func(next nethttp.Handler) nethttp.Handler {
		return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) { next.ServeHTTP(w, r) })
	})
	app := New()
	app.Use(plain, plain)
	app.Get("/up", func(c *Ctx) error {
		_ = c.SetHeader("Upgrade", "echo")
		_ = c.SetHeader("Connection", "upgrade")
		if err := c.NoContent(101); err != nil {
			return err
		}
		return c.Upgrade(func(tcp *reactor.TcpConnection) {
			tcp.SetCallbacks(&reactor.Callbacks{Message: func(tcp *reactor.TcpConnection, in *reactor.Buffer) {
				_ = tcp.Send(in.Peek())
				in.RetrieveAll()
			}})
		})
	})
	c := dial(t, serveApp(t, app))
	r := bufio.NewReader(c)
	send(t, c, "GET /up HTTP/1.1\r\nHost: h\r\n\r\necho")
	res, err := nethttp.ReadResponse(r, nil)
	if err != nil || res.StatusCode != 101 || res.Header.Get("Upgrade") != "echo" {
		t.Fatalf("%v, %v", res, err)
	}
	b := make([]byte, 4)
	if _, err := io.ReadFull(r, b); err != nil || string(b) != "echo" {
		t.Errorf("%q, %v", b, err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	closes(t, r)
}
