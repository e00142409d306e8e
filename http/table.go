package http

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/carillon-go/carillon/http/internal/mux"
)

// A Table holds values by patterns, as a Router holds handlers, for rules that apply beside the routes: who may see a path,
// where it has moved to. The zero Table is empty and ready; it is not copied once it holds any. Any goroutine may call
// Match, but not while Add runs.
type Table[T any] struct{ tree mux.Tree[T] }

// Add enters v for a pattern of the form that Router takes: "[METHOD ][HOST]/[PATH]". Errors: a malformed pattern, and one that
// conflicts with another, because neither is more specific.
func (t *Table[T]) Add(pattern string, v T) error {
	p, err := mux.Parse(pattern)
	if e, ok := errors.AsType[*mux.SyntaxError](err); ok {
		return fmt.Errorf("pattern %q, byte %d: %s", pattern, e.Offset, e.Reason)
	}
	if err != nil {
		return err
	}
	_, err = t.tree.Add(p, v, "")
	return err
}

// Match returns the value of the most specific pattern that matches the request, and its captures. What is matched is the decoded path
// in its clean form, so that no spelling of a path gets around a rule.
func (t *Table[T]) Match(c *Ctx) (v T, captures Captures, ok bool) {
	x := c.live()
	path := x.path
	if clean, changed := mux.Clean(nil, path); changed {
		path = clean
	}
	var p mux.Params
	host, _, _ := splitPort(x.host())
	if n := len(host); n > 1 && host[n-1] == '.' { // the same host, as Sites has it
		host = host[:n-1]
	}
	e, ok := t.tree.Match(x.head.method, host, path, &p)
	if !ok || e == nil {
		return v, Captures{}, false
	}
	return e.Value, Captures{&e.Pattern, p, path}, true
}

// Captures are what the wildcards of a pattern have matched. They are valid until the handler returns.
type Captures struct {
	pattern *mux.Pattern
	params  mux.Params
	path    []byte
}

// Get returns what the wildcard of that name has matched, percent-decoded; ok is false when the pattern has none of that name.
func (m Captures) Get(name string) (value string, ok bool) {
	if m.pattern == nil {
		return "", false
	}
	i := m.pattern.Index(name)
	if i < 0 {
		return "", false
	}
	return string(m.params.At(i).Of(m.path)), true
}

// PatternNames returns the names of a pattern's wildcards. Errors are those of Table.Add.
func PatternNames(pattern string) ([]string, error) {
	var t Table[struct{}]
	if err := t.Add(pattern, struct{}{}); err != nil {
		return nil, err
	}
	return t.tree.Entries()[0].Pattern.Names(), nil
}

// SetPath has the handlers behind a middleware see another path, decoded; the target as it was sent stays what it was. It changes
// no routing: what was captured stays as it was. Error: ErrBadRedirect for a path that does not begin with a slash, holds NUL or
// has empty or dot segments.
func (c *Ctx) SetPath(path string) error {
	x := c.live()
	b := []byte(path)
	if _, changed := mux.Clean(nil, b); changed || path == "" || path[0] != '/' || bytes.IndexByte(b, 0) >= 0 {
		return fmt.Errorf("http: rewrite: %w: path %q", ErrBadRedirect, path)
	}
	if x.matched == nil {
		x.matched = bytes.Clone(x.path)
	}
	x.path = b
	return nil
}
