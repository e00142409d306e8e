package live

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// watch hears of the changes below a folder: inotify(7), with a watch for each folder. One goroutine reads; close ends it.
type watch struct {
	file    *os.File
	fd      int
	root    string
	folders map[int32]string // the reading goroutine's, once it runs
	changed func(names []string)
	logger  *slog.Logger
	done    chan struct{}
}

const (
	// interesting are the changes after which a file is other than it was.
	interesting = unix.IN_CLOSE_WRITE | unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_ATTRIB
	// gather is how long changes are gathered from the first on: an editor that saves makes several.
	gather = 50 * time.Millisecond
	// mostFolders bounds the kernel's watches, of which a user has a few ten thousand.
	mostFolders = 8192
)

func newWatch(root string, changed func([]string), logger *slog.Logger) (*watch, error) {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("inotify_init1", err)
	}
	w := &watch{
		file: os.NewFile(uintptr(fd), "inotify"), fd: fd, root: filepath.Clean(root), folders: map[int32]string{}, changed: changed, logger: logger,
		done: make(chan struct{}),
	}
	if err := w.add(root); err != nil {
		w.file.Close()
		return nil, err
	}
	go w.run()
	return w, nil
}

func (w *watch) close() {
	w.file.Close()
	<-w.done
}

// add watches a folder and those below it, hidden ones excepted, which are not served.
func (w *watch) add(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && path == root:
			return err
		case err != nil || !d.IsDir():
			return nil // it has gone, or is no folder
		case path != root && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case len(w.folders) >= mostFolders:
			w.logger.Warn("live: too many folders, some are not watched", "root", root, "watched", mostFolders)
			return fs.SkipAll
		}
		id, err := unix.InotifyAddWatch(w.fd, path, interesting|unix.IN_ONLYDIR)
		if err != nil {
			if errors.Is(err, unix.ENOENT) {
				return nil
			}
			return os.NewSyscallError("inotify_add_watch", err)
		}
		w.folders[int32(id)] = path
		return nil
	})
}

func (w *watch) run() {
	defer close(w.done)
	buf := make([]byte, 16<<10)
	var names []string
	for {
		n, err := w.file.Read(buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			w.changed(names)
			names = nil
			err = w.file.SetReadDeadline(time.Time{})
			if err == nil {
				continue
			}
			return
		case err != nil:
			return // closed
		}
		first := len(names) == 0
		names = append(names, w.parse(buf[:n])...)
		if first && len(names) > 0 {
			if w.file.SetReadDeadline(time.Now().Add(gather)) != nil {
				return
			}
		}
	}
}

// parse reads inotify(7)'s events: the id of the watch, what has happened, a cookie, the length of the name, and the name.
func (w *watch) parse(b []byte) (names []string) {
	for len(b) >= unix.SizeofInotifyEvent {
		id, mask := int32(binary.NativeEndian.Uint32(b)), binary.NativeEndian.Uint32(b[4:])
		end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
		name, _, _ := strings.Cut(string(b[unix.SizeofInotifyEvent:end]), "\x00")
		b = b[end:]
		if mask&unix.IN_IGNORED != 0 {
			delete(w.folders, id)
			continue
		}
		if mask&unix.IN_Q_OVERFLOW != 0 {
			names = append(names, "") // nobody knows which
			continue
		}
		if name == "" || strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") {
			continue
		}
		path := filepath.Join(w.folders[id], name)
		if mask&unix.IN_ISDIR != 0 && mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0 {
			if err := w.add(path); err != nil {
				w.logger.Warn("live: a folder is not watched", "folder", path, "error", err)
			}
		}
		// A file that is being written is told of when it is closed.
		if mask&unix.IN_CREATE == 0 || mask&unix.IN_ISDIR != 0 {
			names = append(names, strings.TrimPrefix(path, w.root+"/")) // where the folder lies is no page's business
		}
	}
	return names
}
