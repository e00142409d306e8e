package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	nethttp "net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon/http"
)

const (
	testKey = "sesame"
	// patience bounds every wait of these tests. It passes only when something is broken.
	patience = 20 * time.Second
)

// server is the application as its clients see it.
type server struct {
	t      testing.TB
	store  *Store
	log    strings.Builder // to be read behind shutdown
	app    *http.App
	url    string
	client *nethttp.Client
}

func start(t testing.TB) *server {
	t.Helper()
	store, err := OpenStore(filepath.Join(t.TempDir(), "a b?%.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &server{t: t, store: store}
	s.app = newApp(store, testKey, slog.New(slog.NewTextHandler(io.MultiWriter(t.Output(), &s.log), nil)))
	addr, err := s.app.Listen("127.0.0.1:0")
	if err == nil {
		err = s.app.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	transport := &nethttp.Transport{}
	s.url, s.client = "http://"+addr.String(), &nethttp.Client{Transport: transport, Timeout: patience}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := s.shutdown(); err != nil && !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("shutdown: %v", err)
		}
	})
	return s
}

func (s *server) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return s.app.Shutdown(ctx)
}

// request makes one with the key and, for a body, the type that the API wants; lines are further header lines.
func (s *server) request(method, path, body string, lines ...string) *nethttp.Request {
	req, err := nethttp.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+testKey)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(lines); i += 2 {
		req.Header.Set(lines[i], lines[i+1])
	}
	return req
}

// do makes a request and returns its answer, with the body read as JSON.
func (s *server) do(method, path, body string, lines ...string) (*nethttp.Response, map[string]any) {
	s.t.Helper()
	res, err := s.client.Do(s.request(method, path, body, lines...))
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	var doc map[string]any
	if len(text) > 0 {
		if err := json.Unmarshal(text, &doc); err != nil {
			s.t.Fatalf("%s %s: %v in %q", method, path, err, text)
		}
	}
	return res, doc
}

func TestTodosLive(t *testing.T) {
	s := start(t)
	if res, doc := s.do("GET", "/api/v1/todos", ""); res.StatusCode != 200 || len(doc["todos"].([]any)) != 0 {
		t.Fatalf("empty: %d %v", res.StatusCode, doc)
	}
	res, made := s.do("POST", "/api/v1/todos", `{"title":"Brot & Käse"}`)
	if res.StatusCode != 201 || res.Header.Get("Location") != "/api/v1/todos/1" || res.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("create: %d %v", res.StatusCode, res.Header)
	}
	when, err := time.Parse(time.RFC3339, made["created"].(string))
	if err != nil || time.Since(when) > patience || made["id"] != 1.0 || made["title"] != "Brot & Käse" || made["done"] != false {
		t.Errorf("create: %v", made)
	}
	if res, doc := s.do("GET", res.Header.Get("Location"), ""); res.StatusCode != 200 || !reflect.DeepEqual(doc, made) {
		t.Errorf("read: %d %v, want %v", res.StatusCode, doc, made)
	}
	made["done"] = true
	if res, doc := s.do("PATCH", "/api/v1/todos/1", `{"done":true}`); res.StatusCode != 200 || !reflect.DeepEqual(doc, made) {
		t.Errorf("update: %d %v, want %v", res.StatusCode, doc, made)
	}
	made["title"] = "Brot"
	if _, doc := s.do("PATCH", "/api/v1/todos/1", `{"title":"Brot"}`); !reflect.DeepEqual(doc, made) {
		t.Errorf("update: %v, want %v", doc, made)
	}
	s.do("POST", "/api/v1/todos", `{"title":"second"}`)
	if _, doc := s.do("GET", "/api/v1/todos", ""); len(doc["todos"].([]any)) != 2 || !reflect.DeepEqual(doc["todos"].([]any)[0], any(made)) {
		t.Errorf("list: %v", doc)
	}
	if res, doc := s.do("DELETE", "/api/v1/todos/1", ""); res.StatusCode != 204 || doc != nil {
		t.Errorf("delete: %d %v", res.StatusCode, doc)
	}
	for _, method := range []string{"GET", "DELETE"} {
		if res, _ := s.do(method, "/api/v1/todos/1", ""); res.StatusCode != 404 {
			t.Errorf("%s behind delete: %d", method, res.StatusCode)
		}
	}
	if res, _ := s.do("PATCH", "/api/v1/todos/1", `{"done":true}`); res.StatusCode != 404 {
		t.Errorf("update behind delete: %d", res.StatusCode)
	}
}

