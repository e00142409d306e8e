package middleware_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	nethttp "net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
)

type healthBody struct {
	Status string
	Checks []struct {
		Name, Status, Detail string
		Milliseconds         *float64
	}
}

// short is the body without its times: "fail db=fail(timed out) disk=ok".
func short(t testing.TB, body string) string {
	t.Helper()
	var b healthBody
	if err := json.Unmarshal([]byte(body), &b); err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	s := b.Status
	for _, check := range b.Checks {
		if check.Milliseconds == nil || *check.Milliseconds < 0 {
			t.Errorf("%s took %v ms", check.Name, check.Milliseconds)
		}
		s += " " + check.Name + "=" + check.Status
		if check.Detail != "" {
			s += "(" + check.Detail + ")"
		}
	}
	return s
}

func check(name string, live bool, f func(context.Context) error) middleware.HealthCheck {
	return middleware.HealthCheck{Name: name, Live: live, Check: f}
}

func well(context.Context) error { return nil }

func TestHealth(t *testing.T) {
	secret := func(context.Context) error { return errors.New("dial 10.1.2.3: password rejected") }
	told := func(context.Context) error {
		return fmt.Errorf("disk: %w", http.NewError(507, "less than 1 GB left"))
	}
	overdue := middleware.HealthCheck{Name: "queue", Timeout: time.Millisecond, Check: func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	for _, tc := range []struct {
		name, request string
		checks        []middleware.HealthCheck
		code          int
		want          string
	}{
		{"no checks", "GET /healthz", nil, 200, "ok"},
		{"all well", "GET /healthz", []middleware.HealthCheck{check("db", false, well), check("loop", true, well)}, 200, "ok db=ok loop=ok"},
		{"ready", "GET /healthz/ready", []middleware.HealthCheck{check("db", false, well), check("loop", true, well)}, 200, "ok db=ok loop=ok"},
		{"live", "GET /healthz/live", []middleware.HealthCheck{check("db", false, secret), check("loop", true, well)}, 200, "ok loop=ok"},
		{"live without checks", "GET /healthz/live", []middleware.HealthCheck{check("db", false, secret)}, 200, "ok"},
		{"not live", "GET /healthz/live", []middleware.HealthCheck{check("db", false, well), check("loop", true, secret)}, 503, "fail loop=fail"},
		{"one fails, its error is not told", "GET /healthz", []middleware.HealthCheck{check("db", false, secret), check("loop", true, well)}, 503, "fail db=fail loop=ok"},
		{"an Error's detail is", "GET /healthz/ready", []middleware.HealthCheck{check("disk", false, told)}, 503, "fail disk=fail(less than 1 GB left)"},
		{"timeout", "GET /healthz", []middleware.HealthCheck{overdue}, 503, "fail queue=fail(timed out)"},
		{"panic", "GET /healthz", []middleware.HealthCheck{check("db", false, func(context.Context) error { panic("on purpose") })}, 503, "fail db=fail"},
		{"Goexit", "GET /healthz", []middleware.HealthCheck{check("db", false, func(context.Context) error { runtime.Goexit(); return nil })}, 503, "fail db=fail"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			verify := func(t *testing.T, url string) {
				ask := askAt(t, url)
				res, body := ask(t, tc.request)
				if res.StatusCode != tc.code || short(t, body) != tc.want || res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("Content-Type") != "application/json" {
					t.Errorf("%d %s %v, want %d %s", res.StatusCode, body, res.Header, tc.code, tc.want)
				}
				head, body := ask(t, strings.Replace(tc.request, "GET", "HEAD", 1))
				if head.StatusCode != tc.code || body != "" {
					t.Errorf("HEAD: %d %q", head.StatusCode, body)
				}
			}
			onBoth(t, func() *http.App {
				app := http.New()
				app.Use(middleware.Health("/healthz", tc.checks...))
				return app
			}, verify)
			// The path is also a route's, whose handler runs on the loop.
			onBoth(t, func() *http.App {
				app := http.New()
				app.Use(middleware.Health("/healthz", tc.checks...))
				app.Get("/", saying("hello"), http.Inline)
				return app
			}, verify)
		})
	}
}

func TestHealthLeavesTheRestAlone(t *testing.T) {
	onBoth(t, func() *http.App {
		app := http.New()
		app.Use(middleware.Health("/healthz"))
		app.Any("/", saying("hello"))
		app.Mount("/mounted", saying("mounted"))
		return app
	}, func(t *testing.T, url string) {
		ask := askAt(t, url)
		for request, want := range map[string]string{
			"GET /healthz/other":   "200 hello",
			"GET /healthz/":        "200 hello",
			"GET /Healthz":         "200 hello",
			"GET /mounted/healthz": "200 mounted",
			"POST /healthz":        `405 {"status":405,"title":"Method Not Allowed"}`,
			"GET /healthz?x":       `200 {"status":"ok"}`,
		} {
			if res, body := ask(t, request); fmt.Sprint(res.StatusCode, " ", body) != want {
				t.Errorf("%s: %d %s, want %s", request, res.StatusCode, body, want)
			}
		}
	})
}

