package static

import (
	"bufio"
	"context"
	"slices"
	"strings"

	"github.com/carillon-go/carillon/http"
)

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

// serve answers by the folder named, packed. It blocks.
func (a *archives) serve(c *http.Ctx, f *Files, name, format string) error {
	if !slices.Contains(a.Formats, format) {
		return errFormat
	}
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
	own := headerList{"Content-Disposition", http.ContentDisposition("attachment", base+"."+format),
		"X-Content-Type-Options", "nosniff", "Cache-Control", "no-cache"}
	if err := setHeaders(c, f.rules.applyToFolder(own, name)...); err != nil {
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
