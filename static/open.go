package static

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// root opens names beneath one folder and never outside it, whatever
// symbolic links lie there and whoever moves folders meanwhile: the kernel
// walks the path by openat2(2) with RESOLVE_BENEATH. A link that is absolute
// or leads out fails, one that stays inside is followed. A root is safe for
// use from any goroutine until it is closed.
//
// Where openat2 is missing (before Linux 5.6) or forbidden (the seccomp
// filter of a container), os.Root does the same walk, component by component,
// at 1.6 times the cost for a name in the root and 3.5 times two folders below.
// It reads each folder that it passes: one that may only be passed (mode --x)
// is forbidden then, with all that lies in it.
type root struct {
	fd     int      // O_PATH
	cached bool     // RESOLVE_CACHED is known (Linux 5.12)
	links  bool     // symbolic links are followed
	remote bool     // to look at an open file may wait: see isRemote
	walk   *os.Root // set where openat2 cannot be used
}

// resolveCached makes openat2 fail with EAGAIN rather than wait for a disk;
// x/sys has no name for it (linux/openat2.h).
const resolveCached = 0x20

const resolveBeneath = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS

// errWouldWait is what a look-up that must not wait returns when it would have to: for the disk, or because the kernel cannot
// tell. The same look-up may then be made where waiting is allowed.
const errWouldWait = unix.EAGAIN

// raceRetries bounds how often a name is walked again when folders were being
// renamed under the walk, which openat2 reports as EAGAIN.
const raceRetries = 8

// openRoot opens dir as a root. The error is that of the system, with the
// name of dir (*fs.PathError), also when dir is no folder.
func openRoot(dir string) (*root, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	r := &root{fd: fd, links: true, remote: isRemote(fd)}
	probe := []byte(".\x00")
	if p, err := r.openCached(probe, unix.O_PATH); err != unix.EINVAL {
		r.cached = true
		if err == nil {
			unix.Close(p)
		}
	}
	for {
		p, err := r.open(probe, unix.O_PATH)
		switch {
		case err == nil:
			unix.Close(p)
			return r, nil
		case err == unix.ENOSYS || err == unix.EPERM:
			if r.walk, err = os.OpenRoot(dir); err == nil {
				return r, nil
			}
			fallthrough
		default:
			r.close()
			return nil, fmt.Errorf("open beneath %q: %w", dir, err)
		}
	}
}

func (r *root) close() error {
	err := unix.Close(r.fd)
	if r.walk != nil {
		err = errors.Join(err, r.walk.Close())
	}
	return err
}

// open opens name, which ends in a NUL, and returns the fd or a unix.Errno. It may wait for the disk.
func (r *root) open(name []byte, flags uint64) (int, error) {
	flags |= unix.O_CLOEXEC
	if r.walk != nil {
		return r.openByWalk(string(name[:len(name)-1]), int(flags))
	}
	how := unix.OpenHow{Flags: flags, Resolve: r.resolve()}
	for try := 0; ; try++ {
		fd, _, errno := unix.Syscall6(unix.SYS_OPENAT2, uintptr(r.fd), uintptr(unsafe.Pointer(&name[0])),
			uintptr(unsafe.Pointer(&how)), unsafe.Sizeof(how), 0, 0)
		switch {
		case errno == 0:
			return int(fd), nil
		case errno == unix.EINTR, errno == unix.EAGAIN && try < raceRetries:
		default:
			return -1, errno
		}
	}
}

// openCached is open that does not wait: what is not in the kernel's cache is errWouldWait. So it is a raw system call, which
// keeps the scheduler out of it.
func (r *root) openCached(name []byte, flags uint64) (int, error) {
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: r.resolve() | resolveCached}
	fd, _, errno := unix.RawSyscall6(unix.SYS_OPENAT2, uintptr(r.fd), uintptr(unsafe.Pointer(&name[0])),
		uintptr(unsafe.Pointer(&how)), unsafe.Sizeof(how), 0, 0)
	switch errno {
	case 0:
		return int(fd), nil
	case unix.EINTR:
		return -1, errWouldWait
	}
	return -1, errno
}

// openHow is open or, unless wait, openCached.
func (r *root) openHow(name []byte, flags uint64, wait bool) (int, error) {
	switch {
	case wait:
		return r.open(name, flags)
	case !r.cached || r.walk != nil:
		return -1, errWouldWait
	}
	return r.openCached(name, flags)
}

func (r *root) resolve() uint64 {
	if r.links {
		return resolveBeneath
	}
	return resolveBeneath | unix.RESOLVE_NO_SYMLINKS
}

