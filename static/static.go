// Package static serves the files of one folder over HTTP.
//
//	files, err := static.New("public")
//	server := &http.Server{Handler: files.Serve}
//
// A path is decoded once (by package http) and looked up beneath the root by
// the kernel, which refuses every way out: "..", absolute symbolic links,
// links that lead elsewhere. Only regular files are sent. Names that start
// with a dot are never served, nor listed; a link without a dot may lead to
// one, for whoever owns the folder made that link. A path that names nothing
// that is served is answered by 404, whether there is nothing, something hidden,
// a way out or a device; what is there and may not be read by this process, or
// lies in a folder that it may not pass, by 403. A device is opened (O_NONBLOCK)
// before it is known to be one, which can have an effect on some, such as a tape
// or a watchdog: let there be none beneath the root that this process may open.
//
// What is promised of an answer: its length, validators and bytes come from
// one opened file; when that file is cut short while it is sent, the
// connection ends rather than the answer being filled up. Whoever replaces
// files should write a new one and rename it: then each answer is whole.
//
// What is asked for often is kept: open files, the bodies of small ones, and
// what was compressed. inotify(7) tells when a name or a file changes, so that a
// request that a loop turns to afterwards gets what is new. A change that inotify
// cannot tell is seen a second later: one made by another machine on a network
// file system, or through a mapping, and one in a folder that a name reaches only
// through a symbolic link; and any change where no watch can be had
// (fs.inotify.max_user_watches).
//
// A file has other forms for clients that accept them: a twin beside it whose
// name has .br, .zst or .gz behind it, else, for text of 1 KiB to 4 MiB, what is
// compressed on the fly.
//
// The root is opened once: when its own name comes to mean another folder, New
// has to be called again.
package static

import (
	"fmt"
	"hash/maphash"
	"mime"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/coding"
)

// Files serves one folder. Its methods may be called from any goroutine.
type Files struct {
	root        *root
	cache       *cache
	slots       chan struct{} // of those who wait for the disk
	jobs        jobs
	index       []string
	links       bool
	twins       []coding.Coding
	compression compression
	bounds      CacheBounds
	types       map[string]string // by extension, in lower case
	rules       rules
	fallback    string
	pages       map[int]string // by status code

	listing  bool
	seed     maphash.Seed // of the listings' ETags, which hold for this Files only
	held     *budget      // of listings
	archives *archives    // nil: not allowed
	uploads  *uploads     // nil: not allowed
}

// New opens the folder root to serve it. The error is that of the system
// (errors.Is with fs.ErrNotExist, fs.ErrPermission, unix.ENOTDIR) or of an
// option. Close frees what it holds.
func New(root string, opts ...Option) (*Files, error) {
	f := &Files{
		index: []string{"index.html"}, listing: true, links: true, twins: twinCodings, bounds: DefaultCacheBounds(),
		slots: make(chan struct{}, maxWaiting), pages: make(map[int]string), jobs: newJobs(),
		seed: maphash.MakeSeed(), held: newBudget(heldBytes),
		compression: compression{
			codings: twinCodings, min: defaultMinCompressed, max: maxCompressed,
			types: coding.NewTypeSet(coding.Compressible), pool: coding.NewPool(compressionLevel),
		},
	}
	for _, opt := range opts {
		if err := opt(f); err != nil {
			return nil, fmt.Errorf("static: %w", err)
		}
	}
	if f.bounds.Entries == 0 || f.bounds.Bytes == 0 {
		f.compression.codings = nil // each request would have it made again
	}
	_ = mime.TypeByExtension(".html") // reads the system's tables, now rather than on a loop
	var err error
	if f.root, err = openRoot(root); err != nil {
		return nil, fmt.Errorf("static: %w", err)
	}
	f.root.links = f.links
	if f.uploads != nil {
		if err := f.uploads.check(); err != nil {
			f.root.close()
			return nil, fmt.Errorf("static: %w", err)
		}
	}
	f.cache = newCache(f.bounds)
	if f.uploads.resumable() {
		f.uploads.start()
	}
	return f, nil
}

// Close frees the root and the cache, when what is in Serve has ended, or what Serve has handed to a goroutine: a file that is
// looked for, a folder that is being read or sent, an upload. Requests that come later are answered by 503. Answers that are
// still being sent from a file hold it themselves. Shut the server down first, so that there is an end to wait for. Called
// again, it does nothing. Not for a handler: it would wait for itself.
func (f *Files) Close() error {
	if !f.jobs.close() {
		return nil
	}
	if f.uploads != nil {
		f.uploads.close()
	}
	f.cache.close()
	return f.root.close()
}

// Dir is New for wiring a server at its start: it returns the handler and
// panics where New returns an error. The folder stays open for good.
func Dir(root string, opts ...Option) http.Handler {
	f, err := New(root, opts...)
	if err != nil {
		panic(err)
	}
	return f.Serve
}
