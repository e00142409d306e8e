package interop

import (
	"fmt"
	nethttp "net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rs/cors"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/carillon-go/carillon/http"
)

func TestCORS(t *testing.T) {
	const origin = "https://app.example"
	var called atomic.Int32
	app := http.New()
	app.Use(http.WrapMiddleware(cors.New(cors.Options{
		AllowedOrigins: []string{origin}, AllowedMethods: []string{"PUT", "GET"}, AllowCredentials: true, MaxAge: 600,
	}).Handler))
	app.Put("/x", func(c *http.Ctx) error {
		called.Add(1)
		if err := c.VaryBy("Accept"); err != nil {
			return err
		}
		return c.Text(200, "put")
	})
	url := serve(t, app)
	c := client(t)

	res, _ := do(t, c, request(t, "OPTIONS", url+"/x", "", "Origin", origin, "Access-Control-Request-Method", "PUT"))
	if res.StatusCode != 204 || res.Header.Get("Access-Control-Allow-Origin") != origin ||
		res.Header.Get("Access-Control-Allow-Methods") != "PUT" || res.Header.Get("Access-Control-Max-Age") != "600" || called.Load() != 0 {
		t.Errorf("preflight: %d %v", res.StatusCode, res.Header)
	}
	res, _ = do(t, c, request(t, "OPTIONS", url+"/x", "", "Origin", "https://evil.example", "Access-Control-Request-Method", "PUT"))
	if res.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("preflight of another: %v", res.Header)
	}
	res, body := do(t, c, request(t, "PUT", url+"/x", "body", "Origin", origin))
	vary := strings.Join(res.Header["Vary"], ", ")
	if body != "put" || res.Header.Get("Access-Control-Allow-Origin") != origin || !strings.Contains(vary, "Origin") || !strings.Contains(vary, "Accept") {
		t.Errorf("%q %v", body, res.Header)
	}
	// An error is to be read by scripts as well.
	res, _ = do(t, c, request(t, "GET", url+"/nowhere", "", "Origin", origin))
	if res.StatusCode != 404 || res.Header.Get("Access-Control-Allow-Origin") != origin || res.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
}

// What a middleware of net/http has set is there for the handler behind it: to be added to, replaced, read and removed.
func TestHeaderLinesOfMiddleware(t *testing.T) {
	app := http.New()
	app.Use(http.WrapMiddleware(func(next nethttp.Handler) nethttp.Handler {
		return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			w.Header().Set("Set-Cookie", "outer=1")
			w.Header().Set("X-Replaced", "outer")
			w.Header().Set("X-Removed", "outer")
			w.Header().Set("X-Kept", "outer")
			next.ServeHTTP(w, r)
		})
	}))
	app.Get("/native", func(c *http.Ctx) error {
		for _, err := range []error{c.AddHeader("Set-Cookie", "inner=2"), c.SetHeader("X-Replaced", "inner"), c.SetHeader("X-Read", c.ResponseHeader("X-Kept"))} {
			if err != nil {
				return err
			}
		}
		c.DelHeader("X-Removed")
		return c.Text(200, "")
	})
	app.Handle("/net", nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Add("Set-Cookie", "inner=2")
		w.Header().Set("X-Replaced", "inner")
		w.Header().Set("X-Read", w.Header().Get("X-Kept"))
		w.Header().Del("X-Removed")
		w.WriteHeader(200)
	}))
	url := serve(t, app)
	for _, path := range []string{"/native", "/net"} {
		res, _ := get(t, url+path)
		if cookies := res.Header["Set-Cookie"]; !slices.Equal(cookies, []string{"outer=1", "inner=2"}) {
			t.Errorf("%s: cookies %q", path, cookies)
		}
		for name, want := range map[string]string{"X-Replaced": "inner", "X-Removed": "", "X-Kept": "outer", "X-Read": "outer"} {
			if got := strings.Join(res.Header[name], "|"); got != want {
				t.Errorf("%s: %s: %q, want %q", path, name, got, want)
			}
		}
	}
}

// Behind a middleware of net/http a body that is too large is still 413, and its trailers arrive.
func TestBodyBehindMiddleware(t *testing.T) {
	same := http.WrapMiddleware(func(next nethttp.Handler) nethttp.Handler { return next })
	echo := func(c *http.Ctx) error {
		body, err := c.Body()
		if err != nil {
			return err
		}
		for name, value := range c.Trailers() {
			body = append(body, " "+name+"="+value...)
		}
		return c.Blob(200, "text/plain", body)
	}
	app := http.New()
	app.Use(same, same)
	app.Post("/whole", echo, http.MaxBody(10))
	app.Post("/streamed", echo, http.MaxBody(10), http.StreamBody)
	url := serve(t, app)
	for _, path := range []string{"/whole", "/streamed"} {
		for body, want := range map[string]string{"ten bytes.": "200 ten bytes. X-Sum=1", "ten bytes.!": "413"} {
			c, r := dial(t, url)
			send(t, c, "POST %s HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\nX-Sum: 1\r\n\r\n", path, len(body), body)
			res, text := answer(t, r, "POST")
			if got := fmt.Sprint(res.StatusCode, " ", text); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %q, want %q", path, got, want)
			}
		}
	}
}

func TestOpenTelemetry(t *testing.T) {
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	app := http.New()
	app.Use(http.WrapMiddleware(otelhttp.NewMiddleware("api",
		otelhttp.WithTracerProvider(provider), otelhttp.WithPropagators(propagation.TraceContext{}))))
	app.Get("/users/{id}", func(c *http.Ctx) error {
		_, span := provider.Tracer("db").Start(c, "query")
		span.End()
		return c.Text(203, trace.SpanContextFromContext(c).TraceID().String())
	})
	app.Get("/fails", func(c *http.Ctx) error { return http.NewError(503, "") })
	url := serve(t, app)

	_, body := get(t, url+"/users/7", "Traceparent", parent)
	if body != "4bf92f3577b34da6a3ce929d0e0e4736" {
		t.Errorf("the handler's trace is %q", body)
	}
	get(t, url+"/fails")
	spans := recorder.Ended()
	if len(spans) != 3 {
		t.Fatalf("%d spans", len(spans))
	}
	query, first, second := spans[0], spans[1], spans[2]
	if query.Name() != "query" || query.Parent().SpanID() != first.SpanContext().SpanID() {
		t.Errorf("%s is below %v, want %v", query.Name(), query.Parent().SpanID(), first.SpanContext().SpanID())
	}
	if got := first.Parent().SpanID().String(); got != "00f067aa0ba902b7" {
		t.Errorf("the server's span is below %s", got)
	}
	for _, tc := range []struct {
		span sdktrace.ReadOnlySpan
		code int
		path string
	}{{first, 203, "/users/7"}, {second, 503, "/fails"}} {
		for _, want := range []attribute.KeyValue{
			attribute.Int("http.response.status_code", tc.code), attribute.String("url.path", tc.path),
			attribute.String("http.request.method", "GET"), attribute.String("network.protocol.version", "1.1"),
		} {
			if !slices.Contains(tc.span.Attributes(), want) {
				t.Errorf("%s: no %v in %v", tc.path, want, tc.span.Attributes())
			}
		}
	}
	if status := second.Status().Code.String(); status != "Error" {
		t.Errorf("the status of 503 is %s", status)
	}
}
