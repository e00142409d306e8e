package static

import (
	"errors"
	nethttp "net/http"
	"slices"
	"strings"
	"time"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/coding"
)

// form is one representation of a resource (RFC 9110 section 8): the file itself, a twin that somebody has compressed
// beforehand, or what was compressed on the fly. It does not change once it is made. It is also the reactor.File of an answer
// that is sent from the file, whose Close gives back that answer's share in the resource.
type form struct {
	of         *resource // that has its file
	coding     coding.Coding
	file       file   // fd is -1 where the body is in memory
	body       []byte // whole
	length     int64
	mediaType  string
	validators http.Validators
	header     *http.HeaderBlock // of 200 and 206
	unchanged  *http.HeaderBlock // of 304: RFC 9110 section 15.4.5
	asError    *http.HeaderBlock // of what is no success: the page is of no use to a cache, or for ranges
}

func (m *form) inMemory() bool { return m.file.fd < 0 }

// Fd implements reactor.File.
func (m *form) Fd() uintptr { return uintptr(m.file.fd) }

// Close implements reactor.File.
func (m *form) Close() error {
	m.of.release()
	return nil
}

// stale says whether the file was changed since it was opened.
func (m *form) stale() bool {
	now, err := m.file.again()
	return err != nil || now.size != m.file.size || now.mtime != m.file.mtime
}

// weak says whether the ETag is.
func (m *form) weak() bool { return strings.HasPrefix(m.validators.ETag, "W/") }

// describe makes the validators and header lines of m, as its file is at the time now.
func (f *Files) describe(m *form, name string, now time.Time) error {
	m.validators = m.file.validators(now)
	if m.coding != coding.Identity {
		m.validators.ETag = tagOf(m.validators.ETag, m.coding)
	}
	return f.writeHeaders(m, name, true)
}

// validators are those of the file itself, as it is at the time now.
func (f file) validators(now time.Time) http.Validators {
	state := http.FileState{Size: f.size, Modified: time.Unix(f.mtime.Unix()), Inode: f.ino}
	return http.Validators{ETag: string(state.AppendETag(nil, now)), Modified: state.LastModified(now)}
}

// tagOf is the ETag of another form of what tag stands for.
func tagOf(tag string, c coding.Coding) string {
	return strings.TrimSuffix(tag, `"`) + "-" + c.String() + `"`
}

// writeHeaders makes the header lines. Vary is not among them, because others may have added to it.
func (f *Files) writeHeaders(m *form, name string, ranges bool) error {
	m.mediaType = f.mediaType(name)
	describing := headerList{"Content-Type", m.mediaType}
	if m.coding != coding.Identity {
		describing.set("Content-Encoding", m.coding.String())
	}
	describing.set("X-Content-Type-Options", "nosniff")
	validating := headerList{"ETag", m.validators.ETag}
	if at := m.validators.Modified; !at.IsZero() {
		validating.set("Last-Modified", at.UTC().Format(nethttp.TimeFormat))
	}
	all := append(slices.Clone(describing), validating...)
	if ranges {
		all.set("Accept-Ranges", "bytes")
	}
	var err [3]error
	m.header, err[0] = http.NewHeaderBlock(f.rules.apply(all, name)...)
	m.unchanged, err[1] = http.NewHeaderBlock(f.rules.apply(validating, name).without("Content-")...)
	m.asError, err[2] = http.NewHeaderBlock(f.rules.apply(describing, name).without("Cache-Control").without("Expires")...)
	return errors.Join(err[:]...)
}

// headerList is header lines: name, value, name, value.
type headerList []string

// set puts a line into the place of one of the same name, else behind all.
func (l *headerList) set(name, value string) {
	for i := 0; i < len(*l); i += 2 {
		if strings.EqualFold((*l)[i], name) {
			(*l)[i+1] = value
			return
		}
	}
	*l = append(*l, name, value)
}

// without returns the lines whose names do not begin with prefix.
func (l headerList) without(prefix string) headerList {
	var rest headerList
	for i := 0; i < len(l); i += 2 {
		if len(l[i]) < len(prefix) || !strings.EqualFold(l[i][:len(prefix)], prefix) {
			rest = append(rest, l[i], l[i+1])
		}
	}
	return rest
}
