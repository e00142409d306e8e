package static

import (
	"crypto/rand"
	"io"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// draft is a file that is being written and has no name yet that anybody is
// served. Whoever holds it discards it, once, also when it was placed.
//
// Where the file system can (O_TMPFILE, open(2)), it has no name at all, so that
// nothing stays behind even when the process is killed; else, and when it was
// shelved, a hidden one.
type draft struct {
	fd   int    // -1: shelved
	dir  int    // where temp is; not the draft's own
	temp string // its hidden name, "" for none
}

// newFileMode is that of new files, less the umask of the process.
const newFileMode = 0o666

const hiddenPrefix = ".carillon-"

// newDraft makes a draft in the folder dir, which stays open as long. Errors are
// those of the clients' answers.
func newDraft(dir int) (*draft, error) {
	fd, err := unix.Openat(dir, ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, newFileMode)
	if err == nil && unix.Access(procName(fd), unix.F_OK) == nil { // by which it gets its name: linkat(2)
		return &draft{fd: fd, dir: dir}, nil
	}
	if err == nil {
		closeFD(fd)
	} else if err != unix.EOPNOTSUPP && err != unix.EISDIR && err != unix.EINVAL && err != unix.ENOENT {
		return nil, writeError(err)
	}
	return newHiddenDraft(dir)
}

func newHiddenDraft(dir int) (*draft, error) {
	temp := hiddenPrefix + rand.Text()
	fd, err := unix.Openat(dir, temp, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, newFileMode)
	if err != nil {
		return nil, writeError(err)
	}
	return &draft{fd: fd, dir: dir, temp: temp}, nil
}

func procName(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// shelve closes the draft, which is filled, under a hidden name until it is
// placed. Errors are those of the clients' answers.
func (d *draft) shelve() error {
	if d.temp == "" {
		if err := d.giveHiddenName(); err != nil {
			return writeError(err)
		}
	}
	unix.Close(d.fd)
	d.fd = -1
	return nil
}

func (d *draft) giveHiddenName() error {
	temp := hiddenPrefix + rand.Text()
	err := unix.Linkat(unix.AT_FDCWD, procName(d.fd), d.dir, temp, unix.AT_SYMLINK_FOLLOW)
	if err == nil {
		d.temp = temp
	}
	return err
}

// chmod gives the draft the rights of another file.
func (d *draft) chmod(mode uint32) error {
	if d.fd < 0 {
		return unix.Fchmodat(d.dir, d.temp, mode, 0) // a new name, which is no link
	}
	return unix.Fchmod(d.fd, mode)
}

// discard closes the draft and removes what was not placed.
func (d *draft) discard() {
	if d.fd >= 0 {
		unix.Close(d.fd)
	}
	if d.temp != "" {
		_ = unix.Unlinkat(d.dir, d.temp, 0) // a hidden name; nobody to tell
	}
}

// close closes the draft and leaves what was written, which has a name, for
// later.
func (d *draft) close() { unix.Close(d.fd) }

var copyBuffers = sync.Pool{New: func() any { return new([128 << 10]byte) }}

// fill writes what r has behind what is there, and returns how much that was.
// Errors are r's, or those of the clients' answers.
func (d *draft) fill(r io.Reader) (int64, error) {
	buf := copyBuffers.Get().(*[128 << 10]byte)
	defer copyBuffers.Put(buf)
	written := int64(0)
	for {
		n, err := r.Read(buf[:])
		if e := writeAll(d.fd, buf[:n]); e != nil {
			return written, writeError(e)
		}
		written += int64(n)
		switch err {
		case nil:
		case io.EOF:
			return written, nil
		default:
			return written, err
		}
	}
}

func writeAll(fd int, p []byte) error {
	for len(p) > 0 {
		n, err := unix.Write(fd, p)
		if err != nil && err != unix.EINTR {
			return err
		}
		p = p[max(n, 0):]
	}
	return nil
}

// facts are those of the file as it is now.
func (d *draft) facts() file {
	var st unix.Stat_t
	var err error
	if d.fd >= 0 {
		err = unix.Fstat(d.fd, &st)
	} else {
		err = unix.Fstatat(d.dir, d.temp, &st, unix.AT_SYMLINK_NOFOLLOW)
	}
	if err != nil {
		return file{fd: -1}
	}
	return file{fd: d.fd, kind: regular, size: st.Size, mtime: st.Mtim, ino: st.Ino}
}

// place gives the draft the name base in the folder to; when that is taken,
// replace says whether it may be had all the same, else it is EEXIST. There is no
// moment at which base is neither what it was nor the draft as a whole.
func (d *draft) place(to int, base string, replace bool) error {
	if d.temp == "" {
		if !replace {
			return unix.Linkat(unix.AT_FDCWD, procName(d.fd), to, base, unix.AT_SYMLINK_FOLLOW)
		}
		if err := d.giveHiddenName(); err != nil {
			return err
		}
	}
	var err error
	if replace {
		err = unix.Renameat(d.dir, d.temp, to, base)
	} else {
		err = renameNew(d.dir, d.temp, to, base)
	}
	if err == nil {
		d.temp = ""
	}
	return err
}

// renameNew renames what has no name to lose. Where the file system cannot refuse
// a name that is taken (NFS, some of FUSE), a second name does.
func renameNew(from int, temp string, to int, base string) error {
	err := unix.Renameat2(from, temp, to, base, unix.RENAME_NOREPLACE)
	if err != unix.EINVAL && err != unix.ENOSYS {
		return err
	}
	if err := unix.Linkat(from, temp, to, base, 0); err != nil {
		return err
	}
	return unix.Unlinkat(from, temp, 0)
}
