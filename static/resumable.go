package static

import (
	"encoding/base64"
	"errors"
	"io"
	nethttp "net/http"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/http"
)

// Uploads that can be resumed speak tus 1.0.0. The URL of one is that of the file
// that it will be, with ?upload= and an id that nobody can guess. The id also says
// how long the file is to be, and how long what has arrived is tells the offset:
// so nothing has to be remembered, and an upload goes on after a restart.

const (
	tusVersion    = "1.0.0"
	tusExtensions = "creation,creation-with-upload,expiration,termination"
	uploadKey     = "upload"
)

var (
	errTusVersion = &http.Error{Code: 412, Detail: "only tus 1.0.0 is spoken here", Header: map[string]string{"Tus-Version": tusVersion}}
	errTusLength  = http.NewError(400, "Upload-Length must be a number of bytes")
	errTusName    = http.NewError(400, "Upload-Metadata must have a filename, in base64")
	errTusType    = http.NewError(415, "the Content-Type must be application/offset+octet-stream")
	errTusOffset  = http.NewError(409, "the upload is not at this offset")
	errTusGone    = http.NewError(404, "there is no such upload: it has expired, or is done")
	errTusLocked  = http.NewError(423, "the upload is being written to")
	errTusMany    = &http.Error{Code: 503, Detail: "too many uploads are unfinished", Header: map[string]string{"Retry-After": "60"}}
)

// describe tells a client what is spoken here.
func (u *uploads) describe(c *http.Ctx) error {
	err := setHeaders(c, "Tus-Resumable", tusVersion, "Tus-Version", tusVersion, "Tus-Extension", tusExtensions)
	if err == nil && u.MaxSize >= 0 {
		err = c.SetHeader("Tus-Max-Size", strconv.FormatInt(u.MaxSize, 10))
	}
	return err
}

// begin looks at the version, which stands in each request.
func (u *uploads) begin(c *http.Ctx) error {
	if err := c.SetHeader("Tus-Resumable", tusVersion); err != nil {
		return err
	}
	if c.Header("Tus-Resumable") != tusVersion {
		return errTusVersion
	}
	return nil
}

// create answers the POST that announces an upload to a folder; what of the file
// comes with it is taken.
func (u *uploads) create(c *http.Ctx, folderName string) error {
	if err := u.begin(c); err != nil {
		return err
	}
	length, ok := parseCount(c.Header("Upload-Length"))
	if !ok {
		return errTusLength
	}
	if u.MaxSize >= 0 && length > u.MaxSize {
		return errFileSize
	}
	base, err := tusFilename(c)
	if err != nil {
		return err
	}
	switch n := c.ContentLength(); {
	case n > length:
		return errLength
	case n != 0 && !isOffsetType(c):
		return errTusType
	}
	dir, err := u.openFolder(folderName)
	if err != nil {
		return err
	}
	defer closeFD(dir)
	if _, err := u.mayPlace(c, dir, base); err != nil {
		return err
	}
	if err := hasRoom(dir, length); err != nil {
		return err
	}
	s, err := u.newStaged(length)
	if err != nil {
		return err
	}
	defer s.close()
	location := string(appendEscaped([]byte("./"), base, "")) + "?" + uploadKey + "=" + s.id
	if err := c.SetHeader("Location", location); err != nil {
		return err
	}
	if c.ContentLength() != 0 || length == 0 {
		if err := u.receive(c, s, dir, base); err != nil {
			u.remove(s) // the client does not know of it
			c.DelHeader("Location")
			return err
		}
	}
	return u.answerOffset(c, s, 201)
}

// resume answers the requests for an upload that was created before.
func (u *uploads) resume(c *http.Ctx, name, id string) error {
	if err := u.begin(c); err != nil {
		return err
	}
	length, ok := lengthOfID(id)
	if !ok {
		return errTusGone
	}
	s, err := u.openStaged(id, length)
	if err == errTusGone && c.Method() == "HEAD" && u.isDone(id) {
		// The client has missed the answer to its last PATCH.
		if err := setHeaders(c, "Upload-Offset", strconv.FormatInt(length, 10), "Upload-Length", strconv.FormatInt(length, 10),
			"Cache-Control", "no-store"); err != nil {
			return err
		}
		return c.NoContent(200)
	}
	if err != nil {
		return err
	}
	defer s.close()
	switch c.Method() {
	case "DELETE":
		u.remove(s)
		return c.NoContent(204)
	case "PATCH":
		return u.patch(c, s, name)
	}
	if s.size == s.length { // it broke between its last byte and its name, and nobody would send a PATCH any more
		dir, base, err := u.openParent(name)
		if err != nil {
			return err
		}
		defer closeFD(dir)
		if err := u.complete(c, s, dir, base); err != nil {
			return err
		}
	}
	if err := setHeaders(c, "Upload-Length", strconv.FormatInt(length, 10), "Cache-Control", "no-store"); err != nil {
		return err
	}
	return u.answerOffset(c, s, 200)
}

