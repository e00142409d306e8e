package interop

import (
	"compress/gzip"
	"io"
	nethttp "net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/carillon-go/carillon/http"
)

// instrument counts what passes.
func instrument(served *prometheus.CounterVec) func(nethttp.Handler) nethttp.Handler {
	return func(next nethttp.Handler) nethttp.Handler { return promhttp.InstrumentHandlerCounter(served, next) }
}

func TestPrometheusHandler(t *testing.T) {
	registry := prometheus.NewRegistry()
	served := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "served_total", Help: "Requests."}, []string{"code"})
	registry.MustRegister(served, collectors.NewGoCollector())

	app := http.New()
	app.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	// What promhttp wraps around a handler, to count it.
	app.Get("/", func(c *http.Ctx) error { return http.NewError(418, "") }, http.With(http.WrapMiddleware(instrument(served))))
	url := serve(t, app)

	for range 3 {
		get(t, url+"/")
	}
	res, body := get(t, url+"/metrics")
	if res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	if !strings.Contains(body, "\nserved_total{code=\"418\"} 3\n") || !strings.Contains(body, "\ngo_goroutines ") {
		t.Errorf("%s", body)
	}

	res, packed := get(t, url+"/metrics", "Accept-Encoding", "gzip")
	if res.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("%v", res.Header)
	}
	z, err := gzip.NewReader(strings.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(z); err != nil || !strings.Contains(string(text), "served_total{code=\"418\"} 3\n") {
		t.Errorf("%v: %s", err, text)
	}
}
