package http_test

import (
	"bufio"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/carillon-go/carillon/http"
)

// show prints what app answers to a request, without a socket.
func show(app *http.App, r *nethttp.Request) {
	res, err := app.Test(r)
	if err != nil {
		fmt.Println(err)
		return
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res.StatusCode, strings.TrimSpace(string(body)))
}

func ExampleApp() {
	app := http.New()
	app.Get("/users/{id}", func(c *http.Ctx) error {
		return c.Text(200, "user "+c.Param("id"))
	})
	app.Get("/ping", func(c *http.Ctx) error { return c.Text(200, "pong") }, http.Inline)

	// log.Fatal(app.Run(":8080")) serves it; here it answers in process.
	show(app, httptest.NewRequest("GET", "/users/7", nil))
	show(app, httptest.NewRequest("GET", "/ping", nil))
	show(app, httptest.NewRequest("DELETE", "/ping", nil))
	// Output:
	// 200 user 7
	// 200 pong
	// 405 {"status":405,"title":"Method Not Allowed"}
}

// A group has a prefix, and middleware around all of its routes.
func ExampleRouter_Group() {
	auth := func(next http.Handler) http.Handler {
		return func(c *http.Ctx) error {
			if subtle.ConstantTimeCompare(c.PeekHeader("Authorization"), []byte("Bearer sesame")) != 1 {
				return &http.Error{Code: 401, Detail: "the key, please", Header: map[string]string{"WWW-Authenticate": "Bearer"}}
			}
			return next(c)
		}
	}
	app := http.New()
	api := app.Group("/api/v1", auth)
	api.Get("/items/{id}", func(c *http.Ctx) error {
		return c.Text(200, `{"id":"`+c.Param("id")+`"}`)
	})

	show(app, httptest.NewRequest("GET", "/api/v1/items/7", nil))
	r := httptest.NewRequest("GET", "/api/v1/items/7", nil)
	r.Header.Set("Authorization", "Bearer sesame")
	show(app, r)
	// Output:
	// 401 {"detail":"the key, please","status":401,"title":"Unauthorized"}
	// 200 {"id":"7"}
}

// An error says what the client is told, and wraps what only the log is.
func ExampleError() {
	errNoRow := errors.New("no row with id 7 in users")
	app := http.New()
	app.Get("/users/7", func(c *http.Ctx) error {
		return fmt.Errorf("show a user: %w", &http.Error{
			Code: 404, Detail: "there is no such user", Err: errNoRow,
			Members: map[string]any{"user": 7},
		})
	})
	show(app, httptest.NewRequest("GET", "/users/7", nil))
	// Output:
	// 404 {"detail":"there is no such user","status":404,"title":"Not Found","user":7}
}

// An ErrorHandler decides how all errors look.
func ExampleServer_errorHandler() {
	app := http.New()
	app.Server.ErrorHandler = func(c *http.Ctx, e *http.Error) error {
		if strings.Contains(c.Header("Accept"), "text/html") {
			return c.Blob(e.Code, "text/html; charset=utf-8", []byte("<h1>Sorry</h1>"))
		}
		return http.ProblemErrors(c, e)
	}
	r := httptest.NewRequest("GET", "/nowhere", nil)
	r.Header.Set("Accept", "text/html")
	show(app, r)
	// Output:
	// 404 <h1>Sorry</h1>
}

// A route with StreamBody reads its body as it arrives, however large; here it reports the progress.
func ExampleStreamBody() {
	app := http.New()
	app.Put("/upload", func(c *http.Ctx) error {
		var got, shown int64
		buf := make([]byte, 64<<10)
		for {
			n, err := c.BodyReader().Read(buf)
			if got += int64(n); got*4/c.ContentLength() > shown { // a quarter more
				shown = got * 4 / c.ContentLength()
				fmt.Printf("%d %%\n", shown*25)
			}
			if err == io.EOF {
				return c.Text(201, fmt.Sprintf("%d bytes", got))
			}
			if err != nil {
				return err
			}
		}
	}, http.StreamBody, http.MaxBody(1<<30))

	show(app, httptest.NewRequest("PUT", "/upload", strings.NewReader(strings.Repeat("x", 1<<20))))
	// Output:
	// 25 %
	// 50 %
	// 75 %
	// 100 %
	// 201 1048576 bytes
}

