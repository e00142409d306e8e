package http

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/valyala/bytebufferpool"
	"golang.org/x/sys/unix"
)

// FileState is what tells one state of a file from another.
type FileState struct {
	Size     int64
	Modified time.Time
	Inode    uint64 // 0 where there is none
}

// AppendETag appends an ETag for the file as it is at the time now: RFC 9110 section 8.8.3.
//
// It is strong once the last change is a second old. Before that a second change may hide in the same tick of the file
// system's clock and leave time, size and inode as they were, so it is weak: good for If-None-Match, not for putting ranges
// together (section 8.8.1).
func (s FileState) AppendETag(dst []byte, now time.Time) []byte {
	if now.Sub(s.Modified) < time.Second {
		dst = append(dst, "W/"...)
	}
	dst = append(dst, '"')
	// Every change of time alone or inode alone gives another tag, and the inode number itself stays the server's own.
	dst = strconv.AppendUint(dst, uint64(s.Modified.UnixNano())^scatter(s.Inode), 36)
	dst = append(dst, '-')
	dst = strconv.AppendInt(dst, s.Size, 36)
	return append(dst, '"')
}

// scatter is the finalizer of SplitMix64 (Steele, Lea, Flood 2014): one to one, with each bit of the input reaching all bits
// of the output.
func scatter(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// LastModified returns the file's time as it can be sent, in whole seconds. Of a file from the future it is the zero time, for it must not be
// later than Date (RFC 9110 section 8.8.2.1), as of one from before the epoch.
func (s FileState) LastModified(now time.Time) time.Time {
	if s.Modified.Unix() < 0 || s.Modified.After(now) {
		return time.Time{}
	}
	return time.Unix(s.Modified.Unix(), 0)
}

// Validators returns both.
func (s FileState) Validators(now time.Time) Validators {
	return Validators{ETag: string(s.AppendETag(nil, now)), Modified: s.LastModified(now)}
}

// File answers with the file at path, as the media type of its name unless the handler has set a Content-Type. Conditions and
// the ranges of a GET are seen to: CheckPreconditions, SelectRanges; of what is no file of the system (FileFS) one range at most. The code is 200, 206 or 304; after SetStatus with another
// code the whole file is sent with that.
//
// path is the program's own. What a client sent may only come into it as a name for FileFS. The disk is read in the calling
// goroutine. Errors: an *Error of 404 for what does not exist or is no regular file, of 403 for what may not be read, of 503
// when no file can be opened now; else those of SendFile and CheckPreconditions.
func (c *Ctx) File(path string) error {
	c.live()
	// O_NONBLOCK lets the opening of a fifo return at once; on a regular file it changes nothing.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return fileError(err)
	}
	return c.sendOpened(f, path)
}

// FileFS is File for a file of fsys: name is a path as fs.ValidPath wants it, other names are answered by 404. What an os.Root
// opens (root.FS()) stays beneath that folder; os.DirFS follows symbolic links that lead out of it. Where the files have no
// time, as those of embed.FS, there are no validators; a handler that has some calls CheckPreconditions itself.
func (c *Ctx) FileFS(fsys fs.FS, name string) error {
	c.live()
	if s, ok := fsys.(fs.StatFS); ok { // to open a fifo would wait for who writes to it
		info, err := s.Stat(name)
		if err == nil && !info.Mode().IsRegular() {
			err = fs.ErrNotExist
		}
		if err != nil {
			return fileError(err)
		}
	}
	f, err := fsys.Open(name)
	if err != nil {
		return fileError(err)
	}
	return c.sendOpened(f, name)
}

// Attachment is File for a file that the browser is to save under filename, "" for the name of path: RFC 6266. The media type
// is that of filename.
func (c *Ctx) Attachment(path, filename string) error {
	return c.namedFile("attachment", path, filename)
}

// InlineFile is Attachment for a file that the browser is to show; filename is what it is called when it is saved from there.
func (c *Ctx) InlineFile(path, filename string) error {
	return c.namedFile("inline", path, filename)
}

func (c *Ctx) namedFile(disposition, path, filename string) error {
	if filename == "" {
		filename = BaseName(path)
	}
	if err := c.SetHeader("Content-Disposition", ContentDisposition(disposition, filename)); err != nil {
		return err
	}
	if c.x.own&ownType == 0 {
		if err := c.SetHeader("Content-Type", MediaType(filename)); err != nil {
			return err
		}
	}
	return c.File(path)
}

// fileError says what the client hears of err. The names in it stay in the log.
func fileError(err error) error {
	code := 0
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ENAMETOOLONG),
		errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENXIO), errors.Is(err, unix.EINVAL), leadsOut(err):
		code = 404
	case errors.Is(err, fs.ErrPermission):
		code = 403
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE), errors.Is(err, unix.ENOMEM):
		code = 503
	default:
		return fmt.Errorf("http: open a file: %w", err)
	}
	return &Error{Code: code, Err: err}
}

