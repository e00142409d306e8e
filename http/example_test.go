package http_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"strings"
	"time"

	"github.com/carillon-go/carillon/http"
)

// start serves h on a free port and returns its URL and what stops it.
func start(h http.Handler) (url string, stop func()) {
	s := &http.Server{Handler: h}
	addr, err := s.Listen("127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	if err := s.Start(); err != nil {
		panic(err)
	}
	return "http://" + addr.String(), func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			panic(err)
		}
	}
}

// fetch makes one request and prints its answer.
func fetch(method, url, body string) {
	transport := &nethttp.Transport{DisableKeepAlives: true}
	req, err := nethttp.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		panic(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%d %s\n", res.StatusCode, strings.TrimSpace(string(text)))
}

func Example() {
	url, stop := start(func(c *http.Ctx) error {
		return c.Text(200, "Hello, "+c.Path())
	})
	defer stop()
	fetch("GET", url+"/w%C3%B6rld", "")
	// Output: 200 Hello, /wörld
}

// An error that a handler returns is its answer. Only an Error's Detail reaches the client.
func ExampleNewError() {
	errTaken := errors.New("row 7 exists")
	url, stop := start(func(c *http.Ctx) error {
		switch c.Method() {
		case "POST":
			return fmt.Errorf("create user: %w", &http.Error{Code: 409, Detail: "that name is taken", Err: errTaken})
		case "GET":
			return c.Text(200, "a user")
		}
		return errors.Join(c.SetHeader("Allow", "GET, POST"), http.NewError(405, ""))
	})
	defer stop()
	fetch("GET", url, "")
	fetch("POST", url, "name=ada")
	fetch("DELETE", url, "")
	// Output:
	// 200 a user
	// 409 409 Conflict: that name is taken
	// 405 405 Method Not Allowed
}

// A Middleware is a function from Handler to Handler.
func ExampleMiddleware() {
	key := func(want string) http.Middleware {
		return func(next http.Handler) http.Handler {
			return func(c *http.Ctx) error {
				if c.RawQuery() != "key="+want {
					return http.NewError(403, "")
				}
				return next(c)
			}
		}
	}
	url, stop := start(key("sesame")(func(c *http.Ctx) error {
		body, err := c.PeekBody()
		if err != nil {
			return err
		}
		return c.Blob(200, "application/octet-stream", body)
	}))
	defer stop()
	fetch("POST", url+"/?key=guess", "treasure")
	fetch("POST", url+"/?key=sesame", "treasure")
	// Output:
	// 403 403 Forbidden
	// 200 treasure
}
