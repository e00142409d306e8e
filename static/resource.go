package static

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/coding"
)

// resource is what one name meant when it was looked up: a file in one or more forms, or that it is no file. It is shared by
// the cache and by the answers that are being sent from it; the last of them closes its files.
type resource struct {
	name  string
	kind  kind
	forms [coding.Count]atomic.Pointer[form]
	twins []coding.Coding // that lie beside the file, in the order of preference
	// flies: other forms may be made on the fly
	flies  bool
	making sync.Mutex // whoever makes one

	files  int // forms with an open file
	shares atomic.Int32

	// What follows is the cache's.
	ready   bool          // in it for others to find; else somebody is still looking
	dropped bool          // not in it any more
	place   int           // in the ring
	weight  int64         // bytes of memory
	expires time.Duration // on the cache's clock
	used    atomic.Bool   // since the ring's hand passed
	marks   []*mark       // what it depends on
}

func newResource(name string) *resource {
	r := &resource{name: name}
	r.shares.Store(1)
	return r
}

func (r *resource) plain() *form { return r.forms[coding.Identity].Load() }

// varies says whether the answer depends on Accept-Encoding.
func (r *resource) varies() bool { return r.flies || len(r.twins) > 0 }

// release gives one share back.
func (r *resource) release() {
	if r.files > 0 && r.shares.Add(-1) == 0 {
		r.closeFiles()
	}
}

func (r *resource) closeFiles() {
	for i := range r.forms {
		m := r.forms[i].Load()
		if m != nil && !m.inMemory() && m.coding == coding.Coding(i) { // else the file itself, where no coding makes it smaller
			m.file.close()
		}
	}
}

// largestBody is the size up to which a body is held in memory and leaves in the same write as its header; a larger one is
// sent from its file by sendfile(2), without a copy.
const largestBody = 16 << 10

// load looks r up. watched has each file followed that r consists of. Errors are unix.Errno; errWouldWait only unless wait.
func (f *Files) load(r *resource, watched, wait bool) error {
	found, err := f.open(r, append([]byte(r.name), 0), watched, wait)
	if err != nil {
		return err
	}
	if r.kind = found.kind; r.kind != regular {
		found.close()
		return nil
	}
	now := time.Now()
	if err := f.addForm(r, coding.Identity, found, now, wait); err != nil {
		return err
	}
	for _, c := range f.twins {
		if err := f.addTwin(r, c, found, now, watched, wait); err != nil {
			r.closeFiles()
			return err
		}
	}
	r.flies = f.compression.suits(r.plain())
	return nil
}

// open opens and looks at a file of r.
func (f *Files) open(r *resource, name []byte, watched, wait bool) (file, error) {
	fd, err := f.root.openHow(name, forReading, wait)
	if err != nil {
		return file{fd: -1}, err
	}
	if watched {
		f.cache.followFile(r, fd) // before the look at it
	}
	return inspect(fd)
}

// addForm makes a form of r from a file, which it takes over.
func (f *Files) addForm(r *resource, c coding.Coding, from file, now time.Time, wait bool) error {
	m := &form{of: r, coding: c, file: from}
	err := m.takeBody(wait)
	if err == nil {
		err = f.describe(m, r.name, now)
	}
	if err != nil {
		m.dropFile()
		return err
	}
	if !m.inMemory() {
		r.files++
	}
	r.weight += m.weight()
	r.forms[c].Store(m)
	return nil
}

// unrest is how often a file is read again that was written meanwhile.
const unrest = 4

// takeBody reads a small file into memory and closes it. A file of any size is then one that need not be waited for.
func (m *form) takeBody(wait bool) error {
	for range unrest {
		if m.file.size > largestBody { // by now
			m.length = m.file.size
			return m.warmParts([]http.Range{{Length: m.length}}, wait)
		}
		body := make([]byte, m.file.size)
		n, err := m.file.read(body, 0, wait)
		if err != nil {
			return err
		}
		if now, err := m.file.again(); err != nil || now != m.file {
			m.file = now
			continue
		}
		if n < len(body) {
			return unix.EIO
		}
		m.body, m.length = body, int64(n)
		m.dropFile()
		return nil
	}
	return errWouldWait // on a loop there is a second try; else it is an overload
}

func (m *form) dropFile() {
	if m.file.fd >= 0 {
		m.file.close()
		m.file.fd = -1
	}
}

// formOverhead is about what a form takes besides its body.
const formOverhead = 1 << 10

// weight is what m takes of memory, in bytes.
func (m *form) weight() int64 { return int64(len(m.body)) + formOverhead }

// addTwin looks for the file beside r's that holds it in another coding. One that cannot be had is none: not a regular file,
// not to be read, a link that leads out; and one that is older than its original, which somebody has forgotten to renew.
func (f *Files) addTwin(r *resource, c coding.Coding, original file, now time.Time, watched, wait bool) error {
	if isTwinName(r.name) {
		return nil
	}
	name := append(append(append(make([]byte, 0, len(r.name)+8), r.name...), twinEndings[c]...), 0)
	twin, err := f.open(r, name, watched, wait)
	switch {
	case err == errWouldWait:
		return err
	case err != nil:
		return nil
	case twin.kind != regular || older(twin.mtime, original.mtime) || twin.size == 0:
		twin.close()
		return nil
	}
	if err := f.addForm(r, c, twin, now, wait); err != nil {
		if errors.Is(err, errWouldWait) {
			return err
		}
		return nil
	}
	r.twins = append(r.twins, c)
	return nil
}

// twinLag is by how many seconds a twin may be older than its original: what copies folders does not keep their order.
const twinLag = 2

func older(twin, original unix.Timespec) bool { return twin.Sec < original.Sec-twinLag }

// twinEndings are what the names of twins have behind that of their original.
var twinEndings = [coding.Count]string{coding.Brotli: ".br", coding.Zstd: ".zst", coding.Gzip: ".gz"}
