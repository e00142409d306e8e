package config

import (
	"errors"
	"fmt"
	nethttp "net/http"
	"slices"
	"strings"
)

// Files are the settings of a site for what it serves from its root. What they mean is static's to say, and so is whether a
// pattern, a media type or a name can be: it is told to the builder of the site, with the key.
type Files struct {
	Symlinks      Bool           `toml:"symlinks" flag:"yes" arg:"bool" doc:"follow symbolic links that lead to something beneath the root"`
	Fallback      Text           `toml:"fallback" flag:"yes" arg:"FILE" doc:"FILE that answers a browser where there is nothing, such as index.html for an application of one page"`
	Precompressed Codings        `toml:"precompressed" flag:"yes" arg:"CODING" doc:"codings of files that lie beside their originals, such as a.js.br, and are sent in their place: br, zstd or gzip, the best first, or none; may be repeated; without, all three"`
	Compress      Codings        `toml:"compress" flag:"yes" arg:"CODING" doc:"codings for text that has no such file, and is compressed when it is asked for: br, zstd or gzip, the best first, or none; may be repeated; without, all three"`
	CompressMin   Size           `toml:"compress_min" doc:"smallest file that is compressed; without, 1KiB"`
	Cache         Bool           `toml:"cache" flag:"yes" arg:"bool" doc:"keep open files and small bodies from one request to the next; a change shows at once all the same"`
	CacheNames    Number         `toml:"cache_names" doc:"names that are kept; without, 4096"`
	CacheFiles    Number         `toml:"cache_files" doc:"files that are kept open; without, 1024 or an eighth of those that the process may open, divided among all sites"`
	CacheMemory   Size           `toml:"cache_memory" doc:"memory for the bodies that are kept; without, 64MiB"`
	MediaTypes    Pairs          `toml:"media_types" doc:"extensions and their media types: { \".foo\" = \"text/x-foo\" }"`
	CacheControl  []CacheControl `toml:"cache_control"`
	ErrorPages    []ErrorPage    `toml:"error_page"`
	Archives      Formats        `toml:"archives" flag:"yes" arg:"FORMAT" bare:"tar.gz,zip" doc:"let folders be downloaded as one file: tar, tar.gz or zip; may be repeated"`
	ArchiveMax    Size           `toml:"archive_max" doc:"bytes of all files of an archive, before they are compressed; without, 16GiB"`
	ArchiveFiles  Number         `toml:"archive_files" doc:"files and folders of an archive; without, 100000"`

	Upload          Folders  `toml:"upload" flag:"yes" arg:"FOLDER" bare:"/" doc:"FOLDER that files may be put into, by PUT, by the form of its page, or by tus, with all below it: /incoming; may be repeated"`
	UploadMax       Size     `toml:"upload_max" flag:"yes" arg:"SIZE" doc:"SIZE of the largest file that may be put: 100MiB; without, 1GiB"`
	UploadOverwrite Bool     `toml:"upload_overwrite" flag:"yes" arg:"bool" doc:"let a file take the place of another"`
	UploadResume    Bool     `toml:"upload_resume" doc:"keep what has come of an upload by tus that breaks, so that it can be resumed; without, true"`
	UploadExpiry    Duration `toml:"upload_expiry" doc:"how long that is kept; without, 24h"`
	UploadSync      Bool     `toml:"upload_sync" doc:"answer only when the file is on the disk"`
	UploadOrigins   Names    `toml:"upload_origins" doc:"other sites whose pages may upload: https://pages.example.com"`
}

// CacheControl says how long clients may keep some of the files.
type CacheControl struct {
	Files Names `toml:"files" doc:"names of files: *.css wherever it lies, /assets/ for all in it, /img/**/*.png"`
	Value Text  `toml:"value" doc:"the Cache-Control of these: public, max-age=31536000, immutable; of two that match, the later counts"`
}

// ErrorPage is a file that is the body of errors.
type ErrorPage struct {
	Codes Codes `toml:"codes" doc:"status codes: 403, 404, 500 to 599, or 5xx for all of these"`
	File  Text  `toml:"file" doc:"path of the page beneath the root: /errors/404.html"`
}

// defaultFiles are those of Default.
func defaultFiles() Files {
	on := Bool{Value: true}
	return Files{Symlinks: on, Cache: on}
}

// Codings are content codings. None at all may be what was given.
type Codings struct {
	Names []string
	Given bool
}

// Set implements Value.
func (c *Codings) Set(s string) error {
	switch {
	case s == "none":
		*c = Codings{Given: true}
	case !slices.Contains(codings, s):
		return fmt.Errorf("%q: want %s, or none", s, OneOf(codings))
	case !slices.Contains(c.Names, s):
		*c = Codings{append(c.Names, s), true}
	}
	return nil
}

