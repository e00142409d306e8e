package interop

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
	"github.com/carillon-go/carillon/static"
	"github.com/carillon-go/carillon/ws"
)

// sketch is the program of the design, word for word, but for app.Run: the test serves it.
func sketch() *http.App {
	app := http.New()
	app.Use(middleware.RequestID(), middleware.Log(slog.Default()))

	app.Get("/users/{id}", func(c *http.Ctx) error { // may block: it has a goroutine
		u, err := db.User(c, c.Param("id")) // c is a context.Context, cancelled when the client leaves
		if err != nil {
			return err // one ErrorHandler turns it into problem+json
		}
		return c.JSON(200, u)
	})
	app.Get("/ping", func(c *http.Ctx) error { return c.Text(200, "pong") }, http.Inline)

	api := app.Group("/api", auth)
	api.Post("/files", upload, http.MaxBody(1<<30), http.StreamBody)

	app.Handle("/metrics", promhttp.Handler())                  // any net/http handler
	app.Use(http.WrapMiddleware(otelhttp.NewMiddleware("api"))) // any net/http middleware
	app.Get("/chat", ws.Endpoint(chat))
	app.Mount("/", static.Dir("public"))
	return app
}

// What the sketch takes for granted.
var (
	db   userBase
	auth = middleware.BasicAuth("files", func(name, password string) bool { return name == "ada" && password == "p" })
	chat room
)

type userBase struct{}

type user struct {
	ID string `json:"id"`
}

func (userBase) User(ctx context.Context, id string) (user, error) {
	if id != "7" {
		return user{}, http.NewError(404, "no such user")
	}
	return user{ID: id}, ctx.Err()
}

func upload(c *http.Ctx) error {
	n, err := io.Copy(io.Discard, c.BodyReader())
	if err != nil {
		return err
	}
	return c.Text(201, fmt.Sprint(n))
}

// room sends each its own messages back.
type room struct{ ws.NopHandler }

func (room) OnMessage(c *ws.Conn, op ws.Op, p []byte) { _ = c.Send(op, p) }

// records are the lines of a log.
type records chan string

func (r records) Write(p []byte) (int, error) {
	r <- string(p)
	return len(p), nil
}

// observed has the log and the spans of what is served until the test ends go to the test.
func observed(t *testing.T) (records, *tracetest.SpanRecorder) {
	log, logger := make(records, 100), slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(log, nil)))
	spans, provider := tracetest.NewSpanRecorder(), otel.GetTracerProvider()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))
	t.Cleanup(func() {
		slog.SetDefault(logger)
		otel.SetTracerProvider(provider)
	})
	return log, spans
}

// Every route of the design's sketch answers, and what is around all of them sees each.
func TestDesignSketch(t *testing.T) {
	log, spans := observed(t)
	t.Chdir(t.TempDir())
	if err := os.Mkdir("public", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("public/hello.txt", []byte("hello from a file"), 0o644); err != nil {
		t.Fatal(err)
	}
	url := serve(t, sketch())
	c := client(t)
	large := make([]byte, 8<<20) // more than other routes take
	if _, err := rand.Read(large); err != nil {
		t.Fatal(err)
	}
	const token = "Basic YWRhOnA="
	tests := []struct {
		method, path, body string
		lines              []string
		code               int
		contentType, want  string
	}{
		{"GET", "/users/7", "", nil, 200, "application/json", `{"id":"7"}`},
		{"GET", "/users/8", "", nil, 404, "application/problem+json", "no such user"},
		{"GET", "/ping", "", nil, 200, "text/plain", "pong"},
		{"HEAD", "/ping", "", nil, 200, "text/plain", ""},
		{"POST", "/ping", "", nil, 405, "application/problem+json", "405"},
		{"POST", "/api/files", string(large), []string{"Authorization", token}, 201, "text/plain", fmt.Sprint(len(large))},
		{"POST", "/api/files", "small", nil, 401, "application/problem+json", "401"},
		{"GET", "/metrics", "", nil, 200, "text/plain", "go_goroutines"},
		{"GET", "/chat", "", nil, 426, "text/plain", "WebSocket"},
		{"GET", "/hello.txt", "", nil, 200, "text/plain", "hello from a file"},
		{"GET", "/hello.txt", "", []string{"Range", "bytes=0-4"}, 206, "text/plain", "hello"},
		{"GET", "/nowhere.txt", "", nil, 404, "application/problem+json", "404"},
	}
	for _, tc := range tests {
		t.Run(tc.method+" "+tc.path, func(t *testing.T) {
			res, body := do(t, c, request(t, tc.method, url+tc.path, tc.body, tc.lines...))
			if res.StatusCode != tc.code || !strings.HasPrefix(res.Header.Get("Content-Type"), tc.contentType) || !strings.Contains(body, tc.want) {
				t.Errorf("%d %v %.200q", res.StatusCode, res.Header, body)
			}
			if res.Header.Get("X-Request-Id") == "" {
				t.Error("no id")
			}
			want := fmt.Sprintf("method=%s target=%s status=%d", tc.method, tc.path, tc.code)
			if line := await(t, "the record", log); !strings.Contains(line, want) {
				t.Errorf("the log has %q, want %q", line, want)
			}
		})
	}
	if n := len(spans.Ended()); n != len(tests) {
		t.Errorf("%d spans of %d requests", n, len(tests))
	}
	t.Run("chat", func(t *testing.T) { chats(t, url+"/chat") })
}

func chats(t *testing.T, url string) {
	conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(url, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if err := conn.WriteMessage(websocket.TextMessage, []byte("ding")); err != nil {
		t.Fatal(err)
	}
	if typ, p, err := conn.ReadMessage(); err != nil || typ != websocket.TextMessage || string(p) != "ding" {
		t.Errorf("%d %q %v", typ, p, err)
	}
}
