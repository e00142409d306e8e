package static

import (
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
)

// Serve answers GET and HEAD from the folder; it is an http.Handler. It runs
// on the loop: what the kernel has in its caches is answered without waiting.
func (f *Files) Serve(c *http.Ctx) error {
	if m := c.Method(); m != "GET" && m != "HEAD" || m == "HEAD" && f.uploads.asked(c) {
		return f.change(c)
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
	return f.list(c, name)
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
}

var workspaces = sync.Pool{New: func() any { return new(workspace) }}

// serveFile answers by a regular file, which it takes over. name is used for
// its ending only.
func serveFile(c *http.Ctx, f file, name []byte) error {
	now := time.Now()
	w := workspaces.Get().(*workspace)
	defer workspaces.Put(w)
	v := validatorsOf(f, now, w.etag[:0])
	if done, err := c.CheckPreconditions(v); done || err != nil {
		f.close()
		return err
	}
	code := 200
	part, partial, err := c.SelectRange(f.size, v)
	if err != nil {
		f.close()
		return err
	}
	if partial {
		code = 206
	}
	return sendFile(c, w, code, f, part, http.MediaType(name))
}

// validatorsOf makes the validators of a file as they are at the time now, the
// ETag in space: they are valid as long as that is.
func validatorsOf(f file, now time.Time, space []byte) http.Validators {
	state := http.FileState{Size: f.size, Modified: time.Unix(f.mtime.Unix()), Inode: f.ino}
	return http.Validators{ETag: viewOf(state.AppendETag(space, now)), Modified: state.LastModified(now)}
}

// sendFile writes the answer: part of f, which it takes over.
func sendFile(c *http.Ctx, w *workspace, code int, f file, part http.Range, mediaType string) error {
	err := setHeaders(c, "Accept-Ranges", "bytes", "X-Content-Type-Options", "nosniff")
	if err == nil && code == 206 {
		err = c.SetHeader("Content-Range", part.ContentRange(f.size))
	}
	if err != nil {
		f.close()
		return err
	}
	if part.Length <= smallBody && c.Method() == "GET" {
		n, err := f.read(w.body[:part.Length], part.Off)
		if err == nil && int64(n) == part.Length {
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
	return c.SendFile(code, &sendable{f.fd}, part.Off, part.Length)
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
