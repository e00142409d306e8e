package static

import (
	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/http"
)

// The answers for names that cannot be served. errUnservable is for names that nobody is told about, not even by a fallback.
var (
	errNotFound     = http.NewError(404, "")
	errUnservable   = http.NewError(404, "")
	errMethod       = http.NewError(405, "")
	errForbidden    = http.NewError(403, "")
	errPrecondition = http.NewError(412, "")
	errOverload     = http.NewError(503, "")
)

// errStale: the file was changed since it was looked up.
const errStale = unix.ESTALE

// Serve answers GET, HEAD and OPTIONS from the folder, and what changes it where that is allowed; it is an http.Handler. On a
// loop it does not look for a file on a disk: what the kernel does not have in its caches, listings, archives and uploads are
// answered by goroutines (see http.Ctx.Async), and where the root is on a file system of a network or of FUSE, everything.
//
// A file of more than 16 KiB is sent by the loop all the same, from the page cache. The first 2 MiB of it, or of a range, are there
// by then; of the rest what the kernel has not read ahead in time is waited for.
func (f *Files) Serve(c *http.Ctx) error {
	if !f.jobs.enter() {
		return errClosed
	}
	defer f.jobs.leave()
	if m := c.Method(); m != "GET" && m != "HEAD" || m == "HEAD" && f.uploads.asked(c) {
		return f.change(c)
	}
	var space [256]byte
	var kept kept
	q := query{f: f, wait: !c.Inline(), kept: &kept}
	var ok bool
	if q.name, q.folder, ok = appendName(space[:0], c.PeekPath()); !ok {
		q.name, q.unservable = nil, true
	}
	if q.wait || !f.root.remote {
		if err := q.serve(c); err != errWouldWait {
			return err
		}
	}
	return f.serveOffLoop(c, q.name, q.asked, kept)
}

// query is what a request asks the folder for.
type query struct {
	f    *Files
	name []byte // beneath the root, without slashes at its ends; it may be extended in place
	asked
	wait bool // waiting for the disk is allowed
	slot bool // one of f.slots is taken
	kept *kept
}

// kept is what the cache held for a name whose look-up could not be made without waiting. It is no part of the query, whose name
// would not be on the stack then.
type kept struct{ before *resource }

// asked is what a query is about besides its name.
type asked struct {
	folder     bool // the path ended in a slash
	unservable bool // the path can name nothing that is served
	bare       bool // it is a folder that no index file answers for
}

// serve answers, by an error page where there is one. Unless wait, it may return errWouldWait and has answered nothing then.
func (q *query) serve(c *http.Ctx) error {
	err := q.answer(c)
	if err == nil || err == errWouldWait && !q.wait || c.Written() {
		return err
	}
	return q.answerError(c, answerTo(err))
}

func (q *query) answer(c *http.Ctx) error {
	switch {
	case q.unservable:
		return errUnservable
	case q.folder:
		return q.serveFolder(c)
	}
	return q.serveName(c, q.name)
}

// serveName answers by the file of that name, or sends a folder's visitor to where its slash is.
func (q *query) serveName(c *http.Ctx, name []byte) error {
	switch kind, err := q.send(c, name, 200); {
	case err != nil:
		return err
	case kind == folder:
		return c.Redirect(301, folderTarget(c.RawPath(), c.RawQuery()))
	case kind == other:
		return errNotFound
	}
	return nil
}

// send answers by the file of that name, or does nothing when it is something else. Errors of the look-up are unix.Errno.
func (q *query) send(c *http.Ctx, name []byte, code int) (kind, error) {
	for range unrest {
		r, err := q.find(c, name)
		if err != nil || r.kind != regular {
			return r.kind, err
		}
		if err = q.sendResource(c, r, code); err != errStale {
			return regular, err
		}
		q.f.cache.forget(r)
	}
	return regular, errOverload // somebody writes it all the time
}

// sendResource answers by r, of which it takes the caller's share. Error: errStale when r has to be looked up again.
func (q *query) sendResource(c *http.Ctx, r *resource, code int) error {
	m, err := q.f.choose(c, r, q.wait)
	if err == nil && !m.inMemory() && m.stale() {
		err = errStale
	}
	if err != nil {
		r.release()
		return err
	}
	if r.varies() {
		if err := c.VaryBy("Accept-Encoding"); err != nil {
			r.release()
			return err
		}
	}
	parts := []http.Range(nil)
	if code == 200 {
		switch c.EvaluatePreconditions(m.validators) {
		case http.PreconditionFailed:
			r.release()
			return errPrecondition
		case http.NotModified:
			c.SetHeaderBlock(m.unchanged)
			r.release()
			return c.NoContent(304)
		}
		if parts, err = c.SelectRanges(m.length, m.validators); err == nil {
			err = m.warmParts(parts, q.wait)
		}
		if err != nil {
			r.release()
			return err
		}
	}
	q.giveSlot() // from here on it is the client who is waited for
	return r.sendForm(c, m, code, parts)
}

// sendForm answers with one form of r, or with parts of it. It takes the caller's share in r.
func (r *resource) sendForm(c *http.Ctx, m *form, code int, parts []http.Range) error {
	if code == 200 {
		c.SetHeaderBlock(m.header)
	} else {
		c.SetHeaderBlock(m.asError)
	}
	switch {
	case !m.inMemory() && len(parts) > 0:
		return c.SendFileParts(m, m.length, parts)
	case !m.inMemory():
		return c.SendFile(code, m, 0, m.length)
	}
	defer r.release()
	if len(parts) > 0 {
		return c.BlobParts("", m.body, parts)
	}
	return c.Blob(code, "", m.body)
}

// find returns what name means, with a share for the caller. Errors are unix.Errno, errWouldWait only unless q.wait, and those
// of header lines that cannot be.
func (q *query) find(c *http.Ctx, name []byte) (*resource, error) {
	f, wait := q.f, q.wait
	now := f.cache.catchUp(c)
	if r := f.cache.get(name, now); r != nil {
		return r, nil
	}
	r, before := f.cache.reserve(name, q.kept.before)
	if r == nil {
		r = newResource(string(name))
		err := f.load(r, false, wait)
		if err == errWouldWait {
			f.cache.unsee(name)
		}
		return r, err
	}
	keep, err := f.cache.followFolders(r, f.root, wait)
	if err == nil {
		err = f.load(r, true, wait)
	}
	if err != nil || !keep || r.kind != regular {
		f.cache.forget(r)
		q.kept.before = before
		return r, err
	}
	f.cache.publish(r, before, now)
	return r, nil
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
	case unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.EAGAIN, errStale:
		return errOverload
	}
	return err
}

// serveFolder answers for a path that ended in a slash: by an index file, else by a listing or an archive. A file is not found
// by such a path.
func (q *query) serveFolder(c *http.Ctx) error {
	prefix := q.name
	if len(q.name) > 0 {
		prefix = append(q.name, '/')
	}
	for _, index := range q.f.index {
		if q.bare {
			break
		}
		full := append(prefix, index...)
		kind, err := q.send(c, full, 200)
		if err == nil && kind == regular || err != nil && err != unix.ENOENT {
			return err
		}
	}
	q.bare = true
	switch {
	case !q.f.listing && q.f.archives == nil:
		return errNotFound
	case !q.wait:
		return errWouldWait
	}
	return q.f.list(c, string(q.name), q.giveSlot)
}

func setHeaders(c *http.Ctx, pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if err := c.SetHeader(pairs[i], pairs[i+1]); err != nil {
			return err
		}
	}
	return nil
}
