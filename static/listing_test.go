package static

import (
	"fmt"
	"html"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// list reads and writes the listing of one folder beneath dir.
func list(tb testing.TB, r *root, name, query string) (page string, entries []entry) {
	tb.Helper()
	key := name
	if key == "" {
		key = "."
	}
	f, err := r.lookup([]byte(key + "\x00"))
	if err != nil {
		tb.Fatal(err)
	}
	entries, more, err := r.readFolder(f, []byte(name))
	if err != nil {
		tb.Fatal(err)
	}
	o := orderOf([]byte(query))
	arrange(entries, o)
	return string(appendListing(nil, name, entries, more, o)), entries
}

func namesOf(entries []entry) []string {
	var names []string
	for _, e := range entries {
		name := e.name
		if e.folder {
			name += "/"
		}
		names = append(names, name)
	}
	return names
}

func TestListingShowsWhatIsServed(t *testing.T) {
	for way, r := range bothWays(t, trapTree(t)) {
		_, entries := list(t, r, "", "")
		want := []string{`bad/`, `dir/`, `hard/`, `in-dir/`, `odd/`, `site/`, `back\slash`, `in-leaf`, `in-roundabout`, `plain.txt`}
		if got := namesOf(entries); !slices.Equal(got, want) {
			t.Errorf("%s: root lists %q; want %q", way, got, want)
		}
		for _, e := range entries {
			if e.name == "in-leaf" && (e.size != 5 || e.mtime != dated) {
				t.Errorf("%s: a link shows %+v; want the facts of its file", way, e)
			}
		}
		if _, entries = list(t, r, "bad", ""); !slices.Equal(namesOf(entries), []string{"keep.txt"}) {
			t.Errorf("%s: bad lists %q", way, namesOf(entries))
		}
	}
}

var rows = regexp.MustCompile(`<tr[^>]*><td><a href="([^"]*)">(.*?)</a></td>`)

// Each name leads, by the rules by which a browser resolves a link, back to
// its own bytes, and what is shown of it is text and nothing else.
func TestListingOfHardNames(t *testing.T) {
	r := bothWays(t, trapTree(t))["openat2"]
	page, entries := list(t, r, "hard", "")
	if len(entries) != len(slices.Compact(slices.Sorted(slices.Values(hardNames())))) {
		t.Errorf("%d names listed of %d", len(entries), len(hardNames()))
	}
	if !utf8.ValidString(page) {
		t.Error("the page is not UTF-8")
	}
	base, err := url.Parse("http://host.example/hard/")
	if err != nil {
		t.Fatal(err)
	}
	found := rows.FindAllStringSubmatch(page, -1)
	if len(found) != len(entries)+1 {
		t.Fatalf("%d rows for %d entries and the way up", len(found), len(entries))
	}
	for i, row := range found[1:] {
		ref, err := base.Parse(html.UnescapeString(row[1]))
		if err != nil || ref.Host != base.Host || ref.RawQuery != "" || ref.Path != "/hard/"+entries[i].name {
			t.Errorf("%q has the link %q: %v, %v", entries[i].name, row[1], ref, err)
		}
		shown := strings.TrimSuffix(strings.TrimPrefix(row[2], "<bdi>"), "</bdi>")
		if strings.ContainsAny(shown, "<>\"'\n\r\t\x00\x7f") {
			t.Errorf("%q is shown as %q", entries[i].name, shown)
		}
	}
}

func TestListingEscapesTheFolderItself(t *testing.T) {
	page := string(appendListing(nil, `a<b>"&/`+"x\n<title>\xff", nil, false, order{by: 'n'}))
	for _, want := range []string{
		"<title>/a&lt;b&gt;&#34;&amp;/x␊&lt;title&gt;\uFFFD</title>",
		`<h1><a href="../../"><bdi>Home</bdi></a><span>/</span><a href="../"><bdi>a&lt;b&gt;&#34;&amp;</bdi></a>`,
		"<span>/</span><bdi>x␊&lt;title&gt;\uFFFD</bdi></h1>",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
}

func TestListingOrder(t *testing.T) {
	all := []entry{
		{name: "b", size: 1, mtime: 30}, {name: "A", size: 3, mtime: 10}, {name: "c", size: 2, mtime: 20}, {name: "a", size: 3, mtime: 10},
		{name: "z", folder: true, size: 9, mtime: 5}, {name: "Y", folder: true, size: 8, mtime: 6},
	}
	tests := []struct{ query, want string }{
		{"", "Y/ z/ A a b c"},
		{"sort=name", "Y/ z/ A a b c"},
		{"order=desc", "z/ Y/ c b a A"},
		{"sort=size", "Y/ z/ b c A a"},
		{"sort=size&order=desc", "z/ Y/ a A c b"},
		{"sort=date", "z/ Y/ A a c b"},
		{"order=desc&sort=date", "Y/ z/ b c a A"},
		{"sort=owner&order=up&&=", "Y/ z/ A a b c"},
	}
	for _, test := range tests {
		entries := slices.Clone(all)
		arrange(entries, orderOf([]byte(test.query)))
		if got := strings.Join(namesOf(entries), " "); got != test.want {
			t.Errorf("%q: %s; want %s", test.query, got, test.want)
		}
	}
}

func TestListingOfLargeFolder(t *testing.T) {
	dir := largeFolder(t, maxListed+1)
	r := bothWays(t, dir)["openat2"]
	page, entries := list(t, r, "", "")
	if len(entries) != maxListed || !strings.Contains(page, "too large to be shown whole") {
		t.Errorf("%d entries of %d; note: %v", len(entries), maxListed+1, strings.Contains(page, "too large"))
	}
	if err := os.Remove(filepath.Join(dir, "file-00000")); err != nil {
		t.Fatal(err)
	}
	page, entries = list(t, r, "", "")
	if len(entries) != maxListed || strings.Contains(page, "too large to be shown whole") {
		t.Errorf("%d entries of %d; note: %v", len(entries), maxListed, strings.Contains(page, "too large"))
	}
}

func largeFolder(tb testing.TB, n int) string {
	tb.Helper()
	dir := tb.TempDir()
	for i := range n {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("file-%05d", i)), nil, 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

func TestAppendSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 9949: "9.9 kB", 9950: "10 kB", 999_499: "999 kB", 999_500: "1.0 MB",
		1 << 30: "1.1 GB", 1<<63 - 1: "9.2 EB",
	} {
		if got := string(appendSize(nil, n)); got != want {
			t.Errorf("%d is shown as %q; want %q", n, got, want)
		}
	}
}

// The largest listing that one request can ask for holds its loop this long.
func BenchmarkListing(b *testing.B) {
	r := bothWays(b, largeFolder(b, maxListed+1))["openat2"]
	for b.Loop() {
		page, _ := list(b, r, "", "")
		b.ReportMetric(float64(len(page)), "page-bytes")
	}
}