// RFC 9457: what a client did wrong is a problem document, and nothing was changed.
func TestProblems(t *testing.T) {
	s := start(t)
	long := strings.Repeat("ä", maxTitle)
	field := func(name, reason string) map[string]any { return map[string]any{"field": name, "reason": reason} }
	for _, tc := range []struct {
		name, method, path, body string
		lines                    []string
		code                     int
		detail                   string
		errors                   []any
		header, value            string
	}{
		{name: "no key", method: "GET", path: "/api/v1/todos", lines: []string{"Authorization", ""}, code: 401, header: "WWW-Authenticate", value: `Bearer realm="todo"`},
		{name: "wrong key", method: "POST", path: "/api/v1/todos", body: `{"title":"x"}`, lines: []string{"Authorization", "Bearer sesam"}, code: 401, header: "WWW-Authenticate", value: `Bearer realm="todo", error="invalid_token"`},
		{name: "wrong scheme", method: "GET", path: "/api/v1/todos", lines: []string{"Authorization", "Basic " + testKey}, code: 401, header: "WWW-Authenticate", value: `Bearer realm="todo"`},
		{name: "no such key can be", method: "GET", path: "/api/v1/todos", lines: []string{"Authorization", "Bearer " + testKey + " x"}, code: 400, header: "WWW-Authenticate", value: `Bearer realm="todo", error="invalid_request"`},
		{name: "no key for the stream", method: "GET", path: "/api/v1/events", lines: []string{"Authorization", ""}, code: 401, header: "WWW-Authenticate", value: `Bearer realm="todo"`},
		{name: "not JSON by type", method: "POST", path: "/api/v1/todos", body: `{"title":"x"}`, lines: []string{"Content-Type", "text/plain"}, code: 415, detail: "the body has to be one of: application/json", header: "Accept", value: "application/json"},
		{name: "no body", method: "POST", path: "/api/v1/todos", lines: []string{"Content-Type", "application/json"}, code: 400, detail: "the request's body is empty"},
		{name: "not JSON", method: "POST", path: "/api/v1/todos", body: `{"title":`, code: 400, detail: "the request's body is not JSON: unexpected end at byte 9", errors: []any{field("", "is not JSON: unexpected end at byte 9")}},
		{name: "not an object", method: "POST", path: "/api/v1/todos", body: `["x"]`, code: 400, detail: "the request's body must be an object", errors: []any{field("", "must be an object")}},
		{name: "two values", method: "POST", path: "/api/v1/todos", body: `{"title":"x"} {}`, code: 400, detail: "the request's body is not JSON: unexpected '{' at byte 14", errors: []any{field("", "is not JSON: unexpected '{' at byte 14")}},
		{name: "rubbish behind", method: "POST", path: "/api/v1/todos", body: `{"title":"x"} x`, code: 400, detail: "the request's body is not JSON: unexpected 'x' at byte 14", errors: []any{field("", "is not JSON: unexpected 'x' at byte 14")}},
		{name: "unknown field", method: "POST", path: "/api/v1/todos", body: `{"title":"x","id":7}`, code: 422, detail: "id is unknown", errors: []any{field("id", "is unknown")}},
		{name: "wrong kinds", method: "PATCH", path: "/api/v1/todos/1", body: `{"title":7,"done":"yes"}`, code: 422, detail: "2 fields are not valid", errors: []any{field("title", "must be a string"), field("done", "must be true or false")}},
		{name: "empty title", method: "POST", path: "/api/v1/todos", body: `{"title":" "}`, code: 422, detail: "title must not be empty", errors: []any{field("title", "must not be empty")}},
		{name: "no title", method: "POST", path: "/api/v1/todos", body: `{}`, code: 422, detail: "title must not be empty", errors: []any{field("title", "must not be empty")}},
		{name: "long title", method: "POST", path: "/api/v1/todos", body: `{"title":"` + long + `x"}`, code: 422, detail: "title must not be longer than 200 characters", errors: []any{field("title", "must not be longer than 200 characters")}},
		{name: "title changed to none", method: "PATCH", path: "/api/v1/todos/1", body: `{"title":"","done":true}`, code: 422, detail: "title must not be empty", errors: []any{field("title", "must not be empty")}},
		{name: "nothing to change", method: "PATCH", path: "/api/v1/todos/1", body: `{}`, code: 422, detail: "needs title or done", errors: []any{field("", "needs title or done")}},
		{name: "large body", method: "POST", path: "/api/v1/todos", body: strings.Repeat(" ", maxBody+1), code: 413, detail: "request body too large"},
		{name: "id no number", method: "GET", path: "/api/v1/todos/one", code: 404, detail: "there is nothing to do of that id"},
		{name: "id below zero", method: "GET", path: "/api/v1/todos/-1", code: 404, detail: "there is nothing to do of that id"},
		{name: "id beyond 64 bits", method: "PATCH", path: "/api/v1/todos/9223372036854775808", body: `{"done":true}`, code: 404, detail: "there is nothing to do of that id"},
		{name: "id not there", method: "DELETE", path: "/api/v1/todos/99", code: 404, detail: "there is nothing to do of that id"},
		{name: "method", method: "PUT", path: "/api/v1/todos/1", body: `{}`, code: 405, header: "Allow", value: "DELETE, GET, HEAD, PATCH, OPTIONS"},
		{name: "nowhere", method: "GET", path: "/api/v2", code: 404},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res, doc := s.do(tc.method, tc.path, tc.body, tc.lines...)
			if res.StatusCode != tc.code || res.Header.Get("Content-Type") != "application/problem+json" || doc["status"] != float64(tc.code) {
				t.Fatalf("%d %v %v", res.StatusCode, res.Header, doc)
			}
			if detail, _ := doc["detail"].(string); detail != tc.detail {
				t.Errorf("detail %q, want %q", detail, tc.detail)
			}
			if bad, _ := doc["errors"].([]any); !reflect.DeepEqual(bad, tc.errors) {
				t.Errorf("errors %v, want %v", bad, tc.errors)
			}
			if tc.header != "" && res.Header.Get(tc.header) != tc.value {
				t.Errorf("%s: %q, want %q", tc.header, res.Header.Get(tc.header), tc.value)
			}
		})
	}
	if _, doc := s.do("GET", "/api/v1/todos", ""); len(doc["todos"].([]any)) != 0 {
		t.Errorf("a refused request has left something: %v", doc)
	}
	if res, _ := s.do("POST", "/api/v1/todos", `{"title":"`+long+`"}`); res.StatusCode != 201 {
		t.Errorf("the longest title: %d", res.StatusCode)
	}
}

