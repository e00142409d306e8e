package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
)

func TestTimeout(t *testing.T) {
	wait := func(c *http.Ctx) error {
		<-c.Done()
		return fmt.Errorf("the database: %w", c.Err())
	}
	onBoth(t, func() *http.App {
		app := http.New()
		app.Use(middleware.Timeout(10 * time.Millisecond))
		app.Get("/waits", wait)
		app.Get("/answers", func(c *http.Ctx) error {
			<-c.Done()
			return errors.Join(c.Text(200, "late, but there"), c.Err())
		})
		app.Get("/own", func(c *http.Ctx) error { return &http.Error{Code: 504, Err: wait(c)} })
		app.Get("/ignores", func(c *http.Ctx) error {
			<-c.Done()
			return c.Text(200, "never looked")
		})
		app.Get("/other", func(c *http.Ctx) error {
			<-c.Done()
			return http.NewError(409, "")
		})
		app.Get("/quick", func(c *http.Ctx) error { return c.Text(200, "quick") })
		app.Get("/longer", wait, http.With(middleware.Timeout(time.Hour)))
		return app
	}, func(t *testing.T, url string) {
		for path, want := range map[string]int{
			"/waits": 503, "/answers": 200, "/own": 504, "/ignores": 200, "/other": 409, "/quick": 200, "/longer": 503,
		} {
			res, body := do(t, request(t, "GET", url+path, ""))
			if res.StatusCode != want || res.Header.Get("Retry-After") != "" {
				t.Errorf("%s: %d %q %v, want %d", path, res.StatusCode, body, res.Header, want)
			}
		}
	})
}

func ExampleTimeout() {
	app := http.New()
	app.Server.Logger = slog.New(slog.DiscardHandler)
	app.Get("/report", func(c *http.Ctx) error {
		return slowQuery(c) // takes a context, and returns its error
	}, http.With(middleware.Timeout(time.Millisecond)))

	res, err := app.Test(httptest.NewRequest("GET", "/report", nil))
	if err != nil {
		panic(err)
	}
	body, _ := io.ReadAll(res.Body)
	fmt.Printf("%s\n", body)
	// Output: {"detail":"the request took too long","status":503,"title":"Service Unavailable"}
}

func slowQuery(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}
