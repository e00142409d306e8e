package static

import (
	"errors"
	"fmt"
	nethttp "net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
)

// UploadOptions say what may be put into the folder. A zero field means the default.
type UploadOptions struct {
	// MaxSize bounds one file, in bytes. Default 1 GiB; negative: the route's MaxBody alone.
	MaxSize int64
	// MaxFiles bounds the files of one form. Default 100.
	MaxFiles int
	// Overwrite lets a file take the place of another; without, that is answered by 409.
	Overwrite bool
	// Sync has a file, and the folder that it is in, written to the disk (fsync(2)) before the client hears of its success.
	Sync bool
	// Expiry is how long an upload that can be resumed is kept after the last byte of it has come. Default 24 h; negative:
	// none can be resumed.
	Expiry time.Duration
	// MaxUnfinished bounds the uploads that wait to be resumed: further ones are answered by 503. Default 100.
	MaxUnfinished int
	// TrustedOrigins are origins, "https://pages.example.com", whose pages may upload as the site's own may. Default none.
	TrustedOrigins []string
}

// WithUpload lets clients add files to the folder and what is in it. They do so in three ways:
//
//   - PUT of a file's path answers 201, or 204 for a file that was there already. If-None-Match, If-Match and
//     If-Unmodified-Since are obeyed.
//   - POST of multipart/form-data to a folder's path adds the files of the form and leads back to the folder by 303. When they
//     are all there, each gets its name. The page of a folder has such a form.
//   - tus 1.0.0 (https://tus.io/protocols/resumable-upload) with its extensions creation, creation-with-upload, expiration and
//     termination, at a folder's path, the name in the metadata "filename". The script of the page uses that. What has not
//     arrived whole lies in the hidden folder .carillon-uploads beneath the root, also over a restart, until it expires.
//
// A file has its name when it is whole and not before, and what breaks leaves nothing behind. Folders must be there already:
// 409. Hidden names, and names of what is no regular file, are refused. A disk that is full is answered by 507, a
// request that the page of another site has made by 403, as middleware.CSRF does. Who may upload at all is for the middleware
// in front to say.
//
// Bodies are written as they arrive when the route streams them. GET and HEAD may have a route of their own, on the loop:
//
//	app.Mount("/", files.Serve, http.StreamBody, http.MaxBody(1<<30))
//	app.Get("/{path...}", files.Serve, http.Inline)
//
// Without StreamBody a body is held in memory first, and without MaxBody it is bounded by the server's 4 MiB. A Server with a
// Handler and no App has neither.
func WithUpload(o UploadOptions) Option {
	return func(f *Files) error {
		if o.MaxSize == 0 {
			o.MaxSize = 1 << 30
		}
		if o.Expiry == 0 {
			o.Expiry = 24 * time.Hour
		}
		o.MaxFiles = orDefault(o.MaxFiles, 100)
		o.MaxUnfinished = orDefault(o.MaxUnfinished, 100)
		if o.MaxFiles < 0 || o.MaxUnfinished < 0 {
			return fmt.Errorf("uploads: a bound is below zero")
		}
		for _, origin := range o.TrustedOrigins {
			if err := nethttp.NewCrossOriginProtection().AddTrustedOrigin(origin); err != nil {
				return fmt.Errorf("uploads: %w", err)
			}
		}
		u := &uploads{UploadOptions: o, files: f}
		u.handler = middleware.CSRF(middleware.CSRFOptions{TrustedOrigins: o.TrustedOrigins})(u.serve)
		f.uploads = u
		return nil
	}
}

type uploads struct {
	UploadOptions
	files   *Files
	handler http.Handler
	placing sync.Mutex // between the look at what a name is and giving it to something else
	unfinished
}

func (u *uploads) resumable() bool { return u != nil && u.Expiry > 0 }

// asked says whether a HEAD asks for an upload, and not for a file.
func (u *uploads) asked(c *http.Ctx) bool {
	if !u.resumable() || c.PeekHeader("Tus-Resumable") == nil {
		return false
	}
	_, ok := queryValue(c.RawQuery(), uploadKey)
	return ok
}

