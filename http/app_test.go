package http

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon/reactor"
)

// serveApp starts app and returns its address.
func serveApp(t testing.TB, app *App) string {
	t.Helper()
	app.prepare()
	return serve(t, &app.Server)
}

// onBoth runs check against app on the reactor, and as a handler of net/http.
func onBoth(t *testing.T, makeApp func() *App, check func(t *testing.T, url string)) {
	t.Run("reactor", func(t *testing.T) {
		check(t, "http://"+serveApp(t, makeApp()))
	})
	t.Run("net/http", func(t *testing.T) {
		s := httptest.NewServer(makeApp())
		defer s.Close()
		check(t, s.URL)
	})
}

// client is one whose connections end with the test.
func client(t testing.TB) *nethttp.Client {
	tr := &nethttp.Transport{DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &nethttp.Client{Transport: tr, Timeout: patience, CheckRedirect: func(*nethttp.Request, []*nethttp.Request) error {
		return nethttp.ErrUseLastResponse
	}}
}

// fetch makes one request and returns its answer with the whole body.
func fetch(t testing.TB, c *nethttp.Client, method, url, body string) (*nethttp.Response, string) {
	t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := nethttp.NewRequest(method, url, r)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, c, req)
}

// do is fetch of a request that has more in it.
func do(t testing.TB, c *nethttp.Client, req *nethttp.Request) (*nethttp.Response, string) {
	t.Helper()
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// routed is an App whose routes say what they are.
func routed() *App {
	app := New()
	say := func(what string) Handler {
		return func(c *Ctx) error {
			return c.Text(200, fmt.Sprintf("%s %s %s", what, c.Path(), must(c.PeekBody())))
		}
	}
	app.Get("/{$}", say("home"))
	app.Get("/inline", say("inline"), Inline)
	app.Get("/users/{id}", func(c *Ctx) error { return c.Text(200, "user "+c.Param("id")) })
	app.Post("/users", say("create"))
	app.Delete("/users/{id}", func(c *Ctx) error { return c.NoContent(204) })
	app.Get("/tree/", say("tree"))
	api := app.Group("/api/{version}")
	api.Get("/items/{rest...}", func(c *Ctx) error { return c.Text(200, c.Param("version")+" "+c.Param("rest")) })
	app.Mount("/files", say("file"))
	app.Get("/fail", func(c *Ctx) error {
		return &Error{Code: 418, Detail: "short and stout", Members: map[string]any{"spout": true}}
	})
	app.Get("/crash", func(c *Ctx) error { return errors.New("secret") })
	app.Get("/panic", func(c *Ctx) error { panic("on request") })
	app.Post("/small", say("small"), MaxBody(4))
	app.Any("/any", say("any"))
	return app
}

func TestAppRoutes(t *testing.T) {
	onBoth(t, routed, func(t *testing.T, url string) {
		c := client(t)
		for _, tc := range []struct {
			method, path, body string
			code               int
			want               string
			header, value      string
		}{
			{method: "GET", path: "/", code: 200, want: "home / "},
			{method: "GET", path: "/inline", code: 200, want: "inline /inline "},
			{method: "HEAD", path: "/inline", code: 200, header: "Content-Length", value: "15"},
			{method: "GET", path: "/users/ada%20l", code: 200, want: "user ada l"},
			{method: "POST", path: "/users", body: "name=x", code: 200, want: "create /users name=x"},
			{method: "DELETE", path: "/users/1", code: 204},
			{method: "PUT", path: "/users/1", code: 405, header: "Allow", value: "DELETE, GET, HEAD, OPTIONS"},
			{method: "OPTIONS", path: "/users/1", code: 204, header: "Allow", value: "DELETE, GET, HEAD, OPTIONS"},
			{method: "GET", path: "/nowhere", code: 404, want: `{"status":404,"title":"Not Found"}`, header: "Content-Type", value: "application/problem+json"},
			{method: "GET", path: "/tree", code: 308, header: "Location", value: "/tree/"},
			{method: "GET", path: "/tree?x=%20y", code: 308, header: "Location", value: "/tree/?x=%20y"},
			{method: "GET", path: "/tree/%2e%2e/inline", code: 308, header: "Location", value: "/inline"},
			{method: "GET", path: "/tree/..%2finline", code: 308, header: "Location", value: "/inline"},
			{method: "GET", path: "//evil.example/..", code: 308, header: "Location", value: "/"},
			{method: "GET", path: "/tree//a", code: 308, header: "Location", value: "/tree/a"},
			{method: "GET", path: "/tree/a%5Cb", code: 200, want: "tree /tree/a\\b "},
			{method: "GET", path: "/api/v1/items/a/b", code: 200, want: "v1 a/b"},
			{method: "GET", path: "/files/a/b", code: 200, want: "file /a/b "},
			{method: "GET", path: "/files", code: 308, header: "Location", value: "/files/"},
			{method: "PATCH", path: "/files/", code: 200, want: "file / "},
			{method: "GET", path: "/fail", code: 418, want: `{"detail":"short and stout","spout":true,"status":418,"title":""}`},
			{method: "GET", path: "/crash", code: 500, want: `{"status":500,"title":"Internal Server Error"}`},
			{method: "GET", path: "/panic", code: 500, want: `{"status":500,"title":"Internal Server Error"}`},
			{method: "POST", path: "/small", body: "1234", code: 200, want: "small /small 1234"},
			{method: "POST", path: "/small", body: "12345", code: 413, want: `{"detail":"request body too large","status":413,"title":"Content Too Large"}`},
			{method: "TRACE", path: "/any", code: 200, want: "any /any "},
		} {
			res, body := fetch(t, c, tc.method, url+tc.path, tc.body)
			if res.StatusCode != tc.code || tc.want != "" && body != tc.want || tc.header != "" && res.Header.Get(tc.header) != tc.value {
				t.Errorf("%s %s: %d %q %v, want %d %q %s: %s", tc.method, tc.path, res.StatusCode, body, res.Header, tc.code, tc.want, tc.header, tc.value)
			}
		}
	})
}

// INPUTS, paths: middleware sees the path that a rule is about, also where a mount takes its beginning off for the handler.
func TestMiddlewareSeesTheWholePath(t *testing.T) {
	onBoth(t, func() *App {
		app := New()
		app.Use(func(next Handler) Handler {
			return func(c *Ctx) error {
				if strings.HasPrefix(c.Path(), "/admin/") {
					return NewError(403, "")
				}
				return next(c)
			}
		})
		app.Mount("/admin", func(c *Ctx) error { return c.Text(200, "secret "+c.Path()) })
		app.Mount("/open", func(c *Ctx) error { return c.Text(200, "open "+c.Path()) })
		return app
	}, func(t *testing.T, url string) {
		c := client(t)
		for path, code := range map[string]int{
			"/admin/x": 403, "/admin%2Fx": 403, "/%61dmin/x": 403, "/open/x": 200, "/open/../admin/x": 308, "//admin/x": 308,
		} {
			if res, body := fetch(t, c, "GET", url+path, ""); res.StatusCode != code || code == 200 && body != "open /x" {
				t.Errorf("%s: %d %q, want %d", path, res.StatusCode, body, code)
			}
		}
	})
}

// A body over the limit is refused before it is read, and behind the route's middleware: that has the first word, and sees it.
func TestTooLargeBodyBehindMiddleware(t *testing.T) {
	const limit = 1000
	onBoth(t, func() *App {
		app := New()
		app.Use(func(next Handler) Handler {
			return func(c *Ctx) error {
				if err := c.SetHeader("X-Seen", "yes"); err != nil {
					return err
				}
				if c.Header("Authorization") == "" {
					return NewError(401, "")
				}
				return next(c)
			}
		})
		for _, opts := range [][]RouteOption{nil, {Inline}, {StreamBody}} {
			app.Post(fmt.Sprintf("/%d", len(app.Routes())), func(c *Ctx) error {
				t.Error("the handler ran")
				return nil
			}, append(opts, MaxBody(limit))...)
		}
		return app
	}, func(t *testing.T, url string) {
		for i := range 3 {
			for key, code := range map[string]int{"": 401, "sesame": 413} {
				req, err := nethttp.NewRequest("POST", fmt.Sprintf("%s/%d", url, i), strings.NewReader(strings.Repeat("x", limit+1)))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Authorization", key)
				if res, body := do(t, client(t), req); res.StatusCode != code || res.Header.Get("X-Seen") != "yes" {
					t.Errorf("route %d, key %q: %d %q %v", i, key, res.StatusCode, body, res.Header)
				}
			}
		}
	})
}

// What is noted of a request is in the records about it.
func TestNote(t *testing.T) {
	var log lockedBuffer
	app := New()
	app.Server.Logger = slog.New(slog.NewTextHandler(&log, nil))
	app.Use(func(next Handler) Handler {
		return func(c *Ctx) error {
			c.Note(slog.String("request_id", "r"+c.RawQuery()))
			return next(c)
		}
	}, WrapMiddleware(func(next nethttp.Handler) nethttp.Handler { return next }))
	app.Get("/fails", func(*Ctx) error { return errors.New("no row") })
	app.Get("/panics", func(*Ctx) error { panic("no row") })
	addr := serveApp(t, app)
	c := client(t)
	for i, path := range []string{"/fails", "/panics"} {
		fetch(t, c, "GET", fmt.Sprintf("http://%s%s?%d", addr, path, i), "")
		if want := fmt.Sprintf("path=%s ", path); !strings.Contains(log.String(), want) || !strings.Contains(log.String(), fmt.Sprintf("request_id=r%d", i)) {
			t.Errorf("%s: %s", path, log.String())
		}
	}
}

func TestStream(t *testing.T) {
	onBoth(t, func() *App {
		app := New()
		app.Get("/count", func(c *Ctx) error {
			return c.Stream(200, "text/plain", func(s *Stream) error {
				for i := range 5000 {
					if _, err := fmt.Fprintf(s, "%d\n", i); err != nil {
						return err
					}
				}
				return c.SetTrailer("X-Sum", "5000")
			})
		})
		app.Get("/torn", func(c *Ctx) error {
			return c.Stream(200, "text/plain", func(s *Stream) error {
				if _, err := s.WriteString("part"); err != nil {
					return err
				}
				if err := s.Flush(); err != nil {
					return err
				}
				return errors.New("the rest is lost")
			})
		})
		app.Post("/echo", func(c *Ctx) error {
			return c.Stream(200, "application/octet-stream", func(s *Stream) error {
				_, err := io.Copy(s, c.BodyReader())
				return err
			})
		}, StreamBody, MaxBody(1<<30))
		return app
	}, func(t *testing.T, url string) {
		c := client(t)
		res, body := fetch(t, c, "GET", url+"/count", "")
		if lines := strings.Count(body, "\n"); lines != 5000 || res.Trailer.Get("X-Sum") != "5000" || res.ContentLength != -1 {
			t.Errorf("%d lines, trailer %v, length %d", lines, res.Trailer, res.ContentLength)
		}
		big := strings.Repeat("0123456789abcdef", 1<<16)
		if _, body := fetch(t, c, "POST", url+"/echo", big); body != big {
			t.Errorf("%d bytes came back of %d", len(body), len(big))
		}
		torn, err := c.Get(url + "/torn")
		if err != nil {
			t.Fatal(err)
		}
		defer torn.Body.Close()
		if text, err := io.ReadAll(torn.Body); err == nil {
			t.Errorf("a part was taken for the whole: %q", text)
		}
	})
}

func TestServerSentEvents(t *testing.T) {
	ended := make(chan error, 2)
	onBoth(t, func() *App {
		app := New()
		app.Get("/events", func(c *Ctx) error {
			return c.SSE(func(s *EventStream) error {
				if err := s.Send(Event{ID: "7", Name: "tick", Data: "a\r\nb", Retry: time.Second}); err != nil {
					return err
				}
				if err := s.Send(Event{Name: "a\nb"}); !errors.Is(err, ErrBadHeader) {
					t.Errorf("sent an event with a line end in its name: %v", err)
				}
				<-c.Done()
				ended <- c.Err()
				return c.Err()
			})
		})
		return app
	}, func(t *testing.T, url string) {
		res, err := client(t).Get(url + "/events")
		if err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(res.Body)
		for _, want := range []string{"id: 7", "event: tick", "retry: 1000", "data: a", "data: b", ""} {
			if line, err := r.ReadString('\n'); err != nil || line != want+"\n" {
				t.Fatalf("%q, %v, want %q", line, err, want)
			}
		}
		res.Body.Close()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// RFC 9110 section 10.1.1: a client that waits for 100 Continue is asked for its body when the handler reads it, and not
// otherwise.
func TestHandlerAsksForBody(t *testing.T) {
	app := New()
	app.Post("/read", func(c *Ctx) error {
		body, err := c.Body()
		if err != nil {
			return err
		}
		return c.Text(200, "read "+string(body))
	})
	app.Post("/refuse", func(c *Ctx) error { return NewError(403, "not you") })
	addr := serveApp(t, app)

	c := dial(t, addr)
	r := bufio.NewReader(c)
	send(t, c, "POST /read HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
	if line, err := r.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("%q, %v", line, err)
	}
	r.ReadString('\n')
	send(t, c, "ok"+"GET /good HTTP/1.1\r\nHost: h\r\n\r\n")
	if res, body := answer(t, r, "POST"); res.StatusCode != 200 || body != "read ok" || res.Close {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	if res, _ := answer(t, r, "GET"); res.StatusCode != 404 {
		t.Errorf("behind it: %d", res.StatusCode)
	}
	send(t, c, "POST /refuse HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
	if res, _ := answer(t, r, "POST"); res.StatusCode != 403 || !res.Close {
		t.Errorf("%d, close %v", res.StatusCode, res.Close)
	}
	closes(t, r)
}

func TestClientLeavesWhileHandlerWaits(t *testing.T) {
	entered, cause := make(chan struct{}), make(chan error, 1)
	app := New()
	app.Get("/wait", func(c *Ctx) error {
		close(entered)
		<-c.Done()
		cause <- context.Cause(c)
		return nil
	})
	c := dial(t, serveApp(t, app))
	send(t, c, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n")
	<-entered
	c.Close()
	if err := <-cause; !errors.Is(err, ErrClientGone) {
		t.Error(err)
	}
}

func TestAsync(t *testing.T) {
	onBoth(t, func() *App {
		app := New()
		answer := func(c *Ctx) error {
			a, err := c.Async()
			if err != nil {
				return err
			}
			go func() {
				if err := a.Answer(func(c *Ctx) error { return c.Text(200, "later "+c.Path()) }); err != nil {
					t.Error(err)
				}
				if err := a.Answer(func(c *Ctx) error { return c.Text(200, "twice") }); err == nil {
					t.Error("answered twice")
				}
			}()
			return nil
		}
		app.Get("/inline", answer, Inline)
		app.Get("/offloaded", answer)
		return app
	}, func(t *testing.T, url string) {
		c := client(t)
		for range 20 {
			for _, path := range []string{"/inline", "/offloaded"} {
				if res, body := fetch(t, c, "GET", url+path, ""); res.StatusCode != 200 || body != "later "+path {
					t.Fatalf("%d %q", res.StatusCode, body)
				}
			}
		}
	})
}

func TestWrappedHandlers(t *testing.T) {
	onBoth(t, func() *App {
		app := New()
		type key struct{}
		app.Use(WrapMiddleware(func(next nethttp.Handler) nethttp.Handler {
			return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
				w.Header().Set("X-Middleware", "seen")
				next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, "value")))
			})
		}))
		app.Get("/native/{id}", func(c *Ctx) error {
			v, _ := Get[string](c, key{})
			return c.Text(200, v+" "+c.Param("id"))
		})
		app.Handle("POST /net/{id}", nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			w.Header().Set("X-Value", r.Context().Value(key{}).(string))
			w.Header().Set("X-Evil", "a\r\nSet-Cookie: b")
			fmt.Fprintf(w, "%s %s %s %s", r.Method, r.URL.Path, r.PathValue("id"), body)
		}))
		app.Handle("/big", nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			w.Header().Set("Trailer", "X-Sum")
			for range 100 {
				fmt.Fprint(w, strings.Repeat("x", 1000))
			}
			w.Header().Set("X-Sum", "100000")
			w.Header().Set(nethttp.TrailerPrefix+"X-Late", "yes")
		}))
		return app
	}, func(t *testing.T, url string) {
		c := client(t)
		if res, body := fetch(t, c, "GET", url+"/native/7", ""); body != "value 7" || res.Header.Get("X-Middleware") != "seen" {
			t.Errorf("%q %v", body, res.Header)
		}
		res, body := fetch(t, c, "POST", url+"/net/8", "hello")
		if body != "POST /net/8 8 hello" || res.Header.Get("X-Value") != "value" || res.Header.Get("X-Evil") != "a  Set-Cookie: b" ||
			res.Header.Get("Content-Type") != "text/plain; charset=utf-8" || res.ContentLength != int64(len(body)) {
			t.Errorf("%q %v", body, res.Header)
		}
		res, body = fetch(t, c, "GET", url+"/big", "")
		if len(body) != 100000 || res.Trailer.Get("X-Sum") != "100000" || res.Trailer.Get("X-Late") != "yes" {
			t.Errorf("%d bytes, trailers %v", len(body), res.Trailer)
		}
	})
}

