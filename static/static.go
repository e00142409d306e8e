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
// lies in a folder that it may not pass, by 403.
//
// What is promised of an answer: its length, validators and bytes come from
// one opened file; when that file is cut short while it is sent, the
// connection ends rather than the answer being filled up. Whoever replaces
// files should write a new one and rename it: then each answer is whole.
//
// The root is opened once: when its own name comes to mean another folder, New
// has to be called again.
package static

import (
	"fmt"
	"hash/maphash"

	"github.com/carillon-go/carillon/http"
)

// Files serves one folder. Its methods may be called from any goroutine.
type Files struct {
	root    *root
	index   []string
	listing bool

	seed     maphash.Seed // of the listings' ETags, which hold for this Files only
	held     *budget      // of listings
	archives *archives    // nil: not allowed
	uploads  *uploads     // nil: not allowed
	jobs     jobs
}

// Option changes how a folder is served.
type Option func(*Files) error

// WithIndex names the files that answer for their folder, the first that
// exists; the default is index.html. With no name, no file does.
func WithIndex(names ...string) Option {
	return func(f *Files) error {
		for _, name := range names {
			path := "/" + name
			if _, folder, ok := appendName(nil, []byte(path)); !ok || folder {
				return fmt.Errorf("index file %q is no name that can be served", name)
			}
		}
		f.index = names
		return nil
	}
}

// WithListing says whether a folder without an index file is answered by a
// page that lists it; the default is true. Without, the answer is 404.
func WithListing(on bool) Option {
	return func(f *Files) error {
		f.listing = on
		return nil
	}
}

// New opens the folder root to serve it. The error is that of the system
// (errors.Is with fs.ErrNotExist, fs.ErrPermission, unix.ENOTDIR) or of an
// option. Close frees what it holds.
func New(root string, opts ...Option) (*Files, error) {
	f := &Files{index: []string{"index.html"}, listing: true, seed: maphash.MakeSeed(), held: newBudget(heldBytes)}
	for _, opt := range opts {
		if err := opt(f); err != nil {
			return nil, fmt.Errorf("static: %w", err)
		}
	}
	var err error
	if f.root, err = openRoot(root); err != nil {
		return nil, fmt.Errorf("static: %w", err)
	}
	if f.uploads.resumable() {
		f.uploads.start()
	}
	return f, nil
}

// Close frees the root. No request may be in Serve, and none may come to it
// afterwards: shut the server down first. Answers that are still being sent
// hold their own files; for folders that are still being read, and uploads whose
// client has just gone, Close waits.
func (f *Files) Close() error {
	f.jobs.close()
	if f.uploads != nil {
		f.uploads.close()
	}
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
