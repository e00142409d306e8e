package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
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
	app.Use(middleware.Log(log))
	app.Get("/healthz", func(c *http.Ctx) error { return c.Text(200, "ok\n") }, http.Inline)

	v1 := app.Group("/api/v1", requireKey(key))
	v1.Get("/todos", a.list)
	v1.Post("/todos", a.create, http.MaxBody(maxBody))
	v1.Get("/todos/{id}", a.read)
	v1.Patch("/todos/{id}", a.update, http.MaxBody(maxBody))
	v1.Delete("/todos/{id}", a.remove)
	v1.Get("/events", a.watch)
	return app
}

// requireKey lets through what has "Authorization: Bearer KEY" (RFC 6750).
func requireKey(key string) http.Middleware {
	want := sha256.Sum256([]byte(key)) // of equal length whatever is sent: comparing takes the same time
	return func(next http.Handler) http.Handler {
		return func(c *http.Ctx) error {
			scheme, token, _ := strings.Cut(c.Header("Authorization"), " ")
			have := sha256.Sum256([]byte(strings.TrimLeft(token, " ")))
			if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(have[:], want[:]) != 1 {
				return &http.Error{Code: 401, Detail: "a bearer key is needed",
					Header: map[string]string{"WWW-Authenticate": `Bearer realm="todo"`}}
			}
			return next(c)
		}
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
	return reply(c, 200, map[string]any{"todos": todos, "last_event": a.feed.Last()})
}

func (a *api) read(c *http.Ctx) error {
	id, err := idOf(c)
	if err != nil {
		return err
	}
	t, err := a.store.Get(c, id)
	if err != nil {
		return answerFor(err)
	}
	return reply(c, 200, t)
}

// newTodo is the body of POST.
type newTodo struct {
	Title string `json:"title"`
}

func (n *newTodo) check(bad map[string]string) { checkTitle(n.Title, bad) }

func (a *api) create(c *http.Ctx) error {
	var in newTodo
	if err := decode(c, &in); err != nil {
		return err
	}
	t, err := a.change(c, "created", func(ctx context.Context) (Todo, error) { return a.store.Create(ctx, in.Title) })
	if err != nil {
		return err
	}
	if err := c.SetHeader("Location", "/api/v1/todos/"+strconv.FormatInt(t.ID, 10)); err != nil {
		return err
	}
	return reply(c, 201, t)
}

// changes is the body of PATCH: what is left out stays (RFC 7396).
type changes struct {
	Title *string `json:"title"`
	Done  *bool   `json:"done"`
}

func (p *changes) check(bad map[string]string) {
	if p.Title != nil {
		checkTitle(*p.Title, bad)
	}
	if p.Title == nil && p.Done == nil {
		bad[""] = "needs title or done"
	}
}

func checkTitle(title string, bad map[string]string) {
	switch n := utf8.RuneCountInString(title); {
	case strings.TrimSpace(title) == "":
		bad["title"] = "must not be empty"
	case n > maxTitle:
		bad["title"] = "must not be longer than " + strconv.Itoa(maxTitle) + " characters"
	}
}

func (a *api) update(c *http.Ctx) error {
	id, err := idOf(c)
	if err != nil {
		return err
	}
	var in changes
	if err := decode(c, &in); err != nil {
		return err
	}
	t, err := a.change(c, "updated", func(ctx context.Context) (Todo, error) { return a.store.Update(ctx, id, in.Title, in.Done) })
	if err != nil {
		return err
	}
	return reply(c, 200, t)
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
		return t, answerFor(err)
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
	id, err := strconv.ParseInt(c.Param("id"), 10, 64)
	if err != nil || id <= 0 {
		return 0, answerFor(ErrNoTodo)
	}
	return id, nil
}

// answerFor gives the store's errors the status that a client should see; others are 500.
func answerFor(err error) error {
	if errors.Is(err, ErrNoTodo) {
		return &http.Error{Code: 404, Detail: "there is nothing to do of that id", Err: err}
	}
	return err
}

// decode reads the body, a JSON object of in's fields, and has in checked. Errors are those of Ctx.Body; 415 for another type,
// 400 for what is not such an object, and 422 with the member "errors", which says what is wrong with each field.
func decode(c *http.Ctx, in interface{ check(bad map[string]string) }) error {
	if typ, _, err := mime.ParseMediaType(c.Header("Content-Type")); err != nil || typ != "application/json" {
		return http.NewError(415, "send application/json")
	}
	body, err := c.Body()
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err = d.Decode(in)
	if _, more := d.Token(); err == nil && more != io.EOF {
		err = errors.New("more than one JSON value")
	}
	if err != nil {
		return &http.Error{Code: 400, Detail: strings.TrimPrefix(err.Error(), "json: "), Err: err}
	}
	bad := map[string]string{}
	if in.check(bad); len(bad) > 0 {
		return &http.Error{Code: 422, Detail: "some fields are not valid", Members: map[string]any{"errors": bad}}
	}
	return nil
}

// reply answers with v as JSON.
func reply(c *http.Ctx, code int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.Blob(code, "application/json", body)
}
