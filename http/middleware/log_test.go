package middleware_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
	"github.com/carillon-go/carillon/reactor"
)

// records is a slog.Handler that hands each record to the test.
type records struct {
	mu       sync.Mutex
	list     []map[string]slog.Value
	disabled bool
}

func (r *records) Enabled(context.Context, slog.Level) bool { return !r.disabled }
func (r *records) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *records) WithGroup(string) slog.Handler            { return r }

func (r *records) Handle(_ context.Context, record slog.Record) error {
	m := map[string]slog.Value{"msg": slog.StringValue(record.Message), "level": slog.StringValue(record.Level.String())}
	record.Attrs(func(a slog.Attr) bool { m[a.Key] = a.Value; return true })
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, m)
	return errors.New("a log that fails")
}

// at returns the record with that index.
func (r *records) at(i int) map[string]slog.Value {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list[i]
}

// last returns the latest record.
func (r *records) last() map[string]slog.Value {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list[len(r.list)-1]
}

// serve starts a server on a loopback port and returns its address.
func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	return start(t, &http.Server{Handler: h, Logger: slog.New(slog.DiscardHandler)})
}

// roundTrip sends one request as it is written and reads until the server closes.
func roundTrip(t *testing.T, addr, request string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", request); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil {
		t.Fatal(err)
	}
}

func TestLogRecords(t *testing.T) {
	log := &records{}
	addr := serve(t, middleware.Log(slog.New(log))(func(c *http.Ctx) error {
		switch c.Path() {
		case "/text":
			return c.Text(201, "hello")
		case "/silent":
			return nil
		case "/error":
			return fmt.Errorf("wrapped: %w", http.NewError(418, "short and stout"))
		case "/plain":
			return errors.New("no code")
		case "/late":
			return errors.Join(c.Text(200, "done"), errors.New("after the answer"))
		case "/panic":
			panic("on purpose")
		}
		return c.NoContent(204)
	}))
	tests := []struct {
		request string
		target  string
		status  int64
		bytes   int64
		level   string
	}{
		{"GET /text?q=1", "/text?q=1", 201, 5, "INFO"},
		{"HEAD /text", "/text", 201, 0, "INFO"},
		{"POST /nothing", "/nothing", 204, 0, "INFO"},
		{"GET /silent", "/silent", 200, 0, "INFO"},
		{"GET /error", "/error", 418, int64(len("418: short and stout\n")), "INFO"},
		{"GET /plain", "/plain", 500, int64(len("500 Internal Server Error\n")), "ERROR"},
		{"GET /late", "/late", 200, 4, "INFO"},
		{"GET /panic", "/panic", 500, int64(len("500 Internal Server Error\n")), "ERROR"},
		{"GET /%1b%0a", "/%1b%0a", 204, 0, "INFO"},
	}
	for i, tt := range tests {
		t.Run(tt.request, func(t *testing.T) {
			roundTrip(t, addr, tt.request)
			log.mu.Lock()
			defer log.mu.Unlock()
			if len(log.list) != i+1 {
				t.Fatalf("%d records after %d requests", len(log.list), i+1)
			}
			got := log.list[i]
			method, _, _ := strings.Cut(tt.request, " ")
			for key, want := range map[string]string{
				"msg": "request", "level": tt.level, "method": method, "target": tt.target, "status": fmt.Sprint(tt.status),
			} {
				if got[key].String() != want {
					t.Errorf("%s is %q, want %q", key, got[key], want)
				}
			}
			if got["bytes"].Int64() != tt.bytes {
				t.Errorf("bytes is %v, want %d", got["bytes"], tt.bytes)
			}
			if host, _, err := net.SplitHostPort(got["remote"].String()); err != nil || host != "127.0.0.1" {
				t.Errorf("remote is %q", got["remote"])
			}
			if d := got["duration"].Duration(); d <= 0 || d > time.Minute {
				t.Errorf("duration is %v", d)
			}
		})
	}
}