var codings = []string{"br", "zstd", "gzip"}

// Formats are those of archives.
type Formats []string

// Set implements Value.
func (f *Formats) Set(s string) error {
	if !slices.Contains(formats, s) {
		return fmt.Errorf("%q: want %s", s, OneOf(formats))
	}
	if !slices.Contains(*f, s) {
		*f = append(*f, s)
	}
	return nil
}

var formats = []string{"tar", "tar.gz", "zip"}

// Folders are paths of folders beneath the root.
type Folders []string

// Set implements Value.
func (f *Folders) Set(s string) error {
	var t Text
	if err := t.Set(s); err != nil {
		return err
	}
	if !strings.HasPrefix(s, "/") {
		return fmt.Errorf("%q: want / or the path of a folder beneath the root, such as /incoming", s)
	}
	*f = append(*f, s)
	return nil
}

// Codes are status codes of errors that can have a page, or 5xx for those of the server.
type Codes []string

// Set implements Value.
func (c *Codes) Set(s string) error {
	server := len(s) == 3 && s[0] == '5' && (s == "5xx" || s[1] >= '0' && s[1] <= '9' && s[2] >= '0' && s[2] <= '9')
	if s != "403" && s != "404" && !server {
		return fmt.Errorf("%s can have no page: want 403, 404, 500 to 599, or 5xx for all of these", s)
	}
	*c = append(*c, s)
	return nil
}

// Each are the codes one by one.
func (c Codes) Each() (codes []int) {
	for _, s := range c {
		from, to := 500, 599
		if s != "5xx" {
			_, _ = fmt.Sscan(s, &from) // Set has seen to it
			to = from
		}
		for code := from; code <= to; code++ {
			codes = append(codes, code)
		}
	}
	return codes
}

func (s *Site) checkFiles() error {
	for i, p := range s.ErrorPages {
		switch {
		case len(p.Codes) == 0:
			return Within("error_page", i, At("codes", errors.New("is missing: such as [404]")))
		case p.File == "":
			return Within("error_page", i, At("file", errors.New("is missing: such as /404.html")))
		}
	}
	for i, c := range s.CacheControl {
		switch {
		case len(c.Files) == 0:
			return Within("cache_control", i, At("files", errors.New(`is missing: such as ["*.css"]`)))
		case c.Value == "":
			return Within("cache_control", i, At("value", errors.New("is missing: such as no-cache")))
		}
	}
	if len(s.Upload) > 0 && s.Root == "" {
		return At("upload", errors.New("there is no root to put files into"))
	}
	for _, origin := range s.UploadOrigins {
		if nethttp.NewCrossOriginProtection().AddTrustedOrigin(origin) != nil {
			return At("upload_origins", fmt.Errorf("%q is no origin: want one such as https://pages.example.com", origin))
		}
	}
	return s.checkUseless()
}

// checkUseless finds what has no effect, which nobody means.
func (s *Site) checkUseless() error {
	type key struct {
		name  string
		given bool
	}
	for _, of := range []struct {
		what string
		on   bool
		keys []key
	}{
		{"upload", len(s.Upload) > 0, []key{
			{"upload_max", s.UploadMax > 0}, {"upload_overwrite", s.UploadOverwrite.Given}, {"upload_resume", s.UploadResume.Given},
			{"upload_expiry", s.UploadExpiry > 0}, {"upload_sync", s.UploadSync.Given}, {"upload_origins", len(s.UploadOrigins) > 0},
		}},
		{"root", s.Root != "", []key{
			{"index", len(s.Index) > 0}, {"fallback", s.Fallback != ""}, {"precompressed", s.Precompressed.Given}, {"compress", s.Compress.Given},
			{"compress_min", s.CompressMin > 0}, {"media_types", len(s.MediaTypes) > 0}, {"cache_control", len(s.CacheControl) > 0},
			{"error_page", len(s.ErrorPages) > 0}, {"archives", len(s.Archives) > 0},
		}},
		{"archives", len(s.Archives) > 0, []key{{"archive_max", s.ArchiveMax > 0}, {"archive_files", s.ArchiveFiles > 0}}},
		{"cache", s.Cache.Or(true), []key{
			{"cache_names", s.CacheNames > 0}, {"cache_files", s.CacheFiles > 0}, {"cache_memory", s.CacheMemory > 0},
		}},
	} {
		for _, k := range of.keys {
			if k.given && !of.on {
				return At(k.name, fmt.Errorf("has no effect without %s", of.what))
			}
		}
	}
	return nil
}
