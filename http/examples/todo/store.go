package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite", in Go alone
)

// Todo is one thing to do.
type Todo struct {
	ID      int64     `json:"id"`
	Title   string    `json:"title"`
	Done    bool      `json:"done"`
	Created time.Time `json:"created"` // in whole milliseconds, UTC
}

// Store keeps things to do in a file. Any goroutine may call its methods, which block; their errors are those of the database,
// of the context, and ErrNoTodo.
type Store struct{ db *sql.DB }

// ErrNoTodo: there is none of that id.
var ErrNoTodo = errors.New("todo: no such id")

const schema = `CREATE TABLE IF NOT EXISTS todo (
	id      INTEGER PRIMARY KEY AUTOINCREMENT, -- an id is never given twice
	title   TEXT    NOT NULL,
	done    INTEGER NOT NULL DEFAULT 0,
	created INTEGER NOT NULL                   -- milliseconds since 1970
)`

// OpenStore opens the database in file, and makes it when there is none.
func OpenStore(file string) (*Store, error) {
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // SQLite has one writer at a time anyway: the queue for it is better here than in busy_timeout
	if _, err := db.Exec(schema); err != nil {
		return nil, errors.Join(fmt.Errorf("todo: open %s: %w", file, err), db.Close())
	}
	return &Store{db}, nil
}

// Close waits for queries that run and closes the file.
func (s *Store) Close() error { return s.db.Close() }

// Ping returns nil when the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.db.PingContext(ctx) }

const columns = "id, title, done, created"

func scan(row interface{ Scan(...any) error }) (Todo, error) {
	var t Todo
	var created int64
	err := row.Scan(&t.ID, &t.Title, &t.Done, &created)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoTodo
	}
	t.Created = time.UnixMilli(created).UTC()
	return t, err
}

// List returns all of them, the oldest first; never nil.
func (s *Store) List(ctx context.Context) ([]Todo, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT "+columns+" FROM todo ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := []Todo{}
	for rows.Next() {
		t, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, rows.Err()
}

// Get returns the one of that id.
func (s *Store) Get(ctx context.Context, id int64) (Todo, error) {
	return scan(s.db.QueryRowContext(ctx, "SELECT "+columns+" FROM todo WHERE id = ?", id))
}

// Create stores a new one.
func (s *Store) Create(ctx context.Context, title string) (Todo, error) {
	return scan(s.db.QueryRowContext(ctx, "INSERT INTO todo (title, created) VALUES (?, ?) RETURNING "+columns,
		title, time.Now().UnixMilli()))
}

// Update changes what is not nil.
func (s *Store) Update(ctx context.Context, id int64, title *string, done *bool) (Todo, error) {
	return scan(s.db.QueryRowContext(ctx,
		"UPDATE todo SET title = coalesce(?, title), done = coalesce(?, done) WHERE id = ? RETURNING "+columns, title, done, id))
}

// Delete removes the one of that id.
func (s *Store) Delete(ctx context.Context, id int64) error {
	res, err := s.db.ExecContext(ctx, "DELETE FROM todo WHERE id = ?", id)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return ErrNoTodo
}