func TestLogThatIsNotEnabled(t *testing.T) {
	log := &records{disabled: true}
	addr := serve(t, middleware.Log(slog.New(log))(func(c *http.Ctx) error { return c.Text(200, "hello") }))
	roundTrip(t, addr, "GET /")
	if len(log.list) != 0 {
		t.Errorf("got %v", log.list)
	}
}

// The three parts together, as httpd uses them.
func TestLogLine(t *testing.T) {
	var out bytes.Buffer
	async := middleware.NewAsyncWriter(&out, 1<<16, nil)
	addr := serve(t, middleware.Log(slog.New(middleware.NewLineHandler(async, nil)))(func(c *http.Ctx) error {
		return c.Text(200, "hello")
	}))
	roundTrip(t, addr, "GET /a?b")
	if err := async.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if line := out.String(); !strings.Contains(line, " GET /a?b 200 5B ") || strings.Count(line, "\n") != 1 {
		t.Errorf("got %q", line)
	}
}

func BenchmarkLog(b *testing.B) {
	plain := func(c *http.Ctx) error { return c.Text(200, "hello") }
	async := middleware.NewAsyncWriter(io.Discard, 1<<20, nil)
	b.Cleanup(func() { _ = async.Close(context.Background()) })
	for name, h := range map[string]http.Handler{
		"without": plain,
		"with":    middleware.Log(slog.New(middleware.NewLineHandler(async, nil)))(plain),
	} {
		b.Run(name, func(b *testing.B) {
			conn, err := net.Dial("tcp", serve(b, h))
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			request := []byte("GET /static/picture.png HTTP/1.1\r\nHost: x\r\n\r\n")
			answer := make([]byte, 4096)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := conn.Write(request); err != nil {
					b.Fatal(err)
				}
				for n := 0; !bytes.HasSuffix(answer[:n], []byte("\r\n\r\nhello")); {
					m, err := conn.Read(answer[n:])
					if err != nil {
						b.Fatal(err)
					}
					n += m
				}
			}
		})
	}
}

// A request that no handler sees has its record, without a word of its own.
func TestLogRefused(t *testing.T) {
	log := &records{}
	refused := make(chan struct{}, 1)
	server := &http.Server{
		Handler: func(c *http.Ctx) error { return c.NoContent(204) },
		Logger:  slog.New(slog.DiscardHandler),
		Refused: func(remote reactor.InetAddress, e *http.Error) {
			middleware.LogRefused(slog.New(log))(remote, e)
			refused <- struct{}{}
		},
	}
	addr := start(t, server)
	roundTrip(t, addr, "GET\x1b /")
	<-refused
	log.mu.Lock()
	defer log.mu.Unlock()
	if len(log.list) != 1 {
		t.Fatalf("%d records", len(log.list))
	}
	got := log.list[0]
	for key, want := range map[string]string{"msg": "request", "level": "INFO", "method": "-", "target": "-", "status": "400"} {
		if got[key].String() != want {
			t.Errorf("%s is %v, want %s", key, got[key], want)
		}
	}
	if got["reason"].String() == "" {
		t.Error("no reason")
	}
}

// The line of such a request reads as the others do.
func TestLogRefusedLine(t *testing.T) {
	var out bytes.Buffer
	async := middleware.NewAsyncWriter(&out, 1<<16, nil)
	logger := slog.New(middleware.NewLineHandler(async, nil))
	addr := start(t, &http.Server{
		Handler: func(c *http.Ctx) error { return c.NoContent(204) },
		Logger:  slog.New(slog.DiscardHandler),
		Refused: middleware.LogRefused(logger),
	})
	roundTrip(t, addr, "GET\x1b /")
	if err := async.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if line := out.String(); !strings.HasSuffix(line, " - - 400 \"malformed request line\"\n") || strings.Count(line, "\n") != 1 {
		t.Errorf("got %q", line)
	}
}