// appendForm writes the form of a page.
func (u *uploads) appendForm(p []byte) []byte {
	p = append(p, `<form class="upload card" method="post" action="./" enctype="multipart/form-data"`...)
	if u.resumable() {
		p = append(p, " data-tus"...)
	}
	return append(p, "><label><span>Add files</span> <input type=\"file\" name=\"file\" multiple required></label> <button>Upload</button></form>\n"...)
}

var (
	errExists    = http.NewError(409, "there is such a file already")
	errNoFile    = http.NewError(409, "there is something of that name that is no file")
	errNoFolder  = http.NewError(409, "the folder does not exist")
	errBadName   = http.NewError(403, "files of this name are not taken")
	errFull      = http.NewError(507, "the disk is full")
	errFileSize  = http.NewError(413, "the file is too large")
	errPartial   = http.NewError(400, "a part of a file cannot be put: upload it by tus")
	errEncoded   = http.NewError(415, "files are taken as they are, without Content-Encoding")
	errPutFolder = http.NewError(405, "a folder cannot be put")
	errLength    = http.NewError(400, "the body is not as long as it must be")
)

// change answers for the methods that are not GET and HEAD, and for HEAD of an
// upload that can be resumed.
func (f *Files) change(c *http.Ctx) error {
	if f.uploads == nil {
		return notAllowed(c, "GET, HEAD")
	}
	return f.uploads.handler(c)
}

func notAllowed(c *http.Ctx, allow string) error {
	if err := c.SetHeader("Allow", allow); err != nil {
		return err
	}
	return errMethod
}

func (u *uploads) serve(c *http.Ctx) error {
	name, isFolder, ok := appendName(nil, c.PeekPath())
	if !ok {
		return errBadName
	}
	id, resumed := queryValue(c.RawQuery(), uploadKey)
	resumed = resumed && !isFolder && u.resumable()
	var h http.Handler
	switch m := c.Method(); {
	case m == "OPTIONS":
		return u.options(c, isFolder)
	case resumed && (m == "HEAD" || m == "PATCH" || m == "DELETE"):
		h = func(c *http.Ctx) error { return u.resume(c, string(name), id) }
	case m == "PUT" && !isFolder:
		h = func(c *http.Ctx) error { return u.put(c, string(name)) }
	case m == "PUT":
		_ = notAllowed(c, u.allow(true))
		return errPutFolder
	case m == "POST" && isFolder && c.PeekHeader("Tus-Resumable") != nil && u.resumable():
		h = func(c *http.Ctx) error { return u.create(c, string(name)) }
	case m == "POST" && isFolder:
		h = func(c *http.Ctx) error { return u.form(c, string(name)) }
	default:
		return notAllowed(c, u.allow(isFolder))
	}
	return u.files.offLoop(c, h)
}

func (u *uploads) allow(isFolder bool) string {
	if isFolder {
		return "GET, HEAD, POST, OPTIONS"
	}
	return "GET, HEAD, PUT, OPTIONS"
}

func (u *uploads) options(c *http.Ctx, isFolder bool) error {
	if err := c.SetHeader("Allow", u.allow(isFolder)); err != nil {
		return err
	}
	if u.resumable() && isFolder {
		if err := u.describe(c); err != nil {
			return err
		}
	}
	return c.NoContent(204)
}

// put takes a file by PUT: RFC 9110, 9.3.4.
func (u *uploads) put(c *http.Ctx, name string) error {
	switch {
	case c.PeekHeader("Content-Range") != nil: // RFC 9110, 14.5
		return errPartial
	case c.PeekHeader("Content-Encoding") != nil:
		return errEncoded
	}
	folderName, base := splitName(name)
	dir, err := u.openFolder(folderName)
	if err != nil {
		return err
	}
	defer closeFD(dir)
	if _, err := u.mayPlace(c, dir, base); err != nil {
		return err
	}
	if err := u.limit(c); err != nil {
		return err
	}
	if err := hasRoom(dir, c.ContentLength()); err != nil {
		return err
	}
	d, err := newDraft(dir)
	if err != nil {
		return err
	}
	defer d.discard()
	if _, err := d.fill(c.BodyReader()); err != nil {
		return err
	}
	was, err := u.place(c, d, dir, base)
	if err != nil {
		return err
	}
	if err := c.SetValidators(validatorsOf(d.facts(), time.Now(), nil)); err != nil {
		return err
	}
	if was {
		return c.NoContent(204)
	}
	return c.NoContent(201)
}

