package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	nethttp "net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A few requests, as a client makes them.
func Example() {
	dir, err := os.MkdirTemp("", "todo")
	check(err)
	defer os.RemoveAll(dir)
	store, err := OpenStore(filepath.Join(dir, "todo.db"))
	check(err)
	defer store.Close()

	app := newApp(store, "secret", slog.New(slog.DiscardHandler))
	addr, err := app.Listen("127.0.0.1:0")
	check(err)
	check(app.Start())
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		check(app.Shutdown(ctx))
	}()

	ask := func(method, path, body string) {
		req, err := nethttp.NewRequest(method, "http://"+addr.String()+path, strings.NewReader(body))
		check(err)
		req.Header.Set("Authorization", "Bearer secret")
		req.Header.Set("Content-Type", "application/json")
		transport := &nethttp.Transport{DisableKeepAlives: true}
		res, err := transport.RoundTrip(req)
		check(err)
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		check(err)
		var todo Todo
		if res.StatusCode < 300 && len(text) > 0 {
			check(json.Unmarshal(text, &todo))
			text = fmt.Appendf(nil, "#%d %s, done: %v", todo.ID, todo.Title, todo.Done)
		}
		fmt.Println(strings.TrimSpace(fmt.Sprintf("%d %s", res.StatusCode, text)))
	}
	ask("POST", "/api/v1/todos", `{"title":"Buy milk"}`)
	ask("PATCH", "/api/v1/todos/1", `{"done":true}`)
	ask("POST", "/api/v1/todos", `{"title":""}`)
	ask("DELETE", "/api/v1/todos/1", "")
	ask("GET", "/api/v1/todos/1", "")
	// Output:
	// 201 #1 Buy milk, done: false
	// 200 #1 Buy milk, done: true
	// 422 {"detail":"title must not be empty","errors":[{"field":"title","reason":"must not be empty"}],"status":422,"title":"Unprocessable Content"}
	// 204
	// 404 {"detail":"there is nothing to do of that id","status":404,"title":"Not Found"}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
