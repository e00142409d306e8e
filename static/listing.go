package static

import (
	"bytes"
	"cmp"
	_ "embed"
	"html"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/http"
)

// maxListed bounds the names of a folder that one listing reads: reading,
// looking at, sorting and writing that many holds the loop for about 15 ms,
// and the page takes about 600 kB (BenchmarkListing). A larger folder is
// listed in part, and the page says so.
const maxListed = 5000

// list answers by a page that lists the folder name, where that is allowed.
func (f *Files) list(c *http.Ctx, name []byte) error {
	if !f.listing {
		return errNotFound
	}
	own := name
	if len(own) == 0 {
		own = append(own, '.')
	}
	found, err := f.root.lookup(append(own, 0))
	if err != nil {
		return answerTo(err)
	}
	if found.kind != folder {
		found.close()
		return errNotFound
	}
	entries, more, err := f.root.readFolder(found, name)
	if err != nil {
		return answerTo(err)
	}
	o := orderOf(c.PeekRawQuery())
	arrange(entries, o)
	page := appendListing(make([]byte, 0, 4096+192*len(entries)), string(name), entries, more, o)
	if err := setHeaders(c, "Content-Security-Policy", listingPolicy, "X-Content-Type-Options", "nosniff"); err != nil {
		return err
	}
	return c.Blob(200, "text/html; charset=utf-8", page)
}

// entry is one line of a listing.
type entry struct {
	name   string // as the file system has it: any bytes but "/" and NUL
	folder bool
	size   int64
	mtime  int64 // seconds since the epoch
}

// readFolder returns what of the folder f (open for reading) would be served:
// files and folders, no hidden names, no links that lead out. name is that of
// the folder beneath the root, without a final slash or NUL. more tells that
// the folder has names that were not read. It takes f over and closes it.
func (r *root) readFolder(f file, name []byte) (entries []entry, more bool, err error) {
	d := os.NewFile(uintptr(f.fd), "folder")
	defer d.Close()
	names, err := d.Readdirnames(maxListed + 1)
	if err != nil && err != io.EOF {
		return nil, false, err
	}
	if len(names) > maxListed {
		names, more = names[:maxListed], true
	}
	entries = make([]entry, 0, len(names))
	for _, base := range names {
		if hidden(base) {
			continue
		}
		if e, ok := r.entryOf(f.fd, name, base); ok {
			entries = append(entries, e)
		}
	}
	return entries, more, nil
}

// entryOf looks at one name of a folder; ok is false for what is not served,
// and for what went away meanwhile.
func (r *root) entryOf(dir int, folderName []byte, base string) (e entry, ok bool) {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return entry{}, false
	}
	e = entry{name: base, size: st.Size, mtime: st.Mtim.Sec}
	is := kindOf(st.Mode)
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		full := make([]byte, 0, len(folderName)+len(base)+2)
		full = append(full, folderName...)
		if len(full) > 0 {
			full = append(full, '/')
		}
		f, err := r.stat(append(append(full, base...), 0))
		if err != nil {
			return entry{}, false
		}
		e.size, e.mtime, is = f.size, f.mtime.Sec, f.kind
	}
	e.folder = is == folder
	return e, is != other
}

// order of a listing, from the query of the request.
type order struct {
	by   byte // 'n'ame, 's'ize, 'd'ate
	down bool
}

// orderOf reads "sort=name|size|date" and "order=desc"; what it does not know
// it ignores.
func orderOf(query []byte) (o order) {
	o.by = 'n'
	for pair := range bytes.SplitSeq(query, []byte{'&'}) {
		switch string(pair) {
		case "sort=name", "sort=size", "sort=date":
			o.by = pair[len("sort=")]
		case "order=desc":
			o.down = true
		}
	}
	return o
}

// arrange sorts folders before files, then by the order asked for; equals
// stand by name, without regard to case.
func arrange(entries []entry, o order) {
	slices.SortFunc(entries, func(a, b entry) int {
		if a.folder != b.folder {
			if a.folder {
				return -1
			}
			return 1
		}
		c := 0
		switch o.by {
		case 's':
			c = cmp.Compare(a.size, b.size)
		case 'd':
			c = cmp.Compare(a.mtime, b.mtime)
		}
		if c == 0 {
			c = compareNames(a.name, b.name)
		}
		if o.down {
			return -c
		}
		return c
	})
}

