package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	nethttp "net/http"
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
	s := &server{t: t, app: newApp(store, testKey, slog.New(slog.NewTextHandler(t.Output(), nil)))}
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
	for _, tc := range []struct {
		name, method, path, body string
		lines                    []string
		code                     int
		detail                   string
		errors                   map[string]any
		header, value            string
	}{
		{name: "no key", method: "GET", path: "/api/v1/todos", lines: []string{"Authorization", ""}, code: 401, detail: "a bearer key is needed", header: "WWW-Authenticate", value: `Bearer realm="todo"`},
		{name: "wrong key", method: "POST", path: "/api/v1/todos", body: `{"title":"x"}`, lines: []string{"Authorization", "Bearer sesam"}, code: 401, detail: "a bearer key is needed"},
		{name: "wrong scheme", method: "GET", path: "/api/v1/todos", lines: []string{"Authorization", "Basic " + testKey}, code: 401, detail: "a bearer key is needed"},
		{name: "no key for the stream", method: "GET", path: "/api/v1/events", lines: []string{"Authorization", ""}, code: 401, detail: "a bearer key is needed"},
		{name: "not JSON by type", method: "POST", path: "/api/v1/todos", body: `{"title":"x"}`, lines: []string{"Content-Type", "text/plain"}, code: 415, detail: "send application/json"},
		{name: "not JSON", method: "POST", path: "/api/v1/todos", body: `{"title":`, code: 400, detail: "unexpected EOF"},
		{name: "two values", method: "POST", path: "/api/v1/todos", body: `{"title":"x"} {}`, code: 400, detail: "more than one JSON value"},
		{name: "rubbish behind", method: "POST", path: "/api/v1/todos", body: `{"title":"x"} x`, code: 400, detail: "more than one JSON value"},
		{name: "unknown field", method: "POST", path: "/api/v1/todos", body: `{"title":"x","id":7}`, code: 400, detail: `unknown field "id"`},
		{name: "empty title", method: "POST", path: "/api/v1/todos", body: `{"title":" "}`, code: 422, detail: "some fields are not valid", errors: map[string]any{"title": "must not be empty"}},
		{name: "no title", method: "POST", path: "/api/v1/todos", body: `{}`, code: 422, detail: "some fields are not valid", errors: map[string]any{"title": "must not be empty"}},
		{name: "long title", method: "POST", path: "/api/v1/todos", body: `{"title":"` + long + `x"}`, code: 422, detail: "some fields are not valid", errors: map[string]any{"title": "must not be longer than 200 characters"}},
		{name: "nothing to change", method: "PATCH", path: "/api/v1/todos/1", body: `{}`, code: 422, detail: "some fields are not valid", errors: map[string]any{"": "needs title or done"}},
		{name: "large body", method: "POST", path: "/api/v1/todos", body: strings.Repeat(" ", maxBody+1), code: 413, detail: "request body too large"},
		{name: "id no number", method: "GET", path: "/api/v1/todos/one", code: 404, detail: "there is nothing to do of that id"},
		{name: "id not there", method: "DELETE", path: "/api/v1/todos/99", code: 404, detail: "there is nothing to do of that id"},
		{name: "method", method: "PUT", path: "/api/v1/todos/1", body: `{}`, code: 405, header: "Allow", value: "DELETE, GET, HEAD, PATCH, OPTIONS"},
		{name: "nowhere", method: "GET", path: "/api/v2", code: 404},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res, doc := s.do(tc.method, tc.path, tc.body, tc.lines...)
			if res.StatusCode != tc.code || res.Header.Get("Content-Type") != "application/problem+json" || doc["status"] != float64(tc.code) {
				t.Fatalf("%d %v %v", res.StatusCode, res.Header, doc)
			}
			if detail, _ := doc["detail"].(string); !strings.HasSuffix(detail, tc.detail) || detail != "" && tc.detail == "" {
				t.Errorf("detail %q, want %q", detail, tc.detail)
			}
			if bad, _ := doc["errors"].(map[string]any); !reflect.DeepEqual(bad, tc.errors) {
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
