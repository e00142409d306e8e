package static

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/carillon-go/carillon/http"
)

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

func orDefault[T int | int64](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

type archives struct {
	ArchiveOptions
	atOnce *budget
}

var (
	errFormat   = http.NewError(400, "folders are not packed in this format")
	errPacking  = &http.Error{Code: 503, Detail: "too many folders are being packed", Header: map[string]string{"Retry-After": "30"}}
	errTooMany  = http.NewError(413, "the folder has too many files to be packed")
	errTooLarge = http.NewError(413, "the folder is too large to be packed")
	errTooDeep  = http.NewError(413, "the folder is too deep to be packed")
)

// serve answers by the folder named, packed.
func (a *archives) serve(c *http.Ctx, f *Files, name, format string) error {
	if !slices.Contains(a.Formats, format) {
		return errFormat
	}
	return f.offLoop(c, func(c *http.Ctx) error {
		if !a.atOnce.take(1) {
			return errPacking
		}
		defer a.atOnce.give(1)
		base := name[strings.LastIndexByte(name, '/')+1:]
		if base == "" {
			base = "files"
		}
		p := packing{archives: a, ctx: c, root: f.root, held: f.held, top: name, base: base}
		if err := p.survey(); err != nil {
			return err
		}
		err := setHeaders(c, "Content-Disposition", http.ContentDisposition("attachment", base+"."+format),
			"X-Content-Type-Options", "nosniff", "Cache-Control", "no-cache")
		if err != nil {
			return err
		}
		return c.Stream(200, http.MediaType("a."+format), func(s *http.Stream) error {
			if c.Method() == "HEAD" {
				return nil
			}
			out := bufio.NewWriterSize(s, 64<<10)
			if err := p.write(packers[format](out)); err != nil {
				return err
			}
			return out.Flush()
		})
	})
}

// packing is one archive that is being made.
type packing struct {
	*archives
	ctx   context.Context
	root  *root
	held  *budget
	top   string   // the folder, beneath the root
	base  string   // the folder that all of it is unpacked to
	names []string // of all in it, relative to it; those of folders end in a slash
	bytes int64
}

// survey finds out what the archive will hold, so that what is too much is known
// before the answer begins.
func (p *packing) survey() error { return p.surveyFolder("", 0) }

func (p *packing) surveyFolder(rel string, depth int) error {
	if depth > p.MaxDepth {
		return errTooDeep
	}
	name := strings.Trim(p.top+"/"+rel, "/")
	found, err := p.root.openFolder(name)
	if err != nil {
		if rel != "" && (err == errForbidden || err == errNotFound) { // it is not served, or has gone
			return nil
		}
		return err
	}
	es, err := p.root.readFolder(p.ctx, found, name, p.held)
	if err != nil {
		return answerTo(err)
	}
	defer es.release()
	es.arrange(order{by: 'n'})
	if p.bytes += es.bytes; p.bytes > p.MaxBytes {
		return errTooLarge
	}
	if es.more || !p.note(rel) {
		return errTooMany
	}
	for i := range es.list {
		e := &es.list[i]
		switch base := string(es.name(e)); {
		case !e.folder:
			if !p.note(rel + base) {
				return errTooMany
			}
		case !e.link:
			if err := p.surveyFolder(rel+base+"/", depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// note adds a name, if there may be one more.
func (p *packing) note(name string) bool {
	p.names = append(p.names, name)
	return len(p.names) <= p.MaxFiles
}
