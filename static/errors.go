package static

import (
	"bytes"
	"context"
	"errors"
	"log/slog"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/coding"
)

// answerError answers for a name that is not served: by the fallback, by the page for the error's code, or else by the error,
// which is then the server's to answer.
func (q *query) answerError(c *http.Ctx, err error) error {
	e, known := errors.AsType[*http.Error](err)
	if !known {
		e = &http.Error{Code: 500, Err: err}
	}
	if e.Code == 404 && e != errUnservable && q.f.fallback != "" && plainSegment(q.name) {
		if err := c.VaryBy("Accept"); err != nil {
			return err
		}
		if isNavigation(c) {
			if failed := q.serveInstead(c, q.f.fallback, 200); failed == nil || failed == errWouldWait && !q.wait || c.Written() {
				return failed
			}
		}
	}
	page := q.f.pages[e.Code]
	if page == "" {
		return err
	}
	for name, value := range e.Header { // Retry-After
		if err := c.SetHeader(name, value); err != nil {
			return err
		}
	}
	failed := q.serveInstead(c, page, e.Code)
	if failed == nil && !known {
		logger := c.Server().Logger
		if logger == nil {
			logger = slog.Default()
		}
		logger.LogAttrs(context.Background(), slog.LevelError, "static: a file cannot be served",
			slog.String("name", string(q.name)), slog.Any("error", err))
	}
	if failed == nil || failed == errWouldWait && !q.wait || c.Written() {
		return failed
	}
	return err // the page is missing as well
}

// serveInstead answers by the file of that name in place of what was asked for.
func (q *query) serveInstead(c *http.Ctx, name string, code int) error {
	kind, err := q.send(c, append(make([]byte, 0, len(name)+1), name...), code)
	if err == nil && kind != regular {
		err = errNotFound
	}
	return err
}

// plainSegment says whether the last segment of a name has no extension, as the addresses of an application's views have none.
func plainSegment(name []byte) bool {
	return bytes.IndexByte(name[bytes.LastIndexByte(name, '/')+1:], '.') < 0
}

// isNavigation says whether the request comes from somebody who is to read the answer: its Accept names text/html, which scripts
// and images do not ask for.
func isNavigation(c *http.Ctx) bool {
	weight, named := coding.MediaWeight(c, "text/html")
	return named && weight > 0
}