// An upgrade passes by the ResponseWriter of a middleware of net/http, also of two.
func TestUpgradeBehindNetMiddleware(t *testing.T) {
	through := WrapMiddleware(func(next nethttp.Handler) nethttp.Handler {
		return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) { next.ServeHTTP(w, r) })
	})
	app := New()
	app.Use(through, through)
	app.Get("/up", func(c *Ctx) error {
		for _, line := range [][2]string{{"Connection", "Upgrade"}, {"Upgrade", "echo"}} {
			if err := c.SetHeader(line[0], line[1]); err != nil {
				return err
			}
		}
		if err := c.NoContent(101); err != nil {
			return err
		}
		return c.Upgrade(func(tcp *reactor.TcpConnection) {
			tcp.SetCallbacks(&reactor.Callbacks{Message: func(tcp *reactor.TcpConnection, in *reactor.Buffer) {
				_ = tcp.Send(in.Peek())
				in.RetrieveAll()
				tcp.Shutdown()
			}})
		})
	})
	c := dial(t, serveApp(t, app))
	send(t, c, "GET /up HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nbehind it")
	r := bufio.NewReader(c)
	res, _ := answer(t, r, "GET")
	if res.StatusCode != 101 || res.Header.Get("Upgrade") != "echo" {
		t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	if rest, err := io.ReadAll(r); err != nil || string(rest) != "behind it" {
		t.Errorf("%q, %v", rest, err)
	}
}

func TestAppInProcess(t *testing.T) {
	res, err := routed().Test(httptest.NewRequest("GET", "/users/7", nil))
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(res.Body); res.StatusCode != 200 || string(body) != "user 7" {
		t.Errorf("%d %q", res.StatusCode, body)
	}
}

// An App that New has not made says so, in place of a nil dereference.
func TestZeroAppSaysWhatToDo(t *testing.T) {
	for name, f := range map[string]func(app *App){
		"Get": func(app *App) { app.Get("/", echo) }, "Use": func(app *App) { app.Use() },
		"Group": func(app *App) { app.Group("/a") }, "Start": func(app *App) { _ = app.Start() },
		"ServeHTTP": func(app *App) { app.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)) },
		"Router":    func(*App) { new(Router).Get("/", echo) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if v := fmt.Sprint(recover()); !strings.Contains(v, "http.New()") {
					t.Errorf("panic: %s", v)
				}
			}()
			f(&App{})
		})
	}
}
