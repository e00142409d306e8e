package static

import (
	"crypto/rand"
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// stagingName is the folder beneath the root that uploads lie in until they are
// whole. It is there only while there are some.
const stagingName = hiddenPrefix + "uploads"

// unfinished keeps the staging folder: it removes what has expired.
type unfinished struct {
	mu     sync.Mutex  // around what adds to the folder and removes it
	timer  *time.Timer // to look for what has expired; nil while there is nothing
	closed bool
	done   []string // ids of the last uploads that became whole
}

// keptDone is how many of those are remembered.
const keptDone = 256

// staged is an upload that is not whole yet. Whoever holds it has it locked, and
// closes it.
type staged struct {
	*draft
	id     string
	length int64 // of the whole file, in bytes
	size   int64 // of what has come
}

// close leaves what has come for later.
func (s *staged) close() {
	unix.Close(s.fd)
	unix.Close(s.dir)
}

// ReadAt implements io.ReaderAt.
func (s *staged) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.facts().read(p, off, true)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// lengthOfID reads what newStaged has made: 26 letters and digits, and the length.
func lengthOfID(id string) (int64, bool) {
	const random = 26 // of rand.Text
	if len(id) < random+2 || id[random] != '-' {
		return 0, false
	}
	for i := range len(id) {
		if c := id[i]; i != random && !isDigit(c) && (c < 'A' || c > 'Z') {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(id[random+1:], 10, 64)
	return n, err == nil
}

// openStaging opens the folder; unix.ENOENT when there is none. What is then done
// by names without a slash stays in it.
func (u *uploads) openStaging() (int, error) {
	return u.files.root.open([]byte(stagingName+"\x00"), unix.O_DIRECTORY|unix.O_RDONLY|unix.O_NOFOLLOW)
}

// newStaged makes an upload of length bytes, of which none has come.
func (u *uploads) newStaged(length int64) (*staged, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := unix.Mkdirat(u.files.root.fd, stagingName, 0o700); err != nil && err != unix.EEXIST {
		return nil, writeError(err)
	}
	dir, err := u.openStaging()
	if err != nil {
		return nil, writeError(err)
	}
	left, err := u.sweep(dir)
	switch {
	case err != nil:
		err = writeError(err)
	case left >= u.MaxUnfinished:
		err = errTusMany
	}
	if err != nil {
		unix.Close(dir)
		return nil, err
	}
	id := rand.Text() + "-" + strconv.FormatInt(length, 10)
	fd, err := unix.Openat(dir, id, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, newFileMode)
	if err != nil {
		unix.Close(dir)
		return nil, writeError(err)
	}
	s := &staged{&draft{fd: fd, dir: dir, temp: id}, id, length, 0}
	if err := lock(fd); err != nil { // the file system has no locks
		s.discard()
		unix.Close(dir)
		return nil, writeError(err)
	}
	u.sweepLater()
	return s, nil
}

// openStaged opens and locks an upload, at its end. Errors: errTusGone and
// errTusLocked among those of the clients' answers.
func (u *uploads) openStaged(id string, length int64) (*staged, error) {
	dir, err := u.openStaging()
	if err == unix.ENOENT {
		return nil, errTusGone
	}
	if err != nil {
		return nil, writeError(err)
	}
	d, err := lockDraft(dir, id)
	if err != nil {
		unix.Close(dir)
		return nil, err
	}
	f := d.facts()
	s := &staged{d, id, length, f.size}
	if u.expired(f) || f.size > length {
		err = errTusGone
	} else if _, e := unix.Seek(d.fd, f.size, io.SeekStart); e != nil {
		err = writeError(e)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// lock is flock(2); a variable for the tests.
var lock = func(fd int) error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) }

// lockDraft opens and locks a file of the staging folder, and sees to it that it
// is still there: who had the lock before may have given it its name.
func lockDraft(dir int, id string) (*draft, error) {
	fd, err := unix.Openat(dir, id, unix.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return nil, errTusGone
	}
	if err != nil {
		return nil, writeError(err)
	}
	if err := lock(fd); err != nil {
		unix.Close(fd)
		if err == unix.EWOULDBLOCK {
			return nil, errTusLocked
		}
		return nil, writeError(err)
	}
	d := &draft{fd: fd, dir: dir, temp: id}
	var st unix.Stat_t
	if err := unix.Fstatat(dir, id, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil || st.Ino != d.facts().ino {
		unix.Close(fd)
		return nil, errTusGone
	}
	return d, nil
}

// remove removes an upload that is not to be resumed.
func (u *uploads) remove(s *staged) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if s.temp != "" {
		_ = unix.Unlinkat(s.dir, s.temp, 0) // it expires, if it cannot be removed now
		s.temp = ""
	}
	u.removeStaging()
}

// finish remembers an upload that became whole.
func (u *uploads) finish(s *staged) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.done) == keptDone {
		u.done = slices.Delete(u.done, 0, 1)
	}
	u.done = append(u.done, s.id)
	u.removeStaging()
}

func (u *uploads) isDone(id string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Contains(u.done, id)
}

// removeStaging removes the folder if nothing is in it.
func (u *uploads) removeStaging() {
	_ = unix.Unlinkat(u.files.root.fd, stagingName, unix.AT_REMOVEDIR)
}

func (u *uploads) expired(f file) bool {
	return time.Since(time.Unix(f.mtime.Unix())) > u.Expiry
}

// sweep removes what has expired, and returns how many uploads are left. Who is at work on one of those does not notice.
func (u *uploads) sweep(dir int) (left int, err error) {
	fd, err := unix.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	folder := os.NewFile(uintptr(fd), stagingName)
	defer folder.Close()
	names, err := folder.Readdirnames(-1)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		if !u.removeExpired(dir, name) {
			left++
		}
	}
	return left, nil
}

// removeExpired removes an upload that has expired, and says whether it is gone. Only such a one is locked.
func (u *uploads) removeExpired(dir int, name string) (gone bool) {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err == unix.ENOENT
	}
	if !u.expired(file{mtime: st.Mtim}) {
		return false
	}
	d, err := lockDraft(dir, name)
	if err != nil {
		return err == errTusGone
	}
	if u.expired(d.facts()) {
		d.discard()
		return true
	}
	d.close() // more of it has just come
	return false
}

// start removes what has expired while nobody was here.
func (u *uploads) start() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sweepNow()
}

func (u *uploads) sweepNow() {
	u.timer = nil
	dir, err := u.openStaging()
	if errors.Is(err, unix.ENOENT) {
		return
	}
	left := 0
	if err == nil {
		left, err = u.sweep(dir)
		unix.Close(dir)
	}
	if left > 0 || err != nil {
		u.sweepLater()
		return
	}
	u.removeStaging()
}

func (u *uploads) sweepLater() {
	if u.timer != nil || u.closed {
		return
	}
	u.timer = time.AfterFunc(u.Expiry+time.Second, func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		if !u.closed {
			u.sweepNow()
		}
	})
}

// close stops looking.
func (u *uploads) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	if u.timer != nil {
		u.timer.Stop()
	}
}