// leadsOut says whether err is that of an os.Root for a name or a link that leaves it; package os has no name for that.
func leadsOut(err error) bool {
	e, ok := errors.AsType[*fs.PathError](err)
	return ok && e.Err != nil && e.Err.Error() == "path escapes from parent"
}

// sendOpened answers with f, which it takes over.
func (c *Ctx) sendOpened(f fs.File, name string) error {
	x := c.x
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		f.Close()
		return fileError(err)
	}
	var parts []Range
	if m := x.head.method; x.status == 200 && (m == "GET" || m == "HEAD") {
		var done bool
		if parts, done, err = c.checkFile(info); done || err != nil {
			f.Close()
			return err
		}
	}
	if err := c.setFileHeaders(name); err != nil {
		f.Close()
		return err
	}
	if file, ok := f.(*os.File); ok {
		return c.sendOSFile(file, info.Size(), parts)
	}
	defer f.Close()
	return c.sendReader(f, info.Size(), parts)
}

// checkFile says which parts of a file are to be sent, none for all of it, or has answered.
func (c *Ctx) checkFile(info fs.FileInfo) (parts []Range, done bool, err error) {
	var v Validators
	if !info.ModTime().IsZero() {
		state := FileState{Size: info.Size(), Modified: info.ModTime()}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			state.Inode = st.Ino
		}
		v = state.Validators(time.Now())
		if done, err := c.CheckPreconditions(v); done || err != nil {
			return nil, done, err
		}
	}
	parts, err = c.SelectRanges(info.Size(), v)
	return parts, false, err
}

func (c *Ctx) setFileHeaders(name string) error {
	err := c.SetHeader("X-Content-Type-Options", "nosniff")
	if err == nil && c.x.own&ownType == 0 {
		err = c.SetHeader("Content-Type", MediaType(name))
	}
	if err == nil && c.x.status == 200 {
		err = c.SetHeader("Accept-Ranges", "bytes")
	}
	return err
}

// smallFile is the size up to which a file is read into memory and leaves in the same write as its header, as in package
// static, where it is measured.
const smallFile = 8 << 10

// wantsBody says whether a body has to be read: HEAD needs none, but for filters, which give it the lines of GET.
func (x *exchange) wantsBody() bool { return !x.isHead || len(x.filters) > 0 }

func (c *Ctx) sendOSFile(f *os.File, size int64, parts []Range) error {
	if len(parts) > 0 {
		return c.SendFileParts(f, size, parts)
	}
	if size <= smallFile && c.x.wantsBody() {
		b := bytebufferpool.Get()
		defer bytebufferpool.Put(b)
		b.B = append(b.B[:0], make([]byte, size)...)
		if n, _ := f.ReadAt(b.B, 0); int64(n) == size {
			return closing(f, c.Blob(c.x.status, octets, b.B))
		}
		// Unreadable, or cut short since it was opened: SendFile then promises the length and ends the connection.
	}
	return c.SendFile(c.x.status, f, 0, size)
}

// sendReader answers with what is not a file of the system: all of it, or one part. To go back for a second part is not in
// the nature of a reader.
func (c *Ctx) sendReader(r io.Reader, size int64, parts []Range) error {
	code, part := c.x.status, Range{0, size}
	if len(parts) == 1 {
		code, part = 206, parts[0]
		if err := c.SetHeader("Content-Range", part.ContentRange(size)); err != nil {
			return err
		}
	}
	x := c.x
	if part.Off > 0 && x.wantsBody() {
		var err error
		if s, ok := r.(io.Seeker); ok {
			_, err = s.Seek(part.Off, io.SeekStart)
		} else {
			_, err = io.CopyN(io.Discard, r, part.Off)
		}
		if err != nil {
			return fmt.Errorf("http: read a file from %d: %w", part.Off, err)
		}
	}
	if (part.Length <= smallFile || x.onLoop) && x.wantsBody() { // a loop cannot wait for a client that is behind
		b := bytebufferpool.Get()
		defer bytebufferpool.Put(b)
		n, err := b.ReadFrom(io.LimitReader(r, part.Length))
		if err == nil && n < part.Length {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return fmt.Errorf("http: read a file: %w", err)
		}
		return c.Blob(code, octets, b.B)
	}
	return c.stream(code, octets, part.Length, func(s *Stream) error {
		if x.isHead {
			return nil
		}
		n, err := io.CopyN(s, r, part.Length)
		if err == io.EOF {
			err = fmt.Errorf("http: %d bytes of a file are %d: %w", part.Length, n, io.ErrUnexpectedEOF)
		}
		return err
	})
}
