package middleware_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
)

// recommended is what the package's documentation recommends, as far as it is needed here.
func recommended(log *slog.Logger, set *metrics.Set) []http.Middleware {
	return []http.Middleware{
		middleware.RequestID(),
		middleware.Log(log, middleware.LogOptions{RequestID: true, Route: true}),
		middleware.Metrics(set),
		middleware.Recover(),
		middleware.Compress(),
		middleware.ETag(),
		middleware.Timeout(10 * time.Second),
		middleware.BodyLimit(1 << 20),
		middleware.Decompress(1 << 20),
	}
}

// The order that doc.go recommends: each sees what it has to.
func Example() {
	app := http.New()
	app.Use(recommended(slog.New(slog.DiscardHandler), metrics.NewSet())...)
	app.Get("/hello/{name}", func(c *http.Ctx) error { return c.Text(200, "Hello, "+c.Param("name")) })

	res, err := app.Test(httptest.NewRequest("GET", "/hello/Ada", nil))
	if err != nil {
		panic(err)
	}
	body, _ := io.ReadAll(res.Body)
	fmt.Printf("%d %s\n", res.StatusCode, body)
	// Output: 200 Hello, Ada
}

func TestRecommendedOrder(t *testing.T) {
	log, done := &records{}, make(chan struct{}, 1)
	var set *metrics.Set
	onBoth(t, func() *http.App {
		app := http.New()
		log.list, set = nil, metrics.NewSet()
		app.Use(finished(done))
		app.Use(recommended(slog.New(log), set)...)
		ringing(app)
		app.Get("/panic", panicking)
		app.Post("/echo", func(c *http.Ctx) error {
			body, err := c.Body()
			if err != nil {
				return err
			}
			return c.Text(200, string(body))
		})
		return app
	}, func(t *testing.T, url string) {
		last := func() map[string]slog.Value {
			<-done
			return log.last()
		}
		res, body := do(t, request(t, "GET", url+"/text", "", "Accept-Encoding: gzip"))
		if got := last(); got["bytes"].Int64() != int64(len(body)) || got["route"].String() != "GET /text" || got["request_id"].String() != res.Header.Get("X-Request-Id") {
			t.Errorf("%d bytes, logged %v", len(body), got)
		}
		tag := res.Header.Get("ETag")
		if res, _ = do(t, request(t, "GET", url+"/text", "", "Accept-Encoding: gzip", "If-None-Match: "+tag)); res.StatusCode != 304 {
			t.Errorf("%d for %s", res.StatusCode, tag)
		}
		if got := last(); got["status"].Int64() != 304 || got["bytes"].Int64() != 0 {
			t.Errorf("%v", got)
		}
		do(t, request(t, "GET", url+"/panic", ""))
		if got := last(); got["status"].Int64() != 500 || got["level"].String() != "ERROR" {
			t.Errorf("%v", got)
		}
		_, body = do(t, request(t, "POST", url+"/echo", encodeText(t, "br", prose), "Content-Encoding: br", "Accept-Encoding: zstd"))
		if last(); decode(t, "zstd", body) != prose {
			t.Errorf("%d bytes came back", len(body))
		}
		var b strings.Builder
		set.WritePrometheus(&b)
		for _, want := range []string{
			`http_requests_total{method="GET",route="/text",status="3xx"} 1`,
			`http_requests_total{method="GET",route="/panic",status="5xx"} 1`,
			`http_requests_in_flight 0`,
		} {
			if !strings.Contains(b.String(), want+"\n") {
				t.Errorf("no %s in\n%s", want, b.String())
			}
		}
	})
}
