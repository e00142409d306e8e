package middleware_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
)

// finished tells when the records of a request have been made, which may be behind the client's last byte.
func finished(done chan struct{}) http.Middleware {
	return func(next http.Handler) http.Handler {
		return func(c *http.Ctx) error {
			c.After(func(*http.Ctx) { done <- struct{}{} })
			return next(c)
		}
	}
}

// A record is made when the answer is, however it comes.
func TestLogOfAnswersThatComeLater(t *testing.T) {
	log, done := &records{}, make(chan struct{}, 1)
	onBoth(t, func() *http.App {
		app := http.New()
		log.list = nil
		app.Use(finished(done), middleware.Log(slog.New(log)))
		app.Get("/async", func(c *http.Ctx) error {
			a, err := c.Async()
			go a.Answer(func(c *http.Ctx) error { return c.Text(203, "later") })
			return err
		})
		app.Get("/stream", func(c *http.Ctx) error {
			return c.Stream(200, "text/plain", func(s *http.Stream) error {
				for range 1000 {
					if _, err := s.WriteString("0123456789"); err != nil {
						return err
					}
				}
				return nil
			})
		})
		app.Get("/torn", func(c *http.Ctx) error {
			return c.Stream(200, "text/plain", func(s *http.Stream) error {
				_, err := s.WriteString("part")
				return errors.Join(err, s.Flush(), errors.New("lost"))
			})
		})
		app.Get("/error", func(c *http.Ctx) error { return http.NewError(418, "") })
		return app
	}, func(t *testing.T, url string) {
		for i, tc := range []struct {
			path          string
			status, bytes int64
		}{
			{"/async", 203, 5}, {"/stream", 200, 10000}, {"/torn", 200, 4}, {"/error", 418, 25}, {"/nowhere", 404, 34},
		} {
			if tc.path == "/torn" {
				tornGet(t, url+tc.path)
			} else {
				do(t, request(t, "GET", url+tc.path, ""))
			}
			<-done
			got := log.at(i)
			if got["target"].String() != tc.path || got["status"].Int64() != tc.status || got["bytes"].Int64() != tc.bytes {
				t.Errorf("%+v: %v", tc, got)
			}
			if len(got) != 8 {
				t.Errorf("%d attributes without an option: %v", len(got), got)
			}
		}
	})
}

func TestLogOptions(t *testing.T) {
	log, done := &records{}, make(chan struct{}, 1)
	onBoth(t, func() *http.App {
		app := http.New()
		log.list = nil
		app.Use(finished(done), middleware.RequestID(),
			middleware.Log(slog.New(log), middleware.LogOptions{RequestID: true, Route: true, Combined: true}),
			func(next http.Handler) http.Handler {
				return func(c *http.Ctx) error {
					c.SetClientIP(netip.MustParseAddr("2001:db8::1"))
					return next(c)
				}
			})
		app.Get("/users/{id}", func(c *http.Ctx) error { return c.NoContent(204) })
		return app
	}, func(t *testing.T, url string) {
		do(t, request(t, "GET", url+"/users/7", "", "X-Request-Id: id-7", "Referer: https://e.example/é", "User-Agent: Bell/1.0 (\u009b2J \"x\")\tend"))
		<-done
		do(t, request(t, "GET", url+"/nowhere", "", "User-Agent:"))
		<-done
		want := []map[string]string{
			{"request_id": "id-7", "route": "GET /users/{id}", "client": "2001:db8::1", "proto": "HTTP/1.1",
				"referer": "https://e.example/%C3%A9", "user_agent": `Bell/1.0 (%C2%9B2J "x")%09end`},
			{"client": "2001:db8::1", "proto": "HTTP/1.1"},
		}
		for i := range want {
			for key, value := range want[i] {
				if got := log.at(i)[key].String(); got != value {
					t.Errorf("request %d: %s is %q, want %q", i, key, got, value)
				}
			}
		}
		for _, key := range []string{"route", "referer", "user_agent"} {
			if v, there := log.at(1)[key]; there {
				t.Errorf("%s is %q without one", key, v)
			}
		}
	})
}

