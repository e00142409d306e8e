package middleware

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/carillon-go/carillon/http"
)

// Metrics counts requests, in set or, without one, in the default set of github.com/VictoriaMetrics/metrics:
//
//	http_requests_total{method, route, status}          status is a class: "2xx"
//	http_request_duration_seconds{method, route}        a histogram, of the time until the answer was made
//	http_response_body_bytes_total{method, route}       handed over for sending
//	http_requests_in_flight                             without an answer as yet
//
// route is the pattern that has matched, without its method, and "none" where none has: never the path, of which clients can
// make any number. method is one of those that the server knows. The buckets are those of PrometheusHistogramDefaultBuckets,
// 5 ms to 10 s.
//
// Metrics belongs around all that answers, so that it counts that: behind RequestID, beside Log. Requests that are refused before a
// handler runs are not counted; see http.Server.Refused.
func Metrics(set ...*metrics.Set) http.Middleware {
	m := &requestMetrics{set: only("Metrics", set), series: make(map[seriesKey]*series)}
	if m.set == nil {
		m.set = metrics.GetDefaultSet()
	}
	inFlight := m.set.GetOrCreateGauge("http_requests_in_flight", nil)
	return func(next http.Handler) http.Handler {
		return func(c *http.Ctx) error {
			start := time.Now()
			inFlight.Inc()
			c.After(func(c *http.Ctx) {
				inFlight.Dec()
				s := m.of(seriesKey{c.Route(), c.Method(), c.StatusCode() / 100})
				s.requests.Inc()
				s.bytes.AddInt64(c.BytesSent())
				s.duration.UpdateDuration(start)
			})
			return next(c)
		}
	}
}

// MetricsHandler answers with the metrics of set, or, without one, of the default set, all others that were registered, and the
// process, in the text format of Prometheus. Others can read them as well: put it where only those may ask who should know.
func MetricsHandler(set ...*metrics.Set) http.Handler {
	s := only("MetricsHandler", set)
	return func(c *http.Ctx) error {
		var b bytes.Buffer
		if s == nil {
			metrics.WritePrometheus(&b, true)
		} else {
			s.WritePrometheus(&b)
		}
		if err := c.SetHeader("Cache-Control", "no-store"); err != nil {
			return err
		}
		return c.Blob(200, "text/plain; version=0.0.4; charset=utf-8", b.Bytes())
	}
}

// requestMetrics finds the metrics of a request without making their names each time.
type requestMetrics struct {
	set    *metrics.Set
	mu     sync.RWMutex
	series map[seriesKey]*series
}

// seriesKey has as many values as there are routes, known methods and classes.
type seriesKey struct {
	route  *http.Route
	method string
	class  int
}

type series struct {
	requests, bytes *metrics.Counter
	duration        *metrics.PrometheusHistogram
}

func (m *requestMetrics) of(key seriesKey) *series {
	m.mu.RLock()
	s := m.series[key]
	m.mu.RUnlock()
	if s != nil {
		return s
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	labels := fmt.Sprintf(`method="%s",route="%s"`, key.method, labelEscapes.Replace(routeLabel(key.route)))
	s = &series{
		requests: m.set.GetOrCreateCounter(fmt.Sprintf(`http_requests_total{%s,status="%dxx"}`, labels, key.class)),
		bytes:    m.set.GetOrCreateCounter("http_response_body_bytes_total{" + labels + "}"),
		duration: m.set.GetOrCreatePrometheusHistogram("http_request_duration_seconds{" + labels + "}"),
	}
	m.series[key] = s
	return s
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// routeLabel is a pattern without its method, which is a label of its own.
func routeLabel(r *http.Route) string {
	if r == nil {
		return "none"
	}
	return strings.TrimPrefix(strings.TrimPrefix(r.Pattern(), r.Method()), " ")
}
