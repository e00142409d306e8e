package static

import (
	"hash/maphash"
	"strconv"
	"strings"

	"github.com/carillon-go/carillon/http"
)

// listing is one answer that lists a folder.
type listing struct {
	name    string // of the folder beneath the root, "" for the root itself
	entries *entries
	order   order
	readme  readme
	// What the page offers besides.
	archives []string // formats
	uploads  *uploads
}

// list answers for the folder name, which has no index file: by a page or JSON
// that lists it, or by an archive of it, where that is allowed.
func (f *Files) list(c *http.Ctx, name []byte) error {
	query := c.RawQuery()
	folderName := string(name)
	format, asked := queryValue(query, "download")
	switch {
	case asked && f.archives != nil:
		return f.archives.serve(c, f, folderName, format)
	case !f.listing:
		return errNotFound
	}
	format, asked = queryValue(query, "format")
	var json bool
	switch {
	case !asked:
		if err := c.VaryBy("Accept"); err != nil {
			return err
		}
		json = prefersJSON(c)
	case format == "json":
		json = true
	case format != "html":
		return http.NewError(400, "format is json or html")
	}
	return f.offLoop(c, func(c *http.Ctx) error {
		l := listing{name: folderName, order: orderOf(query), uploads: f.uploads}
		if f.archives != nil {
			l.archives = f.archives.Formats
		}
		return l.answer(c, f, json)
	})
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
func (l *listing) answer(c *http.Ctx, f *Files, json bool) error {
	found, err := f.root.openFolder(l.name)
	if err != nil {
		return err
	}
	l.entries, err = f.root.readFolder(c, found, l.name, f.held)
	if err != nil {
		return answerTo(err)
	}
	defer l.entries.release()
	if n := l.entries.readme; n >= 0 && !json {
		l.readme = f.root.readReadme(l.name, l.entries.name(&l.entries.list[n]))
	}
	l.entries.arrange(l.order)
	if done, err := l.setHeaders(c, f.seed, json); done || err != nil {
		return err
	}
	mediaType := "text/html; charset=utf-8"
	if json {
		mediaType = "application/json"
	}
	return c.Stream(200, mediaType, func(s *http.Stream) error {
		switch {
		case c.Method() == "HEAD":
			return nil
		case json:
			return l.writeJSON(s)
		}
		return l.writePage(s)
	})
}

// setHeaders sets the header lines, or has answered by 304. The ETag is made of
// all that the answer is made of; it is weak, for the bytes may differ where what
// they say does not. A folder has no Last-Modified: that of its files is unknown
// to it, and the latest of them may have been taken away.
func (l *listing) setHeaders(c *http.Ctx, seed maphash.Seed, json bool) (done bool, err error) {
	lines := []string{"X-Content-Type-Options", "nosniff", "Cache-Control", "no-cache"}
	if !json {
		lines = append(lines, "Content-Security-Policy", l.policy(), "Referrer-Policy", "same-origin")
	}
	if err := setHeaders(c, lines...); err != nil {
		return false, err
	}
	sum := l.entries.hash(seed, l.order, l.readme.name, l.readme.text, strconv.FormatBool(json))
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
