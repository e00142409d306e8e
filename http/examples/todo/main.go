// Todo is a to-do list behind a JSON API: what an application on Carillon looks like when it has a database, keys, errors that
// a client can read, and a stream of what changes.
//
//	TODO_KEY=secret go run . -listen 127.0.0.1:8080 -db todo.db
//	curl -H 'Authorization: Bearer secret' -H 'Content-Type: application/json' -d '{"title":"milk"}' localhost:8080/api/v1/todos
//	curl -H 'Authorization: Bearer secret' -N localhost:8080/api/v1/events
//
// A key has the characters of a bearer token, letters, digits and "-._~+/", as from "openssl rand -hex 16".
//
// main.go puts it together, api.go has the handlers, store.go the table, events.go the stream.
package main

import (
	"errors"
	"flag"
	"log/slog"
	"os"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "`address` to serve at")
	db := flag.String("db", "todo.db", "`file` of the database; it is made when it does not exist")
	flag.Parse()
	// The key is no flag, because everybody on the machine can read those.
	if err := run(*listen, *db, os.Getenv("TODO_KEY")); err != nil {
		slog.Error("todo", "error", err)
		os.Exit(1)
	}
}

// run serves until the process is told to stop, and lets requests end.
func run(listen, db, key string) error {
	if key == "" {
		return errors.New("TODO_KEY is not set: it is the key that clients have to send")
	}
	store, err := OpenStore(db)
	if err != nil {
		return err
	}
	err = newApp(store, key, slog.Default()).Run(listen)
	return errors.Join(err, store.Close())
}