// limit bounds the body by MaxSize.
func (u *uploads) limit(c *http.Ctx) error {
	if u.MaxSize < 0 {
		return nil
	}
	return c.LimitBody(u.MaxSize)
}

// splitName splits a name beneath the root, which is not that of the root.
func splitName(name string) (folderName, base string) {
	slash := strings.LastIndexByte(name, '/')
	if slash < 0 {
		return "", name
	}
	return name[:slash], name[slash+1:]
}

// openFolder opens a folder to put something into it. What is then done there is
// done by the fd and one name that is no link, so it stays there.
func (u *uploads) openFolder(name string) (dir int, err error) {
	if name == "" {
		name = "."
	}
	flags := uint64(unix.O_DIRECTORY | unix.O_PATH)
	if u.Sync {
		flags = unix.O_DIRECTORY | unix.O_RDONLY
	}
	dir, err = u.files.root.open([]byte(name+"\x00"), flags)
	if err == nil {
		return dir, nil
	}
	if answer := answerTo(err); answer != errNotFound {
		return -1, answer
	}
	return -1, errNoFolder
}

// mayPlace says whether a file may have the name base in dir, as the request's
// conditions and Overwrite have it, and whether there is one. was is its mode.
func (u *uploads) mayPlace(c *http.Ctx, dir int, base string) (was *unix.Stat_t, err error) {
	var st unix.Stat_t
	switch err := unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW); {
	case err == unix.ENOENT:
		if c.EvaluatePreconditions(http.Validators{Absent: true}) != http.Proceed {
			return nil, errPrecondition
		}
		return nil, nil
	case err == unix.ENAMETOOLONG:
		return nil, errBadName
	case err != nil:
		return nil, answerTo(err)
	case kindOf(st.Mode) != regular:
		return nil, errNoFile
	}
	f := file{size: st.Size, mtime: st.Mtim, ino: st.Ino}
	switch {
	case c.EvaluatePreconditions(validatorsOf(f, time.Now(), nil)) != http.Proceed:
		return nil, errPrecondition
	case !u.Overwrite:
		return nil, errExists
	}
	return &st, nil
}

var errPrecondition = http.NewError(412, "")

// place gives d its name, when it still may have it. was says that there was a
// file before, whose rights it then has. Besides the errors of the clients'
// answers, unix.EXDEV says that d is on another disk.
func (u *uploads) place(c *http.Ctx, d *draft, dir int, base string) (was bool, err error) {
	if u.Sync {
		if err := unix.Fdatasync(d.fd); err != nil {
			return false, writeError(err)
		}
	}
	u.placing.Lock()
	old, err := u.mayPlace(c, dir, base)
	if err == nil {
		if old != nil {
			_ = unix.Fchmod(d.fd, old.Mode&0o777) // where that cannot be, it has those of a new file
		}
		err = d.place(dir, base, old != nil)
	}
	u.placing.Unlock()
	switch {
	case errors.Is(err, unix.EEXIST):
		return false, errExists
	case errors.Is(err, unix.EXDEV):
		return false, err
	case err != nil:
		return false, writeError(err)
	}
	if u.Sync {
		if err := unix.Fsync(dir); err != nil {
			return false, writeError(err)
		}
	}
	return old != nil, nil
}

// writeError turns what the system said about writing into what the client is
// told.
func writeError(err error) error {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return errFull
	case errors.Is(err, unix.EFBIG):
		return errFileSize
	case errors.Is(err, unix.EROFS):
		return errForbidden
	}
	if errno := unix.Errno(0); errors.As(err, &errno) {
		return answerTo(errno)
	}
	return err
}

// hasRoom says by an error that a body of so many bytes cannot fit on the disk:
// better before it is sent. n is -1 when it is not known.
func hasRoom(dir int, n int64) error {
	var st unix.Statfs_t
	if n <= 0 || unix.Fstatfs(dir, &st) != nil || st.Bsize <= 0 || st.Blocks == 0 {
		return nil
	}
	if uint64(n)/uint64(st.Bsize) > st.Bavail {
		return errFull
	}
	return nil
}
