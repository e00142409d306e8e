package static

import (
	"strconv"
	"strings"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/coding"
)

// listing is one answer that lists a folder.
type listing struct {
	name    string // of the folder beneath the root, "" for the root itself
	entries *entries
	order   order
	readme  readme
	json    bool // rather than a page
	// negotiated: by the Accept of the request
	negotiated bool
	// What the page offers besides.
	archives []string // formats
	uploads  *uploads
}

// list answers for the folder name, which has no index file: by a page or JSON
// that lists it, or by an archive of it, where that is allowed. It blocks, and calls read when it has read the folder: from then
// on it is the client who is waited for. An archive has a bound of its own.
func (f *Files) list(c *http.Ctx, name string, read func()) error {
	query := c.RawQuery()
	format, asked := queryValue(query, "download")
	switch {
	case asked && f.archives != nil:
		read()
		return f.archives.serve(c, f, name, format)
	case !f.listing:
		return errNotFound
	}
	l := listing{name: name, order: orderOf(query), uploads: f.uploads.in(name)}
	if f.archives != nil {
		l.archives = f.archives.Formats
	}
	switch format, asked := queryValue(query, "format"); {
	case !asked:
		l.negotiated, l.json = true, prefersJSON(c)
	case format == "json":
		l.json = true
	case format != "html":
		return http.NewError(400, "format is json or html")
	}
	return l.answer(c, f, read)
}

// prefersJSON says whether the client likes JSON better than a page. Who likes
// both as much, as whoever takes anything, gets the page.
func prefersJSON(c *http.Ctx) bool {
	page, _ := coding.MediaWeight(c, "text/html")
	json, _ := coding.MediaWeight(c, "application/json")
	return json > page
}

// queryValue returns the first value of key in a raw query, as it stands there:
// the values that are looked for need no escaping.
func queryValue(query, key string) (value string, ok bool) {
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if name == key {
			return value, true
		}
	}
	return "", false
}

// openFolder opens a folder beneath the root for reading its names.
func (r *root) openFolder(name string) (file, error) {
	if name == "" {
		name = "."
	}
	found, err := r.lookup([]byte(name + "\x00"))
	if err != nil {
		return found, answerTo(err)
	}
	if found.kind != folder {
		found.close()
		return found, errNotFound
	}
	return found, nil
}

// answer reads the folder and writes it. It blocks.
func (l *listing) answer(c *http.Ctx, f *Files, read func()) error {
	found, err := f.root.openFolder(l.name)
	if err != nil {
		return err
	}
	l.entries, err = f.root.readFolder(c, found, l.name, f.held)
	if err != nil {
		return answerTo(err)
	}
	defer l.entries.release()
	if n := l.entries.readme; n >= 0 && !l.json {
		l.readme = f.root.readReadme(l.name, l.entries.name(&l.entries.list[n]))
	}
	read()
	l.entries.arrange(l.order)
	if done, err := l.setHeaders(c, f); done || err != nil {
		return err
	}
	mediaType := "text/html; charset=utf-8"
	if l.json {
		mediaType = "application/json"
	}
	return c.Stream(200, mediaType, func(s *http.Stream) error {
		switch {
		case c.Method() == "HEAD":
			return nil
		case l.json:
			return l.writeJSON(s)
		}
		return l.writePage(s)
	})
}

// setHeaders sets the header lines, or has answered by 304. The ETag is made of
// all that the answer is made of; it is weak, for the bytes may differ where what
// they say does not. A folder has no Last-Modified: that of its files is unknown
// to it, and the latest of them may have been taken away.
func (l *listing) setHeaders(c *http.Ctx, f *Files) (done bool, err error) {
	if l.negotiated {
		if err := c.VaryBy("Accept"); err != nil {
			return false, err
		}
	}
	own := headerList{"X-Content-Type-Options", "nosniff", "Cache-Control", "no-cache"}
	if !l.json {
		own = append(own, "Content-Security-Policy", l.policy(), "Referrer-Policy", "same-origin")
	}
	if err := setHeaders(c, f.rules.applyToFolder(own, l.name)...); err != nil {
		return false, err
	}
	sum := l.entries.hash(f.seed, l.order, l.readme.name, l.readme.text, strconv.FormatBool(l.json))
	return c.CheckPreconditions(http.Validators{ETag: `W/"` + strconv.FormatUint(sum, 36) + `"`})
}

// pieceSize is how many bytes of a listing are gathered before they are sent, or
// the client's slowness is waited for.
const pieceSize = 32 << 10

func (l *listing) writeJSON(s *http.Stream) error {
	p := appendJSONHead(make([]byte, 0, pieceSize+4096), l.name, l.entries.more)
	for i := range l.entries.list {
		e := &l.entries.list[i]
		p = appendJSONEntry(p, e, l.entries.name(e), i == 0)
		if len(p) >= pieceSize {
			if _, err := s.Write(p); err != nil {
				return err
			}
			p = p[:0]
		}
	}
	_, err := s.Write(append(p, jsonTail...))
	return err
}

func (l *listing) writePage(s *http.Stream) error {
	p := l.appendHead(make([]byte, 0, pieceSize+4096))
	for i := range l.entries.list {
		e := &l.entries.list[i]
		p = appendRow(p, e, l.entries.name(e))
		if len(p) >= pieceSize {
			if _, err := s.Write(p); err != nil {
				return err
			}
			p = p[:0]
		}
	}
	p, err := l.appendTail(p)
	if err != nil {
		return err
	}
	_, err = s.Write(p)
	return err
}
