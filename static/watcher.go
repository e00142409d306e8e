package static

import (
	"encoding/binary"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/reactor"
)

// watcher hears by inotify(7) of what happens to the resources of a cache: to their files, and to the folders that their names
// lead through. Where there is no inotify, or no watch left, the cache's lifetime is all there is.
//
// An event is read at the latest when a request comes in a turn of a loop that begins after it: whoever renames a file and then
// asks for it gets the new one. For that the first request of a turn has a look made (catchUp); the Channel sees to events when no
// requests come. What was sent after the event may still be answered as before when it arrives in a turn that has begun already, or
// another loop's turn has.
//
// What inotify does not tell: changes by another machine or through a mapping (mmap), a mount, and that a folder was renamed
// which a name reaches only through a symbolic link.
type watcher struct {
	cache   *cache
	fd      int              // -1: no inotify
	marks   map[int32]*mark  // by watch descriptor
	folders map[string]*mark // by the name of the folder, "" for the root; also those whose watch is not set yet
	events  [8 << 10]byte

	base   time.Time
	clock  atomic.Int64 // time since base of the last look, in nanoseconds
	looked atomic.Int64 // the loops' time (EventLoop.Now) that a look has been made for

	attached atomic.Bool
	channel  *reactor.Channel // nil before its loop has made it
	loop     *reactor.EventLoop
	sweeping reactor.TimerID
	closed   bool
}

// mark is a file or folder that is watched.
type mark struct {
	wd         int32    // pending before the watch is set
	paths      []string // of a folder
	dependents map[*resource]struct{}
}

const pending = -1

const (
	// fileEvents: the content, permissions, links of a file, or its name change.
	fileEvents = unix.IN_MODIFY | unix.IN_ATTRIB | unix.IN_MOVE_SELF | unix.IN_DELETE_SELF
	// folderEvents: a name in a folder comes, goes or means something else, or the folder itself does. IN_ATTRIB tells of the
	// files in it as well.
	folderEvents = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_ATTRIB |
		unix.IN_MOVE_SELF | unix.IN_DELETE_SELF | unix.IN_ONLYDIR
	// selfEvents are those that concern what is watched itself.
	selfEvents = unix.IN_ATTRIB | unix.IN_MOVE_SELF | unix.IN_DELETE_SELF | unix.IN_UNMOUNT | unix.IN_IGNORED
)

func (w *watcher) init(k *cache) {
	w.cache, w.base = k, time.Now()
	w.marks, w.folders = make(map[int32]*mark), make(map[string]*mark)
	if w.fd = -1; k.bounds.Entries == 0 {
		return
	}
	if fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC); err == nil {
		w.fd = fd
	}
}

// catchUp reads the events that there are when c comes, unless that was done in the loop's turn or in a later one of another loop,
// and returns the time of the last such look.
func (w *watcher) catchUp(c *http.Ctx) time.Duration {
	if !w.attached.Load() {
		w.attach(c.Loop())
	}
	turn := int64(0)
	if c.Inline() {
		turn = int64(c.Loop().Now())
		if w.looked.Load() >= turn {
			return time.Duration(w.clock.Load())
		}
	}
	k := w.cache
	k.changing.Lock()
	defer k.changing.Unlock()
	if turn == 0 || w.looked.Load() < turn {
		w.clock.Store(int64(time.Since(w.base)))
		w.drain()
		if turn != 0 {
			w.looked.Store(turn)
		}
	}
	return time.Duration(w.clock.Load())
}

// attach has a loop read events between requests, and look after what nobody asks for.
func (w *watcher) attach(loop *reactor.EventLoop) {
	if loop == nil || !w.attached.CompareAndSwap(false, true) {
		return
	}
	err := loop.RunInLoop(func() {
		w.cache.changing.Lock()
		defer w.cache.changing.Unlock()
		if w.closed {
			return
		}
		w.loop = loop
		if w.fd >= 0 {
			w.channel = reactor.NewChannel(loop, w.fd, reactor.ReadHandler(w.handleRead))
			_ = w.channel.EnableReading() // refused: requests read the events
		}
		w.sweeping = loop.RunEvery(idleTime, w.cache.sweep)
	})
	if err != nil {
		w.attached.Store(false)
	}
}

func (w *watcher) handleRead() {
	w.cache.changing.Lock()
	w.drain()
	w.cache.changing.Unlock()
}

// drain reads and handles all events. Only for whoever holds changing, as everything below.
func (w *watcher) drain() {
	for !w.closed && w.fd >= 0 {
		n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(w.fd), uintptr(unsafe.Pointer(&w.events[0])), uintptr(len(w.events)))
		switch {
		case errno == unix.EINTR:
		case errno != 0 || n == 0:
			return
		default:
			w.handleEvents(w.events[:n])
		}
	}
}

// handleEvents handles a sequence of struct inotify_event.
func (w *watcher) handleEvents(b []byte) {
	for len(b) >= unix.SizeofInotifyEvent {
		wd := int32(binary.NativeEndian.Uint32(b))
		mask := binary.NativeEndian.Uint32(b[4:])
		end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
		if end > len(b) {
			return
		}
		name := strings.TrimRight(string(b[unix.SizeofInotifyEvent:end]), "\x00")
		b = b[end:]
		if mask&unix.IN_Q_OVERFLOW != 0 {
			w.cache.dropAll() // and with it all marks: what they are of may be elsewhere by now
			continue
		}
		m := w.marks[wd]
		switch {
		case m == nil: // of a watch that was taken back
		case name != "":
			w.handleName(m, name)
		case mask&(selfEvents|unix.IN_MODIFY) != 0:
			w.dropDependents(m)
		}
	}
}

