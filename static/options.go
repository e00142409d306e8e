package static

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/http/coding"
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

// WithCache sets the bounds of the cache. The default is 4,096 names, 64 MiB, and an eighth of the files that the process may
// open (RLIMIT_NOFILE), at most 1,024. With no Entries nothing is kept; without Bytes nothing is compressed on the fly either.
func WithCache(b CacheBounds) Option {
	return func(f *Files) error {
		if b.Entries < 0 || b.Files < 0 || b.Bytes < 0 {
			return fmt.Errorf("cache bounds %+v: below zero", b)
		}
		f.bounds = b
		return nil
	}
}

func defaultBounds() CacheBounds {
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
// it is missing the server's ErrorHandler answers. What else is wrong with a request, such as its method, is not about files
// and stays with the ErrorHandler.
func WithErrorPage(file string, codes ...int) Option {
	return func(f *Files) error {
		name, err := fileName(file)
		if err != nil {
			return fmt.Errorf("error page: %w", err)
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