// openByWalk is open where openat2 cannot be used. The fd is duplicated out
// of the os.File, so that both ways hand out the same thing.
func (r *root) openByWalk(name string, flags int) (int, error) {
	if !r.links {
		if err := r.refuseLinks(name); err != nil {
			return -1, err
		}
	}
	f, err := r.walk.OpenFile(name, flags, 0)
	if err != nil {
		return -1, errnoOf(err)
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	return fd, nil
}

// refuseLinks is ELOOP, as from RESOLVE_NO_SYMLINKS, for a name that leads over a symbolic link. Whoever may change the folders
// could put one there behind the look.
func (r *root) refuseLinks(name string) error {
	for i := 0; i <= len(name); i++ {
		if i < len(name) && name[i] != '/' {
			continue
		}
		info, err := r.walk.Lstat(name[:i])
		if err != nil {
			return errnoOf(err)
		}
		if info.Mode()&os.ModeSymlink != 0 {
			return unix.ELOOP
		}
	}
	return nil
}

// errnoOf returns the number in an error of os.Root; its "path escapes from
// parent" has none and becomes what openat2 says.
func errnoOf(err error) unix.Errno {
	if errno := unix.Errno(0); errors.As(err, &errno) {
		return errno
	}
	return unix.EXDEV
}

// kind is what the name of a request turned out to be.
type kind uint8

const (
	other   kind = iota // fifo, socket, device: never served
	regular             // a file
	folder
)

// file is something beneath the root, opened and looked at: all facts are of
// the opened fd, so they belong together whatever happens to the name. Whoever
// holds it closes it, once, or hands it to a sendable.
type file struct {
	fd    int
	kind  kind
	size  int64
	mtime unix.Timespec
	ino   uint64
}

// forReading: O_NONBLOCK lets the opening of a fifo return at once; on a regular file it changes nothing. What a device makes of
// being opened is its own: see the package comment.
const forReading = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY

// lookup opens what name (ending in a NUL) names beneath the root. It may wait for the disk. Errors are unix.Errno.
func (r *root) lookup(name []byte) (file, error) {
	fd, err := r.open(name, forReading)
	if err != nil {
		return file{fd: -1}, err
	}
	return inspect(fd)
}

// stat is lookup without opening: it needs no right to read, has no effect on
// a fifo or a device, and leaves no fd to close.
func (r *root) stat(name []byte) (file, error) {
	if r.walk != nil {
		info, err := r.walk.Stat(string(name[:len(name)-1]))
		if err != nil {
			return file{fd: -1}, errnoOf(err)
		}
		st := info.Sys().(*syscall.Stat_t)
		if !r.links && r.refuseLinks(string(name[:len(name)-1])) != nil {
			return file{fd: -1}, unix.ELOOP
		}
		return file{fd: -1, kind: kindOf(st.Mode), size: st.Size, mtime: unix.Timespec(st.Mtim), ino: st.Ino}, nil
	}
	fd, err := r.open(name, unix.O_PATH)
	if err != nil {
		return file{fd: -1}, err
	}
	f, err := inspect(fd)
	if err == nil {
		f.close()
	}
	f.fd = -1
	return f, err
}

func inspect(fd int) (file, error) {
	var st unix.Stat_t
	if _, _, errno := unix.RawSyscall(unix.SYS_FSTAT, uintptr(fd), uintptr(unsafe.Pointer(&st)), 0); errno != 0 {
		closeFD(fd)
		return file{fd: -1}, errno
	}
	return file{fd: fd, kind: kindOf(st.Mode), size: st.Size, mtime: st.Mtim, ino: st.Ino}, nil
}

// again looks at an open file once more.
func (f file) again() (file, error) {
	var st unix.Stat_t
	if _, _, errno := unix.RawSyscall(unix.SYS_FSTAT, uintptr(f.fd), uintptr(unsafe.Pointer(&st)), 0); errno != 0 {
		return f, errno
	}
	f.size, f.mtime = st.Size, st.Mtim
	return f, nil
}

func kindOf(mode uint32) kind {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return regular
	case unix.S_IFDIR:
		return folder
	}
	return other
}

func (f file) close() { closeFD(f.fd) }

// closeFD closes an fd that nothing was written to: there is no error to
// report, and nothing that the call could wait for.
func closeFD(fd int) { unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// read fills p from offset off on, and returns how much the file had. What lies in the page cache is read by a raw call that
// cannot wait (RWF_NOWAIT, preadv2(2)); the rest, and file systems that do not know the flag, by an ordinary one, or, unless
// wait, not at all: errWouldWait.
func (f file) read(p []byte, off int64, wait bool) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	done := 0
	vec := unix.Iovec{Base: &p[0]}
	vec.SetLen(len(p))
	n, _, errno := unix.RawSyscall6(unix.SYS_PREADV2, uintptr(f.fd), uintptr(unsafe.Pointer(&vec)), 1,
		uintptr(off), uintptr(off>>32), unix.RWF_NOWAIT) // the kernel of a 64-bit system looks at the first half only
	if errno == 0 {
		done = int(n)
	}
	if done < len(p) && !wait {
		return done, errWouldWait
	}
	for done < len(p) {
		n, err := unix.Pread(f.fd, p[done:], off+int64(done))
		if err == unix.EINTR {
			continue
		}
		if n <= 0 || err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}