// patch takes more of an upload.
func (u *uploads) patch(c *http.Ctx, s *staged, name string) error {
	if !isOffsetType(c) {
		return errTusType
	}
	offset, ok := parseCount(c.Header("Upload-Offset"))
	if !ok || offset != s.size {
		return errTusOffset
	}
	dir, base, err := u.openParent(name)
	if err != nil {
		return err
	}
	defer closeFD(dir)
	if err := u.receive(c, s, dir, base); err != nil {
		return err
	}
	return u.answerOffset(c, s, 204)
}

// receive writes the request's body to s and, when that is all of it, gives the
// file its name. What has come before a break stays, but not on a disk that is
// full, nor of a body that is too long.
func (u *uploads) receive(c *http.Ctx, s *staged, dir int, base string) error {
	left := s.length - s.size
	if c.ContentLength() > left {
		return errLength
	}
	body := c.BodyReader()
	n, err := s.fill(io.LimitReader(body, left))
	s.size += n
	if err == nil {
		err = endOf(body)
	}
	switch err {
	case errFull:
		u.remove(s)
	case errLength: // what it began with is no part of the file either
		if s.size -= n; unix.Ftruncate(s.fd, s.size) != nil {
			u.remove(s)
		}
	}
	if err != nil || s.size < s.length {
		return err
	}
	return u.complete(c, s, dir, base)
}

// complete gives an upload that is whole its name, or removes it where that is not to be had.
func (u *uploads) complete(c *http.Ctx, s *staged, dir int, base string) error {
	_, err := u.place(c, s.draft, dir, base)
	if errors.Is(err, unix.EXDEV) {
		err = u.placeCopy(c, s, dir, base)
	}
	if err != nil {
		u.remove(s)
		return err
	}
	u.finish(s)
	return nil
}

// endOf says by an error that there is more of a body.
func endOf(body io.Reader) error {
	var one [1]byte
	switch n, err := io.ReadFull(body, one[:]); {
	case n > 0:
		return errLength
	case err != io.EOF:
		return err
	}
	return nil
}

// placeCopy is for a folder on another disk than the unfinished uploads.
func (u *uploads) placeCopy(c *http.Ctx, s *staged, dir int, base string) error {
	d, err := newDraft(dir)
	if err != nil {
		return err
	}
	defer d.discard()
	if _, err := d.fill(io.NewSectionReader(s, 0, s.size)); err != nil {
		return err
	}
	if _, err = u.place(c, d, dir, base); err == nil {
		u.remove(s)
	}
	return err
}

func (u *uploads) answerOffset(c *http.Ctx, s *staged, code int) error {
	lines := []string{"Upload-Offset", strconv.FormatInt(s.size, 10)}
	if s.size < s.length {
		lines = append(lines, "Upload-Expires", time.Now().Add(u.Expiry).UTC().Format(nethttp.TimeFormat))
	}
	if err := setHeaders(c, lines...); err != nil {
		return err
	}
	return c.NoContent(code)
}

func isOffsetType(c *http.Ctx) bool {
	mediaType, _, _ := strings.Cut(c.Header("Content-Type"), ";")
	return strings.EqualFold(textproto.TrimString(mediaType), "application/offset+octet-stream")
}

// tusFilename reads the name from Upload-Metadata: pairs of a key and a value in
// base64, separated by commas.
func tusFilename(c *http.Ctx) (string, error) {
	for pair := range strings.SplitSeq(c.Header("Upload-Metadata"), ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(pair), " ")
		if key != "filename" {
			continue
		}
		name, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return "", errTusName
		}
		if !isBase(string(name)) {
			return "", errBadName
		}
		return string(name), nil
	}
	return "", errTusName
}

// parseCount reads a number of bytes: digits alone, that an int64 can hold.
func parseCount(s string) (int64, bool) {
	if s == "" || !isDigit(s[0]) {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}
