package static

import (
	"io"
	"math"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/http"
)

// formFile is one file of a form.
type formFile struct {
	base string
	*draft
}

// form takes the files of multipart/form-data: RFC 7578. No file gets its name
// before the whole form has come.
func (u *uploads) form(c *http.Ctx, folderName string) error {
	dir, err := u.openFolder(folderName)
	if err != nil {
		return err
	}
	defer closeFD(dir)
	if err := hasRoom(dir, c.ContentLength()); err != nil {
		return err
	}
	var files []formFile
	defer func() {
		for _, f := range files {
			f.discard()
		}
	}()
	for part, err := range c.Multipart(http.MultipartOptions{MaxParts: u.MaxFiles + otherParts}) {
		if err != nil {
			return err
		}
		if !part.IsFile || part.Filename == "" {
			continue
		}
		if len(files) == u.MaxFiles {
			return errManyFiles
		}
		if err := u.checkBeside(files, part.Filename); err != nil {
			return err
		}
		d, err := u.formDraft(c, dir, part)
		if err != nil {
			return err
		}
		files = append(files, formFile{part.Filename, d})
		if len(files) > openDrafts {
			if err := u.shelve(d); err != nil {
				return err
			}
		}
	}
	if len(files) == 0 {
		return errNoFiles
	}
	for _, f := range files {
		if _, err := u.place(c, f.draft, dir, f.base); err != nil {
			return err
		}
	}
	return c.Redirect(303, "./")
}

// checkBeside says by an error that a name cannot be placed together with those of the form that have come before.
func (u *uploads) checkBeside(files []formFile, base string) error {
	for _, f := range files {
		switch {
		case f.base == base:
			return errTwice
		case !u.Overwrite && u.areTwins(f.base, base):
			return errTwin
		}
	}
	return nil
}

// areTwins says whether one of two names is that of a twin of the other: the second to be placed might be refused.
func (u *uploads) areTwins(a, b string) bool {
	ofA, ok := u.files.twinOf(a)
	ofB, too := u.files.twinOf(b)
	return ok && ofA == b || too && ofB == a
}

// openDrafts is how many files of a form are held open until the form is whole. Further ones have a hidden name meanwhile, which
// stays behind when the process is killed; but a client cannot have as many files opened as it likes.
const openDrafts = 8

// otherParts is how many fields a form may have that are no files.
const otherParts = 20

// shelve is that of a draft, with what place would do while it is open.
func (u *uploads) shelve(d *draft) error {
	if err := u.sync(d.fd, unix.Fdatasync); err != nil {
		return writeError(err)
	}
	return d.shelve()
}

var (
	errManyFiles = http.NewError(413, "too many files in one form")
	errTwice     = http.NewError(400, "two files of the form have the same name")
	errNoFiles   = http.NewError(400, "the form has no file")
)

// formDraft writes one part to a draft.
func (u *uploads) formDraft(c *http.Ctx, dir int, part *http.Part) (*draft, error) {
	if !isBase(part.Filename) {
		return nil, errBadName
	}
	if _, err := u.mayPlace(c, dir, part.Filename); err != nil {
		return nil, err
	}
	d, err := newDraft(dir)
	if err != nil {
		return nil, err
	}
	var body io.Reader = part
	if u.MaxSize >= 0 && u.MaxSize < math.MaxInt64 {
		body = io.LimitReader(part, u.MaxSize+1)
	}
	n, err := d.fill(body)
	if err == nil && u.MaxSize >= 0 && n > u.MaxSize {
		err = errFileSize
	}
	if err != nil {
		d.discard()
		return nil, err
	}
	return d, nil
}

// isBase says whether a client's name for a file is one that would be served, and
// one name and not a path.
func isBase(name string) bool {
	got, isFolder, ok := appendName(nil, []byte("/"+name))
	return ok && !isFolder && !strings.Contains(name, "/") && len(got) == len(name) && len(name) <= 255
}
