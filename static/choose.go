package static

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/coding"
)

// twinCodings are the codings that files may be kept in, those first that make the least of a body.
var twinCodings = []coding.Coding{coding.Brotli, coding.Zstd, coding.Gzip}

// originalOf returns the name whose twin name may be.
func originalOf(name string) (string, bool) {
	for _, c := range twinCodings {
		if original, ok := strings.CutSuffix(name, twinEndings[c]); ok {
			return original, true
		}
	}
	return "", false
}

// twinOf returns the name of the file that one called name would be a twin of, as twins are looked for here.
func (f *Files) twinOf(name string) (original string, ok bool) {
	for _, c := range f.twins {
		if original, ok := strings.CutSuffix(name, twinEndings[c]); ok && original != "" {
			return original, !isTwinName(original)
		}
	}
	return "", false
}

func isTwinName(name string) bool {
	_, ok := originalOf(name)
	return ok
}

// choose returns the form of r that the request's Accept-Encoding prefers (RFC 9110 section 12.5.3). Twins go before what would
// be made on the fly, since somebody has put them there, and the file itself is what is left when nothing is acceptable.
//
// A Range is of the chosen form (section 14.2). What is made on the fly has none, because it need not come out byte for byte the
// same a second time: a request with a Range gets a form that lies on the disk. Errors: errWouldWait where a form has to be
// made first and the caller must not wait.
func (f *Files) choose(c *http.Ctx, r *resource, wait bool) (*form, error) {
	if !r.varies() {
		return r.plain(), nil
	}
	accepted := coding.AcceptedBy(c)
	if chosen := accepted.Choose(r.twins); chosen != coding.Identity {
		return r.forms[chosen].Load(), nil
	}
	if !r.flies || c.PeekHeader("Range") != nil {
		return r.plain(), nil
	}
	chosen := accepted.Choose(f.compression.codings)
	if m := r.forms[chosen].Load(); m != nil {
		return m, nil
	}
	if !wait {
		return nil, errWouldWait
	}
	return f.makeForm(r, chosen)
}

// compression is what is compressed on the fly, and how.
type compression struct {
	codings  []coding.Coding // none: nothing is
	min, max int64           // sizes of files, in bytes
	types    coding.TypeSet
	pool     *coding.Pool
}

const (
	defaultMinCompressed = 1 << 10
	// maxCompressed bounds how long one file keeps a processor busy: about a tenth of a second.
	maxCompressed = 4 << 20
	// compressionLevel: what is made once and sent often may take a while.
	compressionLevel = coding.Levels
)

// suits says whether other forms of m may be made on the fly. A young file may still be changing; it is sent as it is.
func (p *compression) suits(m *form) bool {
	return len(p.codings) > 0 && m.length >= p.min && m.length <= p.max && !m.weak() && p.types.Has(m.mediaType)
}

// makeForm compresses the file of r; one goroutine at a time does. What does not get smaller is sent as it is. It waits for the
// disk and for the processor.
func (f *Files) makeForm(r *resource, c coding.Coding) (*form, error) {
	r.making.Lock()
	defer r.making.Unlock()
	if m := r.forms[c].Load(); m != nil {
		return m, nil
	}
	plain := r.plain()
	body, err := plain.content()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	e := f.compression.pool.Get(c, &out)
	if _, err = e.Write(body); err == nil {
		err = e.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("static: compress %q by %s: %w", r.name, c, err)
	}
	f.compression.pool.Put(c, e)
	m := plain
	if out.Len() < len(body) {
		m = &form{of: r, coding: c, file: file{fd: -1}, body: bytes.Clone(out.Bytes()), length: int64(out.Len())}
		m.validators = http.Validators{ETag: "W/" + tagOf(plain.validators.ETag, c), Modified: plain.validators.Modified}
		if err := f.writeHeaders(m, r.name, false); err != nil {
			return nil, err
		}
	}
	f.cache.add(r, c, m)
	return m, nil
}

// content returns the whole body. It waits for the disk.
func (m *form) content() ([]byte, error) {
	if m.inMemory() {
		return m.body, nil
	}
	body := make([]byte, m.length)
	n, err := m.file.read(body, 0, true)
	if err == nil && (n < len(body) || m.stale()) {
		err = errStale
	}
	return body, err
}
