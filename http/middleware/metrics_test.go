package middleware_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metrics"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
)

// lines are those of the metrics text that begin with prefix.
func lines(text, prefix string) (found []string) {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, prefix) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	slices.Sort(found)
	return found
}

func TestMetrics(t *testing.T) {
	var set *metrics.Set
	counted := make(chan struct{}, 1)
	onBoth(t, func() *http.App {
		app := http.New()
		set = metrics.NewSet()
		app.Use(func(next http.Handler) http.Handler {
			return func(c *http.Ctx) error {
				if c.Path() == "/torn" { // whose client does not wait for the counting
					c.After(func(*http.Ctx) { counted <- struct{}{} })
				}
				return next(c)
			}
		}, middleware.Metrics(set))
		app.Get("/users/{id}", func(c *http.Ctx) error { return c.Text(200, c.Param("id")) })
		app.Post("/users", func(c *http.Ctx) error { return http.NewError(409, "") }, http.Inline)
		app.Any("/any", func(c *http.Ctx) error { return c.NoContent(204) })
		app.Get(`/quo"te\`, func(c *http.Ctx) error { return c.NoContent(204) })
		app.Get("/panic", func(c *http.Ctx) error { panic("on request") })
		app.Get("/async", func(c *http.Ctx) error {
			a, err := c.Async()
			go a.Answer(func(c *http.Ctx) error { return c.Text(203, "later") })
			return err
		})
		app.Get("/torn", func(c *http.Ctx) error {
			return c.Stream(200, "text/plain", func(s *http.Stream) error { return errors.Join(s.Flush(), errors.New("lost")) })
		})
		app.Get("/metrics", middleware.MetricsHandler(set))
		return app
	}, func(t *testing.T, url string) {
		for _, path := range []string{"/users/1", "/users/2", "/users/33", "/nowhere/1", "/nowhere/2", "/any", `/quo%22te%5c`, "/panic", "/async"} {
			do(t, request(t, "GET", url+path, ""))
		}
		do(t, request(t, "POST", url+"/users", ""))
		do(t, request(t, "DELETE", url+"/any", ""))
		tornGet(t, url+"/torn")
		<-counted
		res, text := do(t, request(t, "GET", url+"/metrics", ""))
		if got := res.Header.Get("Content-Type"); got != "text/plain; version=0.0.4; charset=utf-8" {
			t.Fatal(got)
		}
		got := strings.Join(lines(text, "http_requests_total"), "\n")
		want := strings.Join([]string{
			`http_requests_total{method="DELETE",route="/any",status="2xx"} 1`,
			`http_requests_total{method="GET",route="/any",status="2xx"} 1`,
			`http_requests_total{method="GET",route="/async",status="2xx"} 1`,
			`http_requests_total{method="GET",route="/panic",status="5xx"} 1`,
			`http_requests_total{method="GET",route="/quo\"te\\",status="2xx"} 1`,
			`http_requests_total{method="GET",route="/torn",status="2xx"} 1`,
			`http_requests_total{method="GET",route="/users/{id}",status="2xx"} 3`,
			`http_requests_total{method="GET",route="none",status="4xx"} 2`,
			`http_requests_total{method="POST",route="/users",status="4xx"} 1`,
		}, "\n")
		if got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		for _, want := range []string{
			`http_response_body_bytes_total{method="GET",route="/users/{id}"} 4`,
			`http_response_body_bytes_total{method="GET",route="/async"} 5`,
			`http_request_duration_seconds_bucket{method="GET",route="/users/{id}",le="+Inf"} 3`,
			`http_request_duration_seconds_count{method="GET",route="/async"} 1`,
			`http_requests_in_flight 1`, // the one that asks
		} {
			if !strings.Contains(text, want+"\n") {
				t.Errorf("no %s in\n%s", want, text)
			}
		}
	})
}

// A pattern may be registered by more than one method, and an App's middleware made twice: they share the metrics.
func TestMetricsOfTwoApps(t *testing.T) {
	set := metrics.NewSet()
	for range 2 {
		app := http.New()
		app.Use(middleware.Metrics(set))
		app.Get("/", func(c *http.Ctx) error { return c.NoContent(204) })
		if _, err := app.Test(httptest.NewRequest("GET", "/", nil)); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	set.WritePrometheus(&b)
	if want := "http_requests_total{method=\"GET\",route=\"/\",status=\"2xx\"} 2\n"; !strings.Contains(b.String(), want) {
		t.Error(b.String())
	}
}

// Without a set the process is shown as well.
func TestMetricsHandlerOfTheDefaultSet(t *testing.T) {
	app := http.New()
	app.Get("/metrics", middleware.MetricsHandler())
	res, err := app.Test(httptest.NewRequest("GET", "/metrics", nil))
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(res.Body); !strings.Contains(string(body), "go_goroutines ") {
		t.Errorf("%.200s", body)
	}
}

func ExampleMetrics() {
	set := metrics.NewSet()
	app := http.New()
	app.Use(middleware.Metrics(set))
	app.Get("/users/{id}", func(c *http.Ctx) error { return c.Text(200, "user "+c.Param("id")) })
	app.Get("/metrics", middleware.MetricsHandler(set))

	for _, path := range []string{"/users/1", "/users/2", "/metrics"} {
		res, err := app.Test(httptest.NewRequest("GET", path, nil))
		if err != nil {
			panic(err)
		}
		if path == "/metrics" {
			body, _ := io.ReadAll(res.Body)
			fmt.Println(lines(string(body), "http_requests_total")[0])
		}
	}
	// Output: http_requests_total{method="GET",route="/users/{id}",status="2xx"} 2
}

func BenchmarkMetrics(b *testing.B) {
	plain := func(c *http.Ctx) error { return c.NoContent(204) }
	for name, around := range map[string][]http.Middleware{"without": nil, "with": {middleware.Metrics(metrics.NewSet())}} {
		b.Run(name, func(b *testing.B) {
			app := http.New()
			app.Get("/", plain, http.With(around...))
			req := httptest.NewRequest("GET", "/", nil)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := app.Test(req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