func compareNames(a, b string) int {
	for i := range min(len(a), len(b)) {
		if c := cmp.Compare(fold(a[i]), fold(b[i])); c != 0 {
			return c
		}
	}
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

func fold(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

//go:embed listing.css
var listingStyle string

// listingPolicy lets the page do nothing but show itself.
const listingPolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

// appendListing writes the page of a folder; name is its name beneath the
// root, "" for the root itself. All links are relative, so they hold under
// any prefix; they need the page's own URL to end in a slash.
func appendListing(p []byte, name string, entries []entry, more bool, o order) []byte {
	p = append(p, "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"+
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>"...)
	p = appendText(p, "/"+name)
	p = append(p, "</title>\n<style>"...)
	p = append(p, listingStyle...)
	p = append(p, "</style>\n"...)
	p = appendCrumbs(p, name)
	if more {
		p = append(p, `<p class="note">This folder is too large to be shown whole: below are only those of the first `...)
		p = strconv.AppendInt(p, maxListed, 10)
		p = append(p, " names that the file system gave. All others can still be opened by their address.</p>\n"...)
	}
	p = append(p, "<table>\n<thead><tr>"...)
	p = appendHeading(p, o, "name", "Name")
	p = appendHeading(p, o, "size", "Size")
	p = appendHeading(p, o, "date", "Modified <span>(UTC)</span>")
	p = append(p, "</tr></thead>\n<tbody>\n"...)
	if name != "" {
		p = append(p, `<tr class="d"><td><a href="../">../</a></td><td></td><td></td></tr>`+"\n"...)
	}
	for i := range entries {
		p = appendRow(p, &entries[i])
	}
	p = append(p, "</tbody>\n</table>\n"...)
	if len(entries) == 0 && !more {
		p = append(p, "<p>This folder is empty.</p>\n"...)
	}
	return append(p, "</html>\n"...)
}

// appendCrumbs writes the way from the root to the folder, each step a link.
func appendCrumbs(p []byte, name string) []byte {
	p = append(p, "<h1>"...)
	steps := strings.Split(name, "/")
	if name == "" {
		steps = nil
	}
	for i := -1; i < len(steps); i++ {
		shown := "Home"
		if i >= 0 {
			p = append(p, "<span>/</span>"...)
			shown = steps[i]
		}
		if up := len(steps) - 1 - i; up > 0 {
			p = append(p, `<a href="`...)
			p = append(p, strings.Repeat("../", up)...)
			p = append(p, `">`...)
			p = appendShown(p, shown)
			p = append(p, "</a>"...)
		} else {
			p = appendShown(p, shown)
		}
	}
	return append(p, "</h1>\n"...)
}

// appendHeading writes a column's heading: a link that sorts by it, and the
// other way round when the page is so sorted already.
func appendHeading(p []byte, o order, key, title string) []byte {
	state, mark, down := "", "", ""
	if o.by == key[0] {
		if o.down {
			state, mark = ` aria-sort="descending"`, " ↓"
		} else {
			state, mark, down = ` aria-sort="ascending"`, " ↑", "&amp;order=desc"
		}
	}
	p = append(append(append(p, "<th"...), state...), `><a href="?sort=`...)
	p = append(append(append(p, key...), down...), `">`...)
	return append(append(append(p, title...), mark...), "</a></th>"...)
}

func appendRow(p []byte, e *entry) []byte {
	class, slash := `<tr><td><a href="`, ""
	if e.folder {
		class, slash = `<tr class="d"><td><a href="`, "/"
	}
	p = append(p, class...)
	p = appendEscaped(p, e.name, "")
	p = append(append(p, slash...), `">`...)
	p = appendShown(p, e.name)
	p = append(append(p, slash...), "</a></td><td>"...)
	if !e.folder {
		p = appendSize(p, e.size)
	}
	p = append(p, "</td><td>"...)
	at := time.Unix(e.mtime, 0).UTC()
	p = at.AppendFormat(p, "2006-01-02<span> 15:04</span>")
	return append(p, "</td></tr>\n"...)
}

// appendShown writes a name for the reader, set apart (bdi) so that letters
// which turn the direction of writing cannot disguise what stands beside it.
func appendShown(p []byte, name string) []byte {
	return append(appendText(append(p, "<bdi>"...), name), "</bdi>"...)
}

// appendText writes a name with markup escaped, control characters as their
// pictures (U+2400) and bytes that are no UTF-8 as U+FFFD.
func appendText(p []byte, name string) []byte {
	clean := strings.Map(func(c rune) rune {
		switch {
		case c < 0x20:
			return 0x2400 + c
		case c == 0x7f:
			return 0x2421
		case c > 0x7f && c < 0xa0:
			return utf8.RuneError
		}
		return c // also the RuneError that Map makes of a byte that is no UTF-8
	}, name)
	return append(p, html.EscapeString(clean)...)
}

// appendSize writes bytes to three digits, in powers of 1,000.
func appendSize(p []byte, n int64) []byte {
	if n < 1000 {
		return append(strconv.AppendInt(p, n, 10), " B"...)
	}
	f, unit := float64(n)/1000, 0
	for f >= 999.5 && unit < len("kMGTPE")-1 {
		f /= 1000
		unit++
	}
	decimals := 0
	if f < 9.95 {
		decimals = 1
	}
	p = strconv.AppendFloat(p, f, 'f', decimals, 64)
	return append(p, ' ', "kMGTPE"[unit], 'B')
}
