package static

import (
	"fmt"
	"mime"
	nethttp "net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/http/coding"
	"github.com/carillon-go/carillon/http/middleware"
)

// Option changes how a folder is served.
type Option func(*Files) error

// WithIndex names the files that answer for their folder, the first that
// exists; the default is index.html. With no name, no file does.
func WithIndex(names ...string) Option {
	return func(f *Files) error {
		for _, name := range names {
			if _, err := fileName("/" + name); err != nil {
				return fmt.Errorf("index file: %w", err)
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

// WithSymlinks says whether symbolic links are followed that stay beneath the root; the default is true. Without, every name
// that leads over one is answered by 404.
func WithSymlinks(on bool) Option {
	return func(f *Files) error {
		f.links = on
		return nil
	}
}

// WithTwins says in which codings files may lie beside their originals: "br", "zstd", "gzip". Of those that the client likes
// equally, the first is sent. The default is these three in this order; with none, no twin is looked for.
//
// A twin must be a regular file beneath the root, and is not sent when it was last changed more than two seconds before its
// original. It has its own ETag, Last-Modified and ranges.
func WithTwins(codings ...string) Option {
	return func(f *Files) (err error) {
		f.twins, err = codingsOf(codings)
		return err
	}
}

// WithCompression says in which codings files are compressed on the fly that have no twin which the client accepts: as
// WithTwins, with the same default; with none, nothing is compressed. min is the size in bytes of the smallest file for which
// that is done; the largest has 4 MiB. Only types of coding.Compressible are, and no file within a second of its last change.
//
// Each form is made once, on a goroutine, and kept in the cache. Its ETag is weak, because another release may compress
// otherwise, and it has no ranges: a request with a Range gets the file as it is.
func WithCompression(min int64, codings ...string) Option {
	return func(f *Files) (err error) {
		if min < 0 || min > maxCompressed {
			return fmt.Errorf("compression from %d bytes on: 0 to %d can be", min, maxCompressed)
		}
		f.compression.min = max(min, 1)
		f.compression.codings, err = codingsOf(codings)
		return err
	}
}

func codingsOf(names []string) ([]coding.Coding, error) {
	var all []coding.Coding
	for _, name := range names {
		c, ok := coding.Of(name)
		if !ok || twinEndings[c] == "" {
			return nil, fmt.Errorf("coding %q: want br, zstd or gzip", name)
		}
		if slices.Contains(all, c) {
			return nil, fmt.Errorf("coding %q: %s is named twice", name, c)
		}
		all = append(all, c)
	}
	return all, nil
}

// CacheBounds bound what is kept between requests, for all loops together.
type CacheBounds struct {
	Entries int   // names
	Files   int   // open files
	Bytes   int64 // of memory, for bodies and what belongs to them
}

// WithCache sets the bounds of the cache; the default are those of DefaultCacheBounds. With no Entries nothing is kept; without
// Bytes nothing is compressed on the fly either.
func WithCache(b CacheBounds) Option {
	return func(f *Files) error {
		if b.Entries < 0 || b.Files < 0 || b.Bytes < 0 {
			return fmt.Errorf("cache bounds %+v: below zero", b)
		}
		f.bounds = b
		return nil
	}
}

// DefaultCacheBounds are 4,096 names, 64 MiB, and an eighth of the files that the process may open (RLIMIT_NOFILE), at most
// 1,024. A process with several Files divides that among them.
func DefaultCacheBounds() CacheBounds {
	b := CacheBounds{Entries: 4096, Files: 1024, Bytes: 64 << 20}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		b.Files = int(min(uint64(b.Files), limit.Cur/8))
	}
	return b
}

// WithHeader sets a header line on the answers of files whose names match pattern: of 200, 206 and 304, and of error pages. A
// later rule replaces an earlier one of the same line, and Content-Type and nosniff.
//
// Listings and archives get the lines as well, by the name of their folder, "docs" for "/docs/", but for those whose names begin
// with Content- and those that they have themselves. Their Cache-Control is no-cache, unless that of a rule has no-store.
//
// A pattern is matched against the name of the file that answers, beneath the root: "docs/index.html" for "/docs/". Without a
// slash it is for the last segment, wherever that is: "*.css". With one it is for the whole name: "/assets/*.js", and "**" is
// any number of folders: "/assets/**", "**/img/*.png". A segment is as path.Match has it. "/assets/" is "/assets/**".
func WithHeader(pattern, name, value string) Option {
	return func(f *Files) error {
		r, err := newRule(pattern, name, value)
		if err != nil {
			return err
		}
		f.rules = append(f.rules, r)
		return nil
	}
}

// WithCacheControl is WithHeader for Cache-Control (RFC 9111 section 5.2). Error pages do not get it.
func WithCacheControl(pattern, value string) Option {
	return WithHeader(pattern, "Cache-Control", value)
}

// WithMediaType sets the Content-Type of files whose names end in ext, ".foo", in whatever case.
func WithMediaType(ext, mediaType string) Option {
	return func(f *Files) error {
		if len(ext) < 2 || ext[0] != '.' || strings.ContainsAny(ext[1:], "./") {
			return fmt.Errorf("media type of %q: an extension is a dot and what follows the last one in a name", ext)
		}
		if _, _, err := mime.ParseMediaType(mediaType); err != nil || !strings.Contains(mediaType, "/") {
			return fmt.Errorf("media type %q of %q is malformed", mediaType, ext)
		}
		if f.types == nil {
			f.types = make(map[string]string)
		}
		f.types[strings.ToLower(ext)] = mediaType
		return nil
	}
}

// WithFallback names the file that answers, with 200, where there is nothing: for an application whose views have addresses but
// no files. It does so for what a browser navigates to: a GET or HEAD whose Accept names text/html, of a path whose last
// segment has no dot, and not for hidden names. Everything else that is missing stays a 404.
func WithFallback(file string) Option {
	return func(f *Files) (err error) {
		if f.fallback, err = fileName(file); err != nil {
			return fmt.Errorf("fallback: %w", err)
		}
		return nil
	}
}

// WithErrorPage names the file, beneath the root, that is the body of answers with these codes: 403, 404, and 500 to 599. Where
// it is missing the server's ErrorHandler answers. Listings and archives that fail have these pages as well. What else is wrong
// with a request, such as its method, is not about files and stays with the ErrorHandler, and so do the errors of uploads.
func WithErrorPage(file string, codes ...int) Option {
	return func(f *Files) error {
		name, err := fileName(file)
		if err != nil {
			return fmt.Errorf("error page: %w", err)
		}
		if len(codes) == 0 {
			return fmt.Errorf("error page %q: for no code", file)
		}
		for _, code := range codes {
			if code != 403 && code != 404 && (code < 500 || code > 599) {
				return fmt.Errorf("error page for %d: 403, 404 and 500 to 599 can have one", code)
			}
			f.pages[code] = name
		}
		return nil
	}
}

// ArchiveOptions say how folders are packed. A zero field means the default.
type ArchiveOptions struct {
	// Formats are those that are allowed, in the order in which a page offers them: "tar", "tar.gz", "zip". Default the last two.
	Formats []string
	// MaxFiles bounds the files and folders of one archive. Default 100,000.
	MaxFiles int
	// MaxBytes bounds the files of one archive together, before they are compressed. Default 16 GiB.
	MaxBytes int64
	// MaxDepth is how many folders may lie in one another beneath the one that is packed. Default 64.
	MaxDepth int
	// MaxAtOnce is how many archives are made at the same time, each by a goroutine that compresses; who comes later is
	// answered by 503. Default 8.
	MaxAtOnce int
}

// WithArchives lets a folder be downloaded as one archive, by ?download=tar.gz and the like behind its path, and has its page
// offer that. A folder that an index file answers for is not packed.
//
// An archive holds what would be served: no hidden names, no links that lead out, nothing that may not be read. A link to a
// file is packed as that file; a link to a folder is left out, since it could lead in a circle. The archive is made while it
// is sent, without a copy of it in memory or on disk. A folder that is over a bound is answered by 413 before. When a file
// gets shorter, or cannot be read to its end, while it is packed, the answer is broken off, so that nobody takes what has
// arrived for the whole.
func WithArchives(o ArchiveOptions) Option {
	return func(f *Files) error {
		if len(o.Formats) == 0 {
			o.Formats = []string{"tar.gz", "zip"}
		}
		for _, format := range o.Formats {
			if _, ok := packers[format]; !ok {
				return fmt.Errorf("archive format %q: there are tar, tar.gz and zip", format)
			}
		}
		o.Formats = slices.Clone(o.Formats)
		o.MaxFiles = orDefault(o.MaxFiles, 100_000)
		o.MaxBytes = orDefault(o.MaxBytes, 16<<30)
		o.MaxDepth = orDefault(o.MaxDepth, 64)
		o.MaxAtOnce = orDefault(o.MaxAtOnce, 8)
		if o.MaxFiles < 0 || o.MaxBytes < 0 || o.MaxDepth < 0 || o.MaxAtOnce < 0 {
			return fmt.Errorf("archives: a bound is below zero")
		}
		f.archives = &archives{ArchiveOptions: o, atOnce: newBudget(int64(o.MaxAtOnce))}
		return nil
	}
}

// UploadOptions say what may be put into the folder. A zero field means the default.
type UploadOptions struct {
	// Folders are the paths of the folders, "/incoming", that files may be put into, and into what is in them. They must be
	// there when New is called. Default: the root.
	Folders []string
	// MaxSize bounds one file, in bytes. Default 1 GiB; negative: the route's MaxBody alone.
	MaxSize int64
	// MaxFiles bounds the files of one form. Default 100.
	MaxFiles int
	// Overwrite lets a file take the place of another; without, that is answered by 409, and so is a twin of another (see
	// WithTwins): "app.js.gz" would be what clients get for "app.js". One that is there first must be older than the
	// file, or that is answered by 409. (Where files are put there otherwise, with old dates, let WithTwins have none.)
	Overwrite bool
	// Sync has a file, and the folder that it is in, written to the disk (fsync(2)) before the client hears of its success.
	Sync bool
	// Expiry is how long an upload that can be resumed is kept after the last byte of it has come. Default 24 h; negative:
	// none can be resumed.
	Expiry time.Duration
	// MaxUnfinished bounds the uploads that wait to be resumed: further ones are answered by 503. Default 100.
	MaxUnfinished int
	// TrustedOrigins are origins, "https://pages.example.com", whose pages may upload as the site's own may. Default none.
	TrustedOrigins []string
}

// WithUpload lets clients add files to the folder and what is in it. They do so in three ways:
//
//   - PUT of a file's path answers 201, or 204 for a file that was there already. If-None-Match, If-Match and
//     If-Unmodified-Since are obeyed.
//   - POST of multipart/form-data to a folder's path adds the files of the form and leads back to the folder by 303. When they
//     are all there, each gets its name. The page of a folder has such a form.
//   - tus 1.0.0 (https://tus.io/protocols/resumable-upload) with its extensions creation, creation-with-upload, expiration and
//     termination, at a folder's path, the name in the metadata "filename". The script of the page uses that. What has not
//     arrived whole lies in the hidden folder .carillon-uploads beneath the root, also over a restart, until it expires.
//
// A file has its name when it is whole and not before, and what breaks leaves nothing behind. (When the process is killed, hidden
// files .carillon-* can stay: of forms of more than 8 files, and where the file system has no O_TMPFILE.) Folders must be there already:
// 409. Hidden names, and names of what is no regular file, are refused. A disk that is full is answered by 507, a
// request that the page of another site has made by 403, as middleware.CSRF does. Who may upload at all is for the middleware
// in front to say.
//
// What is uploaded is served as what its name says. An .html, .svg or .js runs in the browser of who opens it as the site's own
// does, with its cookies: files of people who are not trusted that far belong to a host name of their own, or get
// WithHeader("/incoming/**", "Content-Security-Policy", "sandbox").
//
// Bodies are written as they arrive when the route streams them. GET and HEAD may have a route of their own, on the loop:
//
//	app.Mount("/", files.Serve, http.StreamBody, http.MaxBody(1<<30))
//	app.Get("/{path...}", files.Serve, http.Inline)
//
// Without StreamBody a body is held in memory first, and without MaxBody it is bounded by the server's 4 MiB. A Server with a
// Handler and no App has neither.
func WithUpload(o UploadOptions) Option {
	return func(f *Files) error {
		if o.MaxSize == 0 {
			o.MaxSize = 1 << 30
		}
		if o.Expiry == 0 {
			o.Expiry = 24 * time.Hour
		}
		o.MaxFiles = orDefault(o.MaxFiles, 100)
		o.MaxUnfinished = orDefault(o.MaxUnfinished, 100)
		if o.MaxFiles < 0 || o.MaxUnfinished < 0 {
			return fmt.Errorf("uploads: a bound is below zero")
		}
		for _, origin := range o.TrustedOrigins {
			if err := nethttp.NewCrossOriginProtection().AddTrustedOrigin(origin); err != nil {
				return fmt.Errorf("uploads: %w", err)
			}
		}
		u := &uploads{UploadOptions: o, files: f}
		for _, path := range o.Folders {
			name, err := folderName(path)
			if err != nil {
				return fmt.Errorf("uploads: %w", err)
			}
			u.into = append(u.into, name)
		}
		u.handler = middleware.CSRF(middleware.CSRFOptions{TrustedOrigins: o.TrustedOrigins})(u.serve)
		f.uploads = u
		return nil
	}
}

func orDefault[T int | int64](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

// folderName returns the name beneath the root of a path, with or without slashes at its ends.
func folderName(path string) (string, error) {
	name, _, ok := appendName(nil, []byte("/"+strings.Trim(path, "/")))
	if !ok {
		return "", fmt.Errorf("%q is no path of a folder that can be served", path)
	}
	return string(name), nil
}

// fileName returns the name beneath the root of a path, with or without a slash in front.
func fileName(path string) (string, error) {
	if path != "" && path[0] != '/' {
		path = "/" + path
	}
	name, folder, ok := appendName(nil, []byte(path))
	if !ok || folder {
		return "", fmt.Errorf("%q is no name of a file that can be served", path)
	}
	return string(name), nil
}
