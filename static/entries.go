package static

import (
	"cmp"
	"context"
	"hash/maphash"
	"io"
	"os"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/carillon-go/carillon/http"
)

// entry is one line of a listing. It has no pointers, and its name is elsewhere,
// so that a folder with 100,000 of them costs the collector nothing to look at.
type entry struct {
	size   int64
	mtime  int64 // seconds since the epoch
	nsec   int32 // of mtime
	at     uint32
	length uint16
	folder bool
	link   bool // the name is that of a symbolic link
}

// entries are what a listing shows of one folder.
type entries struct {
	names  []byte // of all entries, as the file system has them: any bytes but "/" and NUL
	list   []entry
	more   bool // the folder has names that were not read
	readme int  // entry of the README, before arrange; -1 for none
	files  int  // how many of list are no folders
	bytes  int64
	held   *budget
	taken  int64
}

// name returns the name of an entry, a view of names.
func (es *entries) name(e *entry) string {
	return viewOf(es.names[e.at : e.at+uint32(e.length)])
}

// viewOf lets b be passed as a string to what copies it at once.
func viewOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

const (
	// maxListed is how many names of a folder a listing reads. A larger folder is
	// listed in part, and the page says so.
	maxListed = 1 << 20
	// namesAtOnce is how many are read before the client is looked after.
	namesAtOnce = 1024
)

// readFolder returns what of the folder f (open for reading) would be served:
// files and folders, no hidden names, no links that lead out. name is that of
// the folder beneath the root, without a final slash. It takes f over and closes
// it. Release gives back what the entries hold of the budget.
//
// Errors: the context's; errOverload, when too many large folders are being
// listed; those of the system.
func (r *root) readFolder(ctx context.Context, f file, name string, held *budget) (*entries, error) {
	d := os.NewFile(uintptr(f.fd), "folder")
	defer d.Close()
	es := &entries{readme: -1, held: held}
	path := append(make([]byte, 0, maxPath+1), name...)
	if len(path) > 0 {
		path = append(path, '/')
	}
	best := 0
	for read := 0; ; {
		names, err := d.Readdirnames(namesAtOnce)
		if read += len(names); read > maxListed {
			names, es.more = names[:len(names)-(read-maxListed)], true
		}
		for _, base := range names {
			if hidden(base) {
				continue
			}
			e, ok := r.entryOf(f.fd, path, base)
			if !ok {
				continue
			}
			if rank := readmeRank(base); rank > best && !e.folder {
				best, es.readme = rank, len(es.list)
			}
			es.add(e, base)
		}
		switch {
		case err == io.EOF || es.more:
			return es, nil
		case err == nil:
			err = ctx.Err()
		}
		if err == nil {
			err = es.hold()
		}
		if err != nil {
			es.release()
			return nil, err
		}
	}
}

func (es *entries) add(e entry, base string) {
	e.at, e.length = uint32(len(es.names)), uint16(len(base))
	es.names = append(es.names, base...)
	es.list = append(es.list, e)
	if !e.folder {
		es.files++
		es.bytes += e.size
	}
}

// entryOf looks at one name of a folder, whose own is path with a final slash; ok
// is false for what is not served, and for what went away meanwhile.
func (r *root) entryOf(dir int, path []byte, base string) (e entry, ok bool) {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return entry{}, false
	}
	e = entry{size: st.Size, mtime: st.Mtim.Sec, nsec: int32(st.Mtim.Nsec)}
	is := kindOf(st.Mode)
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		f, err := r.stat(append(append(path, base...), 0))
		if err != nil {
			return entry{}, false
		}
		e.size, e.mtime, e.nsec, is, e.link = f.size, f.mtime.Sec, int32(f.mtime.Nsec), f.kind, true
	}
	e.folder = is == folder
	return e, is != other
}

// hash tells one state of the folder, in one order, from another, by whatever
// else the answer is made of.
func (es *entries) hash(seed maphash.Seed, o order, more ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for i := range es.list {
		e := &es.list[i]
		h.WriteString(es.name(e))
		maphash.WriteComparable(&h, entry{size: e.size, mtime: e.mtime, nsec: e.nsec, folder: e.folder})
	}
	maphash.WriteComparable(&h, o)
	maphash.WriteComparable(&h, es.more)
	for _, s := range more {
		maphash.WriteComparable(&h, s)
	}
	return h.Sum64()
}

// order of a listing, from the query of the request.
type order struct {
	by   byte // 'n'ame, 's'ize, 'd'ate
	down bool
}

// orderOf reads "sort=name|size|date" and "order=desc"; what it does not know
// it ignores.
func orderOf(query string) (o order) {
	o.by = 'n'
	for pair := range strings.SplitSeq(query, "&") {
		switch pair {
		case "sort=name", "sort=size", "sort=date":
			o.by = pair[len("sort=")]
		case "order=desc":
			o.down = true
		}
	}
	return o
}

// arrange sorts folders before files, then by the order asked for; equals stand
// by name.
func (es *entries) arrange(o order) {
	slices.SortFunc(es.list, func(a, b entry) int {
		if a.folder != b.folder {
			if a.folder {
				return -1
			}
			return 1
		}
		c := 0
		switch o.by {
		case 's':
			if !a.folder { // the size of a folder is not shown
				c = cmp.Compare(a.size, b.size)
			}
		case 'd':
			c = cmp.Or(cmp.Compare(a.mtime, b.mtime), cmp.Compare(a.nsec, b.nsec))
		}
		if c == 0 {
			c = compareNames(es.name(&a), es.name(&b))
		}
		if o.down {
			return -c
		}
		return c
	})
}

// compareNames compares as people do: without regard to the case of ASCII
// letters, and digits by the number that they make, so that "2" comes before
// "10". Names that only differ in what this leaves out stand by their bytes.
func compareNames(a, b string) int {
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		if isDigit(a[i]) && isDigit(b[j]) {
			m, n := digits(a, &i), digits(b, &j)
			if c := cmp.Or(cmp.Compare(len(m), len(n)), cmp.Compare(m, n)); c != 0 {
				return c
			}
			continue
		}
		if c := cmp.Compare(fold(a[i]), fold(b[j])); c != 0 {
			return c
		}
		i, j = i+1, j+1
	}
	return cmp.Or(cmp.Compare(len(a)-i, len(b)-j), cmp.Compare(a, b))
}

// digits takes a run of digits at *i, and returns it without leading zeros.
func digits(s string, i *int) string {
	from := *i
	for *i < len(s) && isDigit(s[*i]) {
		*i++
	}
	return strings.TrimLeft(s[from:*i], "0")
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func fold(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

var errListings = &http.Error{Code: 503, Detail: "too many large folders are being listed", Header: map[string]string{"Retry-After": "10"}}
