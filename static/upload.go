package static

import (
	"cmp"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/http"
)

type uploads struct {
	UploadOptions
	files   *Files
	into    []string // names of the folders that take files; nil: the root
	handler http.Handler
	placing sync.Mutex // between the look at what a name is and giving it to something else
	unfinished
}

func (u *uploads) resumable() bool { return u != nil && u.Expiry > 0 }

// in returns u where files may be put into the folder name, else nil.
func (u *uploads) in(name string) *uploads {
	if u == nil || len(u.into) == 0 {
		return u
	}
	for _, top := range u.into {
		if rest, ok := strings.CutPrefix(name, top); ok && (top == "" || rest == "" || rest[0] == '/') {
			return u
		}
	}
	return nil
}

// check says by an error that one of the folders is not there.
func (u *uploads) check() error {
	for _, name := range u.into {
		f, err := u.files.root.stat([]byte(cmp.Or(name, ".") + "\x00"))
		if err == nil && f.kind != folder {
			err = unix.ENOTDIR
		}
		if err != nil {
			return &fs.PathError{Op: "upload to", Path: "/" + name, Err: err}
		}
	}
	return nil
}

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
	errTwin      = http.NewError(409, "it would be sent in the place of a file that is there already")
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

func (u *uploads) serve(c *http.Ctx) error {
	name, isFolder, ok := appendName(nil, c.PeekPath())
	if !ok {
		return errBadName
	}
	folderName := string(name)
	if !isFolder {
		folderName, _ = splitName(folderName)
	}
	switch {
	case u.in(folderName) != nil:
	case c.Method() == "HEAD": // see asked
		return errTusGone
	default:
		return cannotChange(c)
	}
	id, resumed := queryValue(c.RawQuery(), uploadKey)
	resumed = resumed && !isFolder && u.resumable()
	var h http.Handler
	switch m := c.Method(); {
	case m == "OPTIONS":
		return u.options(c, isFolder, resumed)
	case resumed && (m == "HEAD" || m == "PATCH" || m == "DELETE"):
		h = func(c *http.Ctx) error { return u.resume(c, string(name), id) }
	case m == "PUT" && !isFolder:
		h = func(c *http.Ctx) error { return u.put(c, string(name)) }
	case m == "PUT":
		_ = notAllowed(c, u.methods(true, false))
		return errPutFolder
	case m == "POST" && isFolder && c.PeekHeader("Tus-Resumable") != nil && u.resumable():
		h = func(c *http.Ctx) error { return u.create(c, string(name)) }
	case m == "POST" && isFolder:
		h = func(c *http.Ctx) error { return u.form(c, string(name)) }
	default:
		return notAllowed(c, u.methods(isFolder, resumed))
	}
	return u.files.offLoop(c, h)
}

func (u *uploads) options(c *http.Ctx, isFolder, resumed bool) error {
	if err := c.SetHeader("Allow", u.methods(isFolder, resumed)); err != nil {
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
	dir, base, err := u.openParent(name)
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
	if err := c.SetValidators(d.facts().validators(time.Now())); err != nil {
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

// openParent opens the folder of a file to be, whose name there is base.
func (u *uploads) openParent(name string) (dir int, base string, err error) {
	folderName, base := splitName(name)
	dir, err = u.openFolder(folderName)
	return dir, base, err
}

// mayPlace says whether a file may have the name base in dir, as the request's
// conditions and Overwrite have it, and whether there is one. was is its mode.
func (u *uploads) mayPlace(c *http.Ctx, dir int, base string) (was *unix.Stat_t, err error) {
	var st unix.Stat_t
	switch err := unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW); {
	case err == unix.ENOENT:
		switch {
		case c.EvaluatePreconditions(http.Validators{Absent: true}) != http.Proceed:
			return nil, errPrecondition
		case !u.Overwrite && u.isTwin(dir, base):
			return nil, errTwin
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
	case c.EvaluatePreconditions(f.validators(time.Now())) != http.Proceed:
		return nil, errPrecondition
	case !u.Overwrite:
		return nil, errExists
	}
	return &st, nil
}

// isTwin says whether a file base in dir would be sent in the place of another that is there.
func (u *uploads) isTwin(dir int, base string) bool {
	original, ok := u.files.twinOf(base)
	if !ok {
		return false
	}
	var st unix.Stat_t
	err := unix.Fstatat(dir, original, &st, unix.AT_SYMLINK_NOFOLLOW)
	return err != unix.ENOENT && (err != nil || kindOf(st.Mode) != folder)
}

// hasTwin says whether something would be sent in the place of a new file base in dir.
func (u *uploads) hasTwin(dir int, base string, f file) bool {
	for _, c := range u.files.twins {
		var st unix.Stat_t
		if isTwinName(base) || unix.Fstatat(dir, base+twinEndings[c], &st, 0) != nil {
			continue
		}
		if kindOf(st.Mode) == regular && !older(st.Mtim, f.mtime) {
			return true
		}
	}
	return false
}

// place gives d its name, when it still may have it. was says that there was a
// file before, whose rights it then has. Besides the errors of the clients'
// answers, unix.EXDEV says that d is on another disk.
func (u *uploads) place(c *http.Ctx, d *draft, dir int, base string) (was bool, err error) {
	if d.fd >= 0 { // else it was synced before it was shelved
		if err := u.sync(d.fd, unix.Fdatasync); err != nil {
			return false, writeError(err)
		}
	}
	u.placing.Lock()
	old, err := u.mayPlace(c, dir, base)
	if err == nil && old == nil && !u.Overwrite && u.hasTwin(dir, base, d.facts()) {
		err = errTwin
	}
	if err == nil {
		if old != nil {
			_ = d.chmod(old.Mode & 0o777) // where that cannot be, it has those of a new file
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
	if err := u.sync(dir, unix.Fsync); err != nil {
		return false, writeError(err)
	}
	return old != nil, nil
}

// sync has what fd is open for written to the disk, if that is wanted. Nothing takes a thread for longer, so it is bounded.
func (u *uploads) sync(fd int, flush func(int) error) error {
	if !u.Sync {
		return nil
	}
	u.files.slots <- struct{}{}
	defer func() { <-u.files.slots }()
	return flush(fd)
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
