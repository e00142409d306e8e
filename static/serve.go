package static

import (
	"bytes"
	"strconv"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/http"
)

// The answers for names that cannot be served.
var (
	errNotFound  = http.NewError(404, "")
	errMethod    = http.NewError(405, "")
	errForbidden = http.NewError(403, "")
	errOverload  = http.NewError(503, "")
	errFailed    = http.NewError(412, "")
)

// Serve answers GET and HEAD from the folder; it is an http.Handler. It runs
// on the loop: what the kernel has in its caches is answered without waiting.
func (f *Files) Serve(c *http.Ctx) error {
	if m := c.Method(); m != "GET" && m != "HEAD" {
		if err := c.SetHeader("Allow", "GET, HEAD"); err != nil {
			return err
		}
		return errMethod
	}
	var space [256]byte
	name, isFolder, ok := appendName(space[:0], c.PeekPath())
	if !ok {
		return errNotFound
	}
	if isFolder {
		return f.serveFolder(c, name)
	}
	found, err := f.root.lookup(append(name, 0))
	if err != nil {
		return answerTo(err)
	}
	switch found.kind {
	case regular:
		return serveFile(c, found, name)
	case folder:
		found.close()
		return c.Redirect(301, folderTarget(c.RawPath(), c.RawQuery()))
	}
	found.close()
	return errNotFound
}

// answerTo turns what the system said about a name into what the client is
// told. A link that leads out (EXDEV), a loop of links, a socket (ENXIO) and
// a name too long are all names that do not exist here.
func answerTo(err error) error {
	switch err {
	case unix.ENOENT, unix.ENOTDIR, unix.EXDEV, unix.ELOOP, unix.ENXIO, unix.ENODEV, unix.ENAMETOOLONG, unix.EINVAL:
		return errNotFound
	case unix.EACCES, unix.EPERM:
		return errForbidden
	case unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.EAGAIN:
		return errOverload
	}
	return err
}

// serveFolder answers for a path that ended in a slash: by an index file, else
// by a listing. A file is not found by such a path.
func (f *Files) serveFolder(c *http.Ctx, name []byte) error {
	prefix := name
	if len(name) > 0 {
		prefix = append(name, '/')
	}
	for _, index := range f.index {
		full := append(prefix, index...)
		found, err := f.root.lookup(append(full, 0))
		switch {
		case err == unix.ENOENT:
			continue
		case err != nil:
			return answerTo(err)
		case found.kind == regular:
			return serveFile(c, found, full)
		}
		found.close()
	}
	if !f.listing {
		return errNotFound
	}
	own := name
	if len(own) == 0 {
		own = append(own, '.')
	}
	found, err := f.root.lookup(append(own, 0))
	if err != nil {
		return answerTo(err)
	}
	if found.kind != folder {
		found.close()
		return errNotFound
	}
	entries, more, err := f.root.readFolder(found, name)
	if err != nil {
		return answerTo(err)
	}
	o := orderOf(c.PeekRawQuery())
	arrange(entries, o)
	page := appendListing(make([]byte, 0, 4096+192*len(entries)), string(name), entries, more, o)
	if err := setHeaders(c, "Content-Security-Policy", listingPolicy, "X-Content-Type-Options", "nosniff"); err != nil {
		return err
	}
	return c.Blob(200, "text/html; charset=utf-8", page)
}

// smallBody is the size up to which a body is read into memory and leaves in
// the same write as its header; above it, sendfile(2) moves it without a copy.
// In memory a request for 1 KiB costs 3 µs less and one for 4 KiB 2 µs less;
// at 8 to 16 KiB the copies have eaten that up, at 64 KiB they cost 7 µs more.
const smallBody = 8 << 10

// workspace is the memory that one answer takes until the Ctx has copied it.
type workspace struct {
	body [smallBody]byte
	etag [64]byte
	date [64]byte
}

var workspaces = sync.Pool{New: func() any { return new(workspace) }}

