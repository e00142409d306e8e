package vhost

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/carillon-go/carillon/cmd/httpd/internal/config"
	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/static"
)

// files opens the root of a site.
func (b *builder) files(s *config.Site) (content, error) {
	f, err := static.New(string(s.Root), fileOptions(s, b.roots())...)
	if _, told := errors.AsType[*config.KeyError](err); told {
		return content{}, err
	}
	if path, ok := errors.AsType[*fs.PathError](err); ok && path.Path != string(s.Root) {
		return content{}, config.At("upload", fmt.Errorf("cannot take files into %s: %w", path.Path, Plain(err)))
	}
	if err != nil {
		return content{}, config.At("root", fmt.Errorf("cannot serve %s: %w", s.Root, Plain(err)))
	}
	b.built.folders = append(b.built.folders, f)
	serve := http.Handler(f.Serve)
	if len(s.Archives) > 0 {
		g, err := newGuarded(s.Auth)
		if err != nil {
			return content{}, err
		}
		if g != nil {
			serve = g.aroundArchives(serve)
		}
	}
	if b.Live != nil {
		serve = b.Live(serve)
	}
	if len(s.Upload) == 0 {
		return content{serve, small}, nil
	}
	return content{serve, uploadLimit(int64(s.UploadMax))}, nil
}

// roots is how many sites have files.
func (b *builder) roots() (n int) {
	if b.config.Root != "" {
		n++
	}
	for i := range b.config.Sites {
		if b.config.Sites[i].Root != "" {
			n++
		}
	}
	return n
}

// formFiles is how many files a form may have: the default of static.UploadOptions.
const formFiles = 100

// uploadLimit bounds the bodies of what brings files. static bounds each file, and so the bodies of PUT and PATCH, which are
// one; but nobody the whole of a form.
func uploadLimit(file int64) func(*http.Ctx) int64 {
	if file == 0 {
		file = 1 << 30 // static's default
	}
	form := formLimit(file)
	return func(c *http.Ctx) int64 {
		switch c.Method() {
		case "PUT", "PATCH":
			return file
		case "POST":
			return form
		}
		return maxBody
	}
}

// formLimit is the bound of a form, whose files and what stands around them have each their own.
func formLimit(file int64) int64 {
	if file > unbounded/formFiles-maxBody {
		return unbounded
	}
	return formFiles * (file + maxBody)
}

// fileOptions are the settings of a site as static has them. An option that cannot be tells the key. Roots is how many folders
// share the files that the process may open.
func fileOptions(s *config.Site, roots int) (opts []static.Option) {
	add := func(key string, o static.Option) {
		opts = append(opts, func(f *static.Files) error { return config.At(key, o(f)) })
	}
	add("listing", static.WithListing(s.Listing.Or(true)))
	add("symlinks", static.WithSymlinks(s.Symlinks.Or(true)))
	if len(s.Index) > 0 {
		add("index", static.WithIndex(s.Index...))
	}
	if s.Fallback != "" {
		add("fallback", static.WithFallback(string(s.Fallback)))
	}
	for i, p := range s.ErrorPages {
		page := static.WithErrorPage(string(p.File), p.Codes.Each()...)
		opts = append(opts, func(f *static.Files) error { return config.Within("error_page", i, config.At("file", page(f))) })
	}
	for i, c := range s.CacheControl {
		for _, pattern := range c.Files {
			rule := static.WithCacheControl(pattern, string(c.Value))
			opts = append(opts, func(f *static.Files) error { return config.Within("cache_control", i, config.At("files", rule(f))) })
		}
	}
	for _, ext := range slices.Sorted(maps.Keys(s.MediaTypes)) {
		add("media_types", static.WithMediaType(ext, s.MediaTypes[ext]))
	}
	if s.Precompressed.Given {
		add("precompressed", static.WithTwins(s.Precompressed.Names...))
	}
	if s.Compress.Given || s.CompressMin > 0 {
		names := s.Compress.Names
		if !s.Compress.Given {
			names = []string{"br", "zstd", "gzip"}
		}
		add("compress_min", static.WithCompression(cmp.Or(int64(s.CompressMin), 1<<10), names...))
	}
	add("cache", static.WithCache(cacheBounds(s, roots)))
	if len(s.Archives) > 0 {
		add("archives", static.WithArchives(static.ArchiveOptions{
			Formats: s.Archives, MaxBytes: int64(s.ArchiveMax), MaxFiles: int(s.ArchiveFiles),
		}))
	}
	if len(s.Upload) > 0 {
		add("upload", static.WithUpload(uploadOptions(s)))
	}
	return opts
}

func cacheBounds(s *config.Site, roots int) static.CacheBounds {
	if !s.Cache.Or(true) {
		return static.CacheBounds{}
	}
	b := static.DefaultCacheBounds()
	return static.CacheBounds{
		Entries: cmp.Or(int(s.CacheNames), b.Entries), Files: cmp.Or(int(s.CacheFiles), b.Files/max(roots, 1)), Bytes: cmp.Or(int64(s.CacheMemory), b.Bytes),
	}
}

func uploadOptions(s *config.Site) static.UploadOptions {
	o := static.UploadOptions{
		Folders: s.Upload, MaxSize: int64(s.UploadMax), MaxFiles: formFiles, Overwrite: s.UploadOverwrite.Value,
		Sync: s.UploadSync.Value, Expiry: time.Duration(s.UploadExpiry), TrustedOrigins: s.UploadOrigins,
	}
	if !s.UploadResume.Or(true) {
		o.Expiry = -1
	}
	return o
}
