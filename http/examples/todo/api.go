package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
)

const (
	maxBody  = 16 << 10 // bytes
	maxTitle = 200      // characters
)

// api has the handlers. Each runs on a goroutine of its own and may wait for the database.
type api struct {
	store *Store
	feed  *Feed
	// changing is held from a change to its event, so that events come in the order of the changes.
	changing sync.RWMutex
}

// newApp returns the application, for clients that know the key.
func newApp(store *Store, key string, log *slog.Logger) *http.App {
	a := &api{store: store, feed: NewFeed()}
	app := http.New()
	app.Server.Logger = log
	app.Server.Refused = middleware.LogRefused(log) // what no middleware gets to see, such as a body that is too large
	app.Use(
		middleware.Health("/healthz", middleware.HealthCheck{Name: "database", Check: store.Ping}), // around Log: probes fill no logs
		middleware.RequestID(), // for the client to name what failed
		middleware.Log(log, middleware.LogOptions{RequestID: true}),
		middleware.Recover(),
	)
	v1 := app.Group("/api/v1",
		middleware.KeyAuth(middleware.KeyAuthOptions{Keys: map[string]string{key: "client"}, Realm: "todo"}),
		storeErrors,
	)
	v1.Get("/todos", a.list, http.With(middleware.Compress())) // the one answer that grows
	v1.Post("/todos", a.create, http.MaxBody(maxBody))
	v1.Get("/todos/{id}", a.read)
	v1.Patch("/todos/{id}", a.update, http.MaxBody(maxBody))
	v1.Delete("/todos/{id}", a.remove)
	v1.Get("/events", a.watch)
	return app
}

// storeErrors gives the store's errors the status that a client should see, so that handlers return them as they are; others
// are 500.
func storeErrors(next http.Handler) http.Handler {
	return func(c *http.Ctx) error {
		err := next(c)
		if errors.Is(err, ErrNoTodo) {
			return &http.Error{Code: 404, Detail: "there is nothing to do of that id", Err: err}
		}
		return err
	}
}

// list answers with all there is, and the id of the event that it is as new as: who watches from there on misses nothing.
func (a *api) list(c *http.Ctx) error {
	a.changing.RLock()
	defer a.changing.RUnlock()
	todos, err := a.store.List(c)
	if err != nil {
		return err
	}
	return c.JSON(200, map[string]any{"todos": todos, "last_event": a.feed.Last()})
}

func (a *api) read(c *http.Ctx) error {
	id, err := idOf(c)
	if err != nil {
		return err
	}
	t, err := a.store.Get(c, id)
	if err != nil {
		return err
	}
	return c.JSON(200, t)
}

// strict keeps a member that is misspelt from being skipped without a word.
var strict = http.JSONOptions{RefuseUnknown: true}

// newTodo is the body of POST.
type newTodo struct {
	Title string `json:"title"`
}

// Validate is called by BindJSON.
func (n *newTodo) Validate() error { return checkTitle(n.Title) }

func (a *api) create(c *http.Ctx) error {
	var in newTodo
	if err := c.BindJSON(&in, strict); err != nil {
		return err
	}
	t, err := a.change(c, "created", func(ctx context.Context) (Todo, error) { return a.store.Create(ctx, in.Title) })
	if err != nil {
		return err
	}
	if err := c.SetHeader("Location", c.Path()+"/"+strconv.FormatInt(t.ID, 10)); err != nil {
		return err
	}
	return c.JSON(201, t)
}

// changes is the body of PATCH: what is left out stays (RFC 7396).
type changes struct {
	Title *string `json:"title"`
	Done  *bool   `json:"done"`
}

// Validate is called by BindJSON.
func (p *changes) Validate() error {
	switch {
	case p.Title != nil:
		return checkTitle(*p.Title)
	case p.Done == nil:
		return &http.FieldError{Reason: "needs title or done"}
	}
	return nil
}

func checkTitle(title string) error {
	switch n := utf8.RuneCountInString(title); {
	case strings.TrimSpace(title) == "":
		return &http.FieldError{Field: "title", Reason: "must not be empty"}
	case n > maxTitle:
		return &http.FieldError{Field: "title", Reason: fmt.Sprintf("must not be longer than %d characters", maxTitle)}
	}
	return nil
}

func (a *api) update(c *http.Ctx) error {
	id, err := idOf(c)
	if err != nil {
		return err
	}
	var in changes
	if err := c.BindJSON(&in, strict); err != nil {
		return err
	}
	t, err := a.change(c, "updated", func(ctx context.Context) (Todo, error) { return a.store.Update(ctx, id, in.Title, in.Done) })
	if err != nil {
		return err
	}
	return c.JSON(200, t)
}

func (a *api) remove(c *http.Ctx) error {
	id, err := idOf(c)
	if err != nil {
		return err
	}
	_, err = a.change(c, "deleted", func(ctx context.Context) (Todo, error) { return Todo{ID: id}, a.store.Delete(ctx, id) })
	if err != nil {
		return err
	}
	return c.NoContent(204)
}

// change makes a change and tells who watches: of one that is deleted the id alone.
func (a *api) change(c *http.Ctx, what string, do func(context.Context) (Todo, error)) (Todo, error) {
	a.changing.Lock()
	defer a.changing.Unlock()
	// A client that leaves in the middle does not undo the change, so it must not keep the event from coming.
	t, err := do(context.WithoutCancel(c))
	if err != nil {
		return t, err
	}
	var told any = t
	if what == "deleted" {
		told = map[string]int64{"id": t.ID}
	}
	data, err := json.Marshal(told)
	if err != nil {
		return t, err
	}
	a.feed.Publish(what, data)
	return t, nil
}

// idOf is the id in the path. What is no number names nothing that exists.
func idOf(c *http.Ctx) (int64, error) {
	id, err := http.Param[int64](c, "id")
	if err != nil {
		return 0, ErrNoTodo
	}
	return id, nil
}