// What a check says goes to the log and not to strangers.
func TestHealthLogs(t *testing.T) {
	var log bytes.Buffer
	app := http.New()
	app.Server.Logger = slog.New(slog.NewTextHandler(&log, nil))
	app.Use(middleware.Health("/healthz", check("db", false, func(context.Context) error { return errors.New("password rejected") })))
	inProcess(app, "GET /healthz")
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), `check=db error="password rejected"`) {
		t.Errorf("%q", log.String())
	}
}

// A check that does not come back keeps one goroutine, however often it is asked for, and the loop serves others meanwhile.
func TestHealthCheckThatHangs(t *testing.T) {
	var runs atomic.Int32
	release, entered := make(chan struct{}), make(chan struct{}, 10)
	hang := middleware.HealthCheck{Name: "db", Timeout: time.Millisecond, Check: func(context.Context) error {
		runs.Add(1)
		entered <- struct{}{}
		<-release
		return nil
	}}
	app := http.New()
	app.Use(middleware.Health("/healthz", hang))
	app.Get("/", saying("hello"), http.Inline)
	ask := askAt(t, startApp(t, app))
	for range 5 {
		if res, body := ask(t, "GET /healthz"); res.StatusCode != 503 || short(t, body) != "fail db=fail(timed out)" {
			t.Errorf("%d %s", res.StatusCode, body)
		}
	}
	if _, body := ask(t, "GET /"); body != "hello" {
		t.Errorf("%q", body)
	}
	if n := runs.Load(); n != 1 {
		t.Errorf("runs %d times at once", n)
	}
	<-entered
	close(release)
	// It is asked again when it has come back: at once, or after the run that was still ending.
	for runs.Load() == 1 {
		ask(t, "GET /healthz")
	}
}

func TestHealthProbesShareARun(t *testing.T) {
	var runs atomic.Int32
	entered, release := make(chan struct{}), make(chan struct{})
	slow := middleware.HealthCheck{Name: "db", Timeout: time.Minute, Check: func(context.Context) error {
		runs.Add(1)
		entered <- struct{}{}
		<-release
		return nil
	}}
	app := http.New()
	arrived := make(chan struct{}, 10)
	app.Use(func(next http.Handler) http.Handler {
		return func(c *http.Ctx) error { arrived <- struct{}{}; return next(c) }
	}, middleware.Health("/healthz", slow))
	ask := askAt(t, startApp(t, app))
	var probes sync.WaitGroup
	for range 10 {
		probes.Go(func() {
			if res, body := ask(t, "GET /healthz"); res.StatusCode != 200 {
				t.Errorf("%d %s", res.StatusCode, body)
			}
		})
	}
	<-entered
	for range 10 {
		<-arrived
	}
	if n := runs.Load(); n != 1 {
		t.Errorf("%d runs at the same time", n)
	}
	close(release)
	// A probe that had arrived and not joined yet begins a run of its own.
	over := make(chan struct{})
	go func() { probes.Wait(); close(over) }()
	for {
		select {
		case <-entered:
		case <-over:
			return
		}
	}
}

func TestHealthOptionsThatCannotBe(t *testing.T) {
	mustPanic(t, map[string]func(){
		"path":        func() { middleware.Health("healthz") },
		"no path":     func() { middleware.Health("") },
		"no name":     func() { middleware.Health("/h", check("", false, well)) },
		"no function": func() { middleware.Health("/h", check("db", false, nil)) },
		"same name":   func() { middleware.Health("/h", check("db", false, well), check("db", true, well)) },
	})
}

func ExampleHealth() {
	app := http.New()
	app.Use(middleware.Health("/healthz", middleware.HealthCheck{
		Name:    "db",
		Timeout: time.Second,
		Check:   func(ctx context.Context) error { return nil }, // db.PingContext
	}))

	res := inProcess(app, "GET /healthz/live")
	text, _ := io.ReadAll(res.Body)
	fmt.Println(res.StatusCode, string(text))
	// Output: 200 {"status":"ok"}
}

// A middleware of net/http may leave the loop for a goroutine: there the checks can be waited for, though there is no Async.
func TestHealthBehindNetHTTPOnInlineRoute(t *testing.T) {
	onBoth(t, func() *http.App {
		app := http.New()
		app.Get("/{rest...}", func(c *http.Ctx) error { return c.NoContent(204) }, http.Inline, http.With(
			http.WrapMiddleware(func(next nethttp.Handler) nethttp.Handler {
				return nethttp.TimeoutHandler(next, patience, "late")
			}),
			middleware.Health("/healthz", check("db", false, well)),
		))
		return app
	}, func(t *testing.T, url string) {
		res, err := nethttp.Get(url + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		defer nethttp.DefaultClient.CloseIdleConnections()
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("%d %q %v", res.StatusCode, body, err)
		}
		if s := short(t, string(body)); s != "ok db=ok" {
			t.Error(s)
		}
	})
}