// serveFile answers by a regular file, which it takes over. name is used for
// its ending only.
func serveFile(c *http.Ctx, f file, name []byte) error {
	now := time.Now()
	w := workspaces.Get().(*workspace)
	defer workspaces.Put(w)
	v := validatorsOf(f, now, w.etag[:0])
	cond := conditionsOf(c)
	switch cond.evaluate(v) {
	case failed:
		f.close()
		return errFailed
	case notModified:
		f.close()
		if err := setValidators(c, w, v); err != nil {
			return err
		}
		return c.NoContent(304)
	}
	code, part := 200, span{0, f.size}
	if h := c.PeekHeader("Range"); h != nil && c.Method() == "GET" && cond.rangeHolds(v, now.Unix()) {
		switch s, how := selectRange(h, f.size); how {
		case selectPart:
			code, part = 206, s
		case selectNone:
			f.close()
			return rangeNotSatisfiable(c, f.size)
		}
	}
	if err := setValidators(c, w, v); err != nil {
		f.close()
		return err
	}
	return sendFile(c, w, code, f, part, contentType(name[bytes.LastIndexByte(name, '/')+1:]))
}

// sendFile writes the answer: part of f, which it takes over.
func sendFile(c *http.Ctx, w *workspace, code int, f file, part span, mediaType string) error {
	err := setHeaders(c, "Accept-Ranges", "bytes", "X-Content-Type-Options", "nosniff")
	if err == nil && code == 206 {
		err = c.SetHeader("Content-Range", contentRange(part, f.size))
	}
	if err != nil {
		f.close()
		return err
	}
	if part.n <= smallBody && c.Method() == "GET" {
		n, err := f.read(w.body[:part.n], part.off)
		if err == nil && int64(n) == part.n {
			f.close()
			return c.Blob(code, mediaType, w.body[:n])
		}
		// Unreadable or cut short since it was opened: what SendFile then
		// does, which is to promise the length and to end the connection, is
		// the truth about this file.
	}
	if err := c.SetHeader("Content-Type", mediaType); err != nil {
		f.close()
		return err
	}
	return c.SendFile(code, &sendable{f.fd}, part.off, part.n)
}

func rangeNotSatisfiable(c *http.Ctx, size int64) error {
	if err := c.SetHeader("Content-Range", "bytes */"+strconv.FormatInt(size, 10)); err != nil {
		return err
	}
	return c.Text(416, "416 Range Not Satisfiable\n")
}

func setValidators(c *http.Ctx, w *workspace, v validators) error {
	if err := c.SetHeader("ETag", viewOf(v.etag)); err != nil || v.modified == noDate {
		return err
	}
	date := time.Unix(v.modified, 0).UTC().AppendFormat(w.date[:0], timeFormat)
	return c.SetHeader("Last-Modified", viewOf(date))
}

// viewOf lets b be passed as a string to what copies it at once.
func viewOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func setHeaders(c *http.Ctx, pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if err := c.SetHeader(pairs[i], pairs[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// conditionsOf reads the conditional header fields of a request.
func conditionsOf(c *http.Ctx) conditions {
	return conditions{
		ifMatch:           listOf(c, "If-Match"),
		ifNoneMatch:       listOf(c, "If-None-Match"),
		ifModifiedSince:   c.PeekHeader("If-Modified-Since"),
		ifUnmodifiedSince: c.PeekHeader("If-Unmodified-Since"),
		ifRange:           c.PeekHeader("If-Range"),
	}
}

// listOf returns a list field, its lines joined (RFC 9110, 5.3); nil when it
// is absent.
func listOf(c *http.Ctx, name string) []byte {
	first := c.PeekHeader(name)
	if first == nil {
		return nil
	}
	var joined []byte
	for field, value := range c.Headers() {
		if len(field) == len(name) && bytes.EqualFold([]byte(field), []byte(name)) {
			if joined != nil {
				joined = append(joined, ',')
			}
			joined = append(joined, value...)
		}
	}
	return joined
}