// handleName: something has happened to a name in the folder m.
func (w *watcher) handleName(m *mark, name string) {
	for _, path := range append([]string(nil), m.paths...) {
		full := name
		if path != "" {
			full = path + "/" + name
		}
		w.cache.dropName(full)
		if original, ok := originalOf(full); ok {
			w.cache.dropName(original)
		}
		if below := w.folders[full]; below != nil {
			w.dropDependents(below)
		}
	}
}

func (w *watcher) dropDependents(m *mark) {
	for r := range m.dependents {
		w.cache.drop(r)
	}
}

// followFolders has r dropped when something happens to its name. It returns false when r must not be kept, because a watch is
// just being set by another goroutine. Error: errWouldWait.
func (w *watcher) followFolders(r *resource, root *root, wait bool) (bool, error) {
	path := ""
	for {
		if ok, err := w.followFolder(r, path, root, wait); !ok || err != nil {
			return false, err
		}
		from := 0
		if path != "" {
			from = len(path) + 1
		}
		slash := strings.IndexByte(r.name[from:], '/')
		if slash < 0 {
			return true, nil
		}
		path = r.name[:from+slash]
	}
}

func (w *watcher) followFolder(r *resource, path string, root *root, wait bool) (bool, error) {
	m, first, set := w.folder(r, path)
	if !first {
		return set, nil
	}
	name := append([]byte(path), 0)
	if path == "" {
		name = []byte(".\x00")
	}
	fd, err := root.openHow(name, unix.O_PATH, wait) // may wait, so not under a lock
	w.cache.changing.Lock()
	defer w.cache.changing.Unlock()
	wd := int32(pending)
	if err == nil && w.folders[path] == m {
		wd = w.watch(fd, folderEvents)
	}
	if err == nil {
		closeFD(fd)
	}
	if w.folders[path] != m {
		return false, nil // it was renamed, or everything was dropped: r as well
	}
	if wd == pending { // r lives as long as it does without
		w.removeMark(m)
		if err == errWouldWait {
			return false, err
		}
		return true, nil
	}
	if same := w.marks[wd]; same != nil { // known by another name, which leads there through a symbolic link
		w.join(same, m)
		return true, nil
	}
	m.wd = wd
	w.marks[wd] = m
	return true, nil
}

// folder returns the mark of a folder, with r as one that depends on it; first says that it has just been made, set that its
// watch is in place.
func (w *watcher) folder(r *resource, path string) (m *mark, first, set bool) {
	w.cache.changing.Lock()
	defer w.cache.changing.Unlock()
	m = w.folders[path]
	if m == nil {
		m, first = &mark{wd: pending, paths: []string{path}, dependents: make(map[*resource]struct{})}, true
		w.folders[path] = m
	}
	if !r.dropped {
		w.depend(r, m)
	}
	return m, first, m.wd != pending
}

// followFile has r dropped when something happens to the file behind fd.
func (w *watcher) followFile(r *resource, fd int) {
	w.cache.changing.Lock()
	defer w.cache.changing.Unlock()
	if r.dropped {
		return
	}
	wd := w.watch(fd, fileEvents)
	if wd == pending {
		return
	}
	m := w.marks[wd]
	if m == nil {
		m = &mark{wd: wd, dependents: make(map[*resource]struct{})}
		w.marks[wd] = m
	}
	w.depend(r, m)
}

func (w *watcher) depend(r *resource, m *mark) {
	if _, twice := m.dependents[r]; !twice {
		m.dependents[r] = struct{}{}
		r.marks = append(r.marks, m)
	}
}

// join makes from, which is not set, a part of into, which is of the same folder.
func (w *watcher) join(into, from *mark) {
	into.paths = append(into.paths, from.paths...)
	for _, path := range from.paths {
		w.folders[path] = into
	}
	for r := range from.dependents {
		for i := range r.marks {
			if r.marks[i] == from {
				r.marks[i] = into
			}
		}
		into.dependents[r] = struct{}{}
	}
}

// unfollow takes back what r depends on.
func (w *watcher) unfollow(r *resource) {
	for _, m := range r.marks {
		delete(m.dependents, r)
		if len(m.dependents) == 0 {
			w.removeMark(m)
		}
	}
	r.marks = nil
}

func (w *watcher) removeMark(m *mark) {
	for _, path := range m.paths {
		if w.folders[path] == m {
			delete(w.folders, path)
		}
	}
	if m.wd != pending && w.marks[m.wd] == m {
		delete(w.marks, m.wd)
		_, _ = unix.InotifyRmWatch(w.fd, uint32(m.wd)) // gone with its file: the same
	}
}

// watch sets a watch on what fd is open for, whatever it is called by now. A folder may have been asked for as if it were a file:
// its watch has the events of both.
func (w *watcher) watch(fd int, events uint32) int32 {
	if w.fd < 0 || w.closed {
		return pending
	}
	wd, err := unix.InotifyAddWatch(w.fd, "/proc/self/fd/"+strconv.Itoa(fd), events|unix.IN_MASK_ADD)
	if err != nil {
		return pending
	}
	return int32(wd)
}

// close takes the Channel off its loop and closes the fd behind that.
func (w *watcher) close() {
	if w.closed {
		return
	}
	w.closed = true
	fd, ch, loop := w.fd, w.channel, w.loop
	if loop != nil {
		loop.Cancel(w.sweeping)
	}
	if fd < 0 {
		return
	}
	if ch != nil && loop.QueueInLoop(func() {
		_ = ch.Remove()
		if loop.QueueInLoop(func() { closeFD(fd) }) != nil {
			closeFD(fd)
		}
	}) == nil {
		return
	}
	closeFD(fd)
}