// The list is unbounded, so it is compressed; net/http asks for that and decodes it.
func TestLongListIsCompressed(t *testing.T) {
	s := start(t)
	for range 20 {
		s.do("POST", "/api/v1/todos", `{"title":"the same thing once more"}`)
	}
	if res, doc := s.do("GET", "/api/v1/todos", ""); !res.Uncompressed || len(doc["todos"].([]any)) != 20 {
		t.Errorf("compressed %v: %v", res.Uncompressed, doc)
	}
}

// Probes bring no key. Without its database the program is alive, but of no use.
func TestHealth(t *testing.T) {
	s := start(t)
	probe := func(path string, code int, status string) {
		t.Helper()
		res, doc := s.do("GET", path, "", "Authorization", "")
		if res.StatusCode != code || doc["status"] != status {
			t.Errorf("%s: %d %v, want %d %s", path, res.StatusCode, doc, code, status)
		}
	}
	probe("/healthz", 200, "ok")
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	probe("/healthz", 503, "fail")
	probe("/healthz/ready", 503, "fail")
	probe("/healthz/live", 200, "ok")
}

// The server refuses a body that is too large before it runs a handler, and middleware with it.
func TestRefusedIsLogged(t *testing.T) {
	s := start(t)
	if res, _ := s.do("POST", "/api/v1/todos", strings.Repeat(" ", maxBody+1)); res.StatusCode != 413 {
		t.Errorf("%d", res.StatusCode)
	}
	if err := s.shutdown(); err != nil {
		t.Fatal(err)
	}
	if want := `status=413 reason="request body too large"`; strings.Count(s.log.String(), want) != 1 {
		t.Errorf("the log does not have %s once:\n%s", want, s.log.String())
	}
}

// What fails in here is the operator's business: the client gets no more than the id of its record in the log.
func TestFailure(t *testing.T) {
	store, err := OpenStore(filepath.Join(t.TempDir(), "todo.db"))
	if err == nil {
		err = store.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	app := newApp(store, testKey, slog.New(slog.NewTextHandler(&log, nil)))
	req := httptest.NewRequest("GET", "/api/v1/todos", nil)
	req.Header.Set("Authorization", "Bearer "+testKey)
	res, err := app.Test(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if want := `{"status":500,"title":"Internal Server Error"}`; err != nil || res.StatusCode != 500 || string(body) != want {
		t.Errorf("%d %s %v, want %s", res.StatusCode, body, err, want)
	}
	id := res.Header.Get("X-Request-Id")
	for _, want := range []string{"database is closed", "status=500", "request_id=" + id} {
		if id == "" || !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %q:\n%s", want, log.String())
		}
	}
}

// What was stored is there when the program starts again.
func TestStoreIsKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "todo.db")
	for want := range 3 {
		store, err := OpenStore(file)
		if err != nil {
			t.Fatal(err)
		}
		all, err := store.List(t.Context())
		if err != nil || len(all) != want {
			t.Errorf("%d of %d, %v", len(all), want, err)
		}
		if _, err := store.Create(t.Context(), "x"); err != nil {
			t.Error(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := OpenStore(filepath.Join(file, "below a file")); err == nil {
		t.Error("opened what cannot be there")
	}
}

func TestRunNeedsAKey(t *testing.T) {
	if err := run("127.0.0.1:0", filepath.Join(t.TempDir(), "todo.db"), ""); err == nil {
		t.Error("serves without a key")
	}
}
