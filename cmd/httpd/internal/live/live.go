// Package live reloads the pages of a folder in the browser when its files change, while one works on them.
package live

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"io"
	"log/slog"
	"mime"
	"strings"
	"sync"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/ws"
)

// Reloader tells pages of changes. Any goroutine, but for Watch and Close.
type Reloader struct {
	logger  *slog.Logger
	feed    http.Handler
	watched map[string]*watch // by their roots; the caller's of Watch

	mu    sync.Mutex
	pages map[*ws.Conn]struct{}
}

// Where the script and its feed are: hidden names, which no folder serves.
const (
	scriptPath = "/.httpd/live.js"
	feedPath   = "/.httpd/live"
)

// largest is how large a page may be, in bytes, that gets the script.
const largest = 4 << 20

//go:embed live.js
var script []byte

var tag = []byte(`<script src="` + scriptPath + `" defer></script>`)

// New returns a Reloader that watches nothing yet.
func New(logger *slog.Logger) *Reloader {
	r := &Reloader{logger: logger, pages: map[*ws.Conn]struct{}{}, watched: map[string]*watch{}}
	r.feed = ws.Endpoint(pages{r: r})
	return r
}

// Watch watches these folders, and no others any more. After an error it watches what it did before. One goroutine at a time.
func (r *Reloader) Watch(roots ...string) error {
	next := map[string]*watch{}
	for _, root := range roots {
		if next[root] != nil {
			continue // of several sites
		}
		if next[root] = r.watched[root]; next[root] != nil {
			continue
		}
		w, err := newWatch(root, r.changed, r.logger)
		if err != nil {
			delete(next, root)
			r.keep(next, r.watched)
			return err
		}
		next[root] = w
	}
	r.keep(r.watched, next)
	r.watched = next
	return nil
}

// keep closes those of list that are not among kept. It waits for what they have to say, which changed needs the lock for.
func (*Reloader) keep(list, kept map[string]*watch) {
	for root, w := range list {
		if kept[root] != w {
			w.close()
		}
	}
}

// Close ends all watching.
func (r *Reloader) Close() error { return r.Watch() }

// changed tells every page which files have.
func (r *Reloader) changed(names []string) {
	text, err := json.Marshal(names)
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := range r.pages {
		_ = p.Send(ws.OpText, text) // one that is closing is told of by OnClose
	}
}

// Middleware adds the script to the pages that next serves, and serves the script. Of the requests of a browser for a page
// it takes out what would have a part of it answered, or none, or compressed.
func (r *Reloader) Middleware(next http.Handler) http.Handler {
	return func(c *http.Ctx) error {
		switch string(c.PeekPath()) {
		case scriptPath:
			if err := c.SetHeader("Cache-Control", "no-store"); err != nil {
				return err
			}
			return c.Blob(200, "text/javascript; charset=utf-8", script)
		case feedPath:
			return r.feed(c)
		}
		if strings.Contains(c.Header("Accept"), "text/html") {
			for _, name := range [...]string{"Range", "If-Range", "If-None-Match", "If-Modified-Since", "Accept-Encoding"} {
				c.DropHeader(name)
			}
			c.AddFilter(injector{})
		}
		return next(c)
	}
}

// injector puts the script into whole pages of HTML.
type injector struct{}

func isPage(c *http.Ctx) bool {
	mediaType, _, err := mime.ParseMediaType(c.ResponseHeader("Content-Type"))
	return err == nil && mediaType == "text/html" && c.ResponseHeader("Content-Encoding") == ""
}

// File implements http.FileFilter.
func (injector) File(c *http.Ctx, n int64) bool { return n <= largest && isPage(c) }

// Whole implements http.Filter.
func (injector) Whole(c *http.Ctx, body []byte) ([]byte, error) {
	if c.StatusCode() == 206 || !isPage(c) {
		return body, nil
	}
	c.DelHeader("Etag")
	c.DelHeader("Last-Modified")
	c.DelHeader("Accept-Ranges")
	if err := c.SetHeader("Cache-Control", "no-store"); err != nil {
		return nil, err
	}
	at := bytes.LastIndex(bytes.ToLower(body), []byte("</body"))
	if at < 0 {
		at = len(body)
	}
	return bytes.Join([][]byte{body[:at], tag, body[at:]}, nil), nil
}

// Stream implements http.Filter: a page that is streamed is left as it is.
func (injector) Stream(*http.Ctx, io.Writer) http.FilterWriter { return nil }

// pages is the WebSocket of the script.
type pages struct {
	ws.NopHandler
	r *Reloader
}

func (p pages) OnOpen(c *ws.Conn) {
	p.r.mu.Lock()
	defer p.r.mu.Unlock()
	p.r.pages[c] = struct{}{}
}

func (p pages) OnClose(c *ws.Conn, _ ws.Code, _ string) {
	p.r.mu.Lock()
	defer p.r.mu.Unlock()
	delete(p.r.pages, c)
}