// A clock that a browser's EventSource can listen to. It ends when the client leaves and when the server shuts down.
func ExampleCtx_SSE() {
	app := http.New()
	app.Get("/clock", func(c *http.Ctx) error {
		return c.SSE(func(s *http.EventStream) error {
			tick := time.NewTicker(time.Millisecond) // a second, in earnest
			defer tick.Stop()
			for {
				select {
				case now := <-tick.C:
					if err := s.Send(http.Event{Name: "tick", Data: now.Format(time.RFC3339)}); err != nil {
						return err
					}
				case <-c.Done():
					return c.Err()
				}
			}
		})
	})

	url, stop := run(app)
	defer stop()
	res, err := nethttp.Get(url + "/clock")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	line, _ := bufio.NewReader(res.Body).ReadString('\n')
	fmt.Println(res.Header.Get("Content-Type"), line)
	// Output:
	// text/event-stream event: tick
}

// run starts app on a free port and returns its URL and what stops it.
func run(app *http.App) (url string, stop func()) {
	addr, err := app.Listen("127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	if err := app.Start(); err != nil {
		panic(err)
	}
	return "http://" + addr.String(), func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := app.Shutdown(ctx); err != nil {
			panic(err)
		}
		nethttp.DefaultClient.CloseIdleConnections()
	}
}

// Shutdown lets requests end that have begun. Run does this when it is told to stop by a signal.
func ExampleApp_Shutdown() {
	begun, goOn := make(chan struct{}), make(chan struct{})
	app := http.New()
	app.Get("/slow", func(c *http.Ctx) error {
		close(begun)
		<-goOn
		return c.Text(200, "done all the same")
	})
	url, stop := run(app)

	var ended sync.WaitGroup
	ended.Go(func() { fetch("GET", url+"/slow", "") })
	<-begun
	ended.Go(stop)
	close(goOn)
	ended.Wait()
	// Output:
	// 200 done all the same
}

// Handlers and middleware of net/http serve beside our own.
func ExampleRouter_Handle() {
	app := http.New()
	app.Use(http.WrapMiddleware(func(next nethttp.Handler) nethttp.Handler {
		return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			w.Header().Set("X-Frame-Options", "DENY")
			next.ServeHTTP(w, r)
		})
	}))
	app.Handle("GET /old/{name}", nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		fmt.Fprintf(w, "net/http says hello to %s", r.PathValue("name"))
	}))
	app.Get("/new/{name}", func(c *http.Ctx) error { return c.Text(200, "so do we, "+c.Param("name")) })

	show(app, httptest.NewRequest("GET", "/old/ada", nil))
	show(app, httptest.NewRequest("GET", "/new/ada", nil))
	// Output:
	// 200 net/http says hello to ada
	// 200 so do we, ada
}

// Async is for answers that come from elsewhere, without a goroutine that waits for each.
func ExampleCtx_Async() {
	waiting := make(chan *http.Async, 1)
	app := http.New()
	app.Get("/next", func(c *http.Ctx) error {
		a, err := c.Async()
		if err != nil {
			return err
		}
		waiting <- a // and return: the connection waits
		return nil
	}, http.Inline)
	go func() {
		a := <-waiting
		if err := a.Answer(func(c *http.Ctx) error { return c.Text(200, "here it is") }); err != nil {
			fmt.Println(err)
		}
	}()
	show(app, httptest.NewRequest("GET", "/next", nil))
	// Output:
	// 200 here it is
}

// Routes lists what is served, for debugging.
func ExampleApp_Routes() {
	app := http.New()
	api := app.Group("/api")
	api.Get("/users/{id}", func(c *http.Ctx) error { return nil })
	api.Post("/files", func(c *http.Ctx) error { return nil }, http.StreamBody, http.MaxBody(1<<30))
	for _, r := range app.Routes() {
		fmt.Println(r.Pattern())
	}
	// Output:
	// GET /api/users/{id}
	// POST /api/files
}