// slog.JSONHandler escapes as JSON does.
func TestLogJSON(t *testing.T) {
	var out bytes.Buffer
	app := http.New()
	app.Use(middleware.Log(slog.New(slog.NewJSONHandler(&out, nil)), middleware.LogOptions{Route: true}))
	app.Get("/a", func(c *http.Ctx) error { return c.Text(200, "hello") })
	if _, err := app.Test(httptest.NewRequest("GET", "/a?b=\"}", nil)); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got["target"] != `/a?b="}` || got["status"] != 200.0 || got["bytes"] != 5.0 || got["route"] != "GET /a" {
		t.Errorf("%v", got)
	}
}

func TestCombinedLog(t *testing.T) {
	var out bytes.Buffer
	app := http.New()
	app.Use(middleware.Log(slog.New(middleware.NewCombinedHandler(&out, nil)), middleware.LogOptions{Combined: true}))
	app.Get("/a", func(c *http.Ctx) error { return c.Text(200, "hello") })
	req := httptest.NewRequest("GET", "/a?b", nil)
	req.Header.Set("Referer", "https://e.example/")
	req.Header.Set("User-Agent", `curl/8.5" 200 "forged`)
	if _, err := app.Test(req); err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`^192\.0\.2\.1 - - \[\d\d/[A-Z][a-z][a-z]/20\d\d:\d\d:\d\d:\d\d [+-]\d{4}\] ` +
		regexp.QuoteMeta(`"GET /a?b HTTP/1.1" 200 5 "https://e.example/" "curl/8.5\" 200 \"forged"`) + "\n$")
	if !want.MatchString(out.String()) {
		t.Errorf("%q", out.String())
	}
}

// In Apache's format, for the programs that read it; NewAsyncWriter keeps a slow file from holding up handlers.
func ExampleNewCombinedHandler() {
	out := middleware.NewAsyncWriter(os.Stdout, 1<<20, nil)
	app := http.New()
	app.Use(middleware.Log(slog.New(middleware.NewCombinedHandler(noTime{out}, nil)), middleware.LogOptions{Combined: true}))
	app.Get("/", func(c *http.Ctx) error { return c.Text(200, "hello") })

	req := httptest.NewRequest("GET", "/", nil)
	req.Header.Set("User-Agent", "curl/8.5")
	if _, err := app.Test(req); err != nil {
		panic(err)
	}
	_ = out.Close(req.Context())
	// Output: 192.0.2.1 - - [time] "GET / HTTP/1.1" 200 5 "-" "curl/8.5"
}

// Any handler of log/slog writes the records.
func ExampleLog() {
	var out bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&out, nil))
	app := http.New()
	app.Use(middleware.RequestID(), middleware.Log(logger, middleware.LogOptions{RequestID: true, Route: true}))
	app.Get("/users/{id}", func(c *http.Ctx) error { return c.Text(200, "user "+c.Param("id")) })

	req := httptest.NewRequest("GET", "/users/7", nil)
	req.Header.Set("X-Request-Id", "4711")
	if _, err := app.Test(req); err != nil {
		panic(err)
	}
	var record struct {
		Target, Route string
		Status        int
		ID            string `json:"request_id"`
	}
	if err := json.Unmarshal(out.Bytes(), &record); err != nil {
		panic(err)
	}
	fmt.Println(record.Status, record.Target, record.Route, record.ID)
	// Output: 200 /users/7 GET /users/{id} 4711
}

// noTime takes the time out of lines in the combined format.
type noTime struct{ w *middleware.AsyncWriter }

func (n noTime) Write(p []byte) (int, error) {
	before, rest, _ := strings.Cut(string(p), "[")
	_, after, _ := strings.Cut(rest, "]")
	_, err := n.w.Write([]byte(before + "[time]" + after))
	return len(p), err
}
