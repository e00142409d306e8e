package static

import (
	"fmt"
	"hash/maphash"
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
func list(tb testing.TB, r *root, name, query string) (page string, es *entries) {
	tb.Helper()
	f, err := r.openFolder(name)
	if err != nil {
		tb.Fatal(err)
	}
	es, err = r.readFolder(tb.Context(), f, name, newBudget(heldBytes))
	if err != nil {
		tb.Fatal(err)
	}
	l := listing{name: name, entries: es, order: orderOf(query)}
	es.arrange(l.order)
	return pageOf(tb, &l), es
}

func pageOf(tb testing.TB, l *listing) string {
	tb.Helper()
	p := l.appendHead(nil)
	for i := range l.entries.list {
		e := &l.entries.list[i]
		p = appendRow(p, e, l.entries.name(e))
	}
	p, err := l.appendTail(p)
	if err != nil {
		tb.Fatal(err)
	}
	return string(p)
}

func namesOf(es *entries) []string {
	var names []string
	for i := range es.list {
		name := string(es.name(&es.list[i]))
		if es.list[i].folder {
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
		for i := range entries.list {
			if e := &entries.list[i]; entries.name(e) == "in-leaf" && (e.size != 5 || e.mtime != dated) {
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
	if len(entries.list) != len(slices.Compact(slices.Sorted(slices.Values(hardNames())))) {
		t.Errorf("%d names listed of %d", len(entries.list), len(hardNames()))
	}
	if !utf8.ValidString(page) {
		t.Error("the page is not UTF-8")
	}
	base, err := url.Parse("http://host.example/hard/")
	if err != nil {
		t.Fatal(err)
	}
	found := rows.FindAllStringSubmatch(page, -1)
	if len(found) != len(entries.list)+1 {
		t.Fatalf("%d rows for %d entries and the way up", len(found), len(entries.list))
	}
	for i, row := range found[1:] {
		ref, err := base.Parse(html.UnescapeString(row[1]))
		if err != nil || ref.Host != base.Host || ref.RawQuery != "" || ref.Path != "/hard/"+entries.name(&entries.list[i]) {
			t.Errorf("%q has the link %q: %v, %v", entries.name(&entries.list[i]), row[1], ref, err)
		}
		shown := strings.TrimSuffix(strings.TrimPrefix(row[2], "<bdi>"), "</bdi>")
		if strings.ContainsAny(shown, "<>\"'\n\r\t\x00\x7f") {
			t.Errorf("%q is shown as %q", entries.name(&entries.list[i]), shown)
		}
	}
}

func TestListingEscapesTheFolderItself(t *testing.T) {
	page := pageOf(t, &listing{name: `a<b>"&/` + "x\n<title>\xff", entries: &entries{}, order: order{by: 'n'}})
	for _, want := range []string{
		"<title>/a&lt;b&gt;&#34;&amp;/x␊&lt;title&gt;\uFFFD</title>",
		`<nav aria-label="Path"><h1><a href="../../"><bdi>Home</bdi></a><span>/</span><a href="../"><bdi>a&lt;b&gt;&#34;&amp;</bdi></a>`,
		"<span>/</span><bdi>x␊&lt;title&gt;\uFFFD</bdi></h1>",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
}

func TestListingOrder(t *testing.T) {
	var all entries
	for _, e := range []struct {
		name string
		entry
	}{
		{"b", entry{size: 1, mtime: 30}}, {"A", entry{size: 3, mtime: 10, nsec: 1}}, {"c", entry{size: 2, mtime: 20}},
		{"a", entry{size: 3, mtime: 10, nsec: 1}}, {"a10", entry{size: 5, mtime: 50}}, {"a9", entry{size: 5, mtime: 50, nsec: 1}},
		{"z", entry{folder: true, size: 8, mtime: 5}}, {"Y", entry{folder: true, size: 9, mtime: 6}},
	} {
		all.add(e.entry, e.name)
	}
	tests := []struct{ query, want string }{
		{"", "Y/ z/ A a a9 a10 b c"},
		{"sort=name", "Y/ z/ A a a9 a10 b c"},
		{"order=desc", "z/ Y/ c b a10 a9 a A"},
		{"sort=size", "Y/ z/ b c A a a9 a10"},
		{"sort=size&order=desc", "z/ Y/ a10 a9 a A c b"},
		{"sort=date", "z/ Y/ A a c b a10 a9"},
		{"order=desc&sort=date", "Y/ z/ a9 a10 b c a A"},
		{"sort=owner&order=up&&=", "Y/ z/ A a a9 a10 b c"},
	}
	for _, test := range tests {
		es := entries{names: all.names, list: slices.Clone(all.list)}
		es.arrange(orderOf(test.query))
		if got := strings.Join(namesOf(&es), " "); got != test.want {
			t.Errorf("%q: %s; want %s", test.query, got, test.want)
		}
	}
}

func TestCompareNames(t *testing.T) {
	sorted := []string{"1", "01", "1a", "2", "10", "010", "99999999999999999999998", "99999999999999999999999", "A", "a", "a1b", "a1c", "a01d", "a2", "B", "b", "é"}
	for i, a := range sorted {
		for j, b := range sorted {
			got, want := compareNames(a, b), i-j
			if got < 0 != (want < 0) || got > 0 != (want > 0) {
				// Of names that differ only in zeros and case, the order is that of their bytes.
				if !strings.EqualFold(strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")) || got == 0 || compareNames(b, a) != -got {
					t.Errorf("%q to %q: %d; want %d", a, b, got, want)
				}
			}
		}
	}
}

// largeFolder makes a folder of n empty files.
func largeFolder(tb testing.TB, n int) string {
	tb.Helper()
	dir := tb.TempDir()
	for i := range n {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("file-%05d.txt", i)), nil, 0o644); err != nil {
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

// A folder with 100,000 names, by step.
func BenchmarkListing(b *testing.B) {
	r := bothWays(b, largeFolder(b, 100_000))["openat2"]
	read := func() *entries {
		f, err := r.openFolder("")
		if err != nil {
			b.Fatal(err)
		}
		es, err := r.readFolder(b.Context(), f, "", newBudget(heldBytes))
		if err != nil {
			b.Fatal(err)
		}
		return es
	}
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			read()
		}
	})
	es := read()
	b.Run("arrange", func(b *testing.B) {
		unsorted := slices.Clone(es.list)
		for b.Loop() {
			copy(es.list, unsorted)
			es.arrange(order{by: 'n'})
		}
	})
	l := listing{entries: es, order: order{by: 'n'}}
	b.Run("page", func(b *testing.B) {
		for b.Loop() {
			b.SetBytes(int64(len(pageOf(b, &l))))
		}
	})
	seed := maphash.MakeSeed()
	b.Run("etag", func(b *testing.B) {
		for b.Loop() {
			es.hash(seed, l.order)
		}
	})
}

// What Markdown is worst at, as much of it as isSimple lets through.
func BenchmarkReadme(b *testing.B) {
	for name, unit := range map[string]string{
		"usual":  "# A title\n\nSome *text* with [a link](there) and `code`.\n\n- one\n- two\n\n",
		"open":   strings.Repeat("[", maxMarks) + "\n\n",
		"links":  strings.Repeat("[a](", maxMarks) + "\n\n",
		"images": strings.Repeat("![](", maxMarks) + "\n\n",
		"quotes": strings.Repeat(">", maxNesting) + "a\n",
		"lists":  strings.Repeat("- ", maxNesting) + "a\n",
		"stars":  strings.Repeat("*a_ ", maxMarks) + "\n\n",
		"strong": strings.Repeat("**a *b ", maxMarks/3) + "\n\n",
		"ticks":  strings.Repeat("`a``b```", maxMarks/6) + "\n\n",
		"deep":   nestedLists(maxMarkdown - 10),
		"tables": strings.Repeat("|a", 200) + "\n" + strings.Repeat("|-", 199) + "\n" + strings.Repeat("|a\n", 97) + "\n",
		"angles": strings.Repeat("<a ", maxMarks) + "\n\n",
		"html":   strings.Repeat("<!--", maxMarks) + "\n\n",
		"cdata":  strings.Repeat("a<![CDATA[", maxMarks/2) + "\n\n",
		"refs":   "[a]: /b\n\n" + strings.Repeat("[a][", maxMarks/2) + "\n\n",
		"urls":   "http://a.b/&(",
		"backs":  "\\[\\",
		"refdef": "[a]: <\n\n",
		"parens": "[a](" + strings.Repeat("(", 4000) + "\n\n",
	} {
		text := ""
		for len(text)+len(unit) <= maxMarkdown && isSimple(text+unit) {
			text += unit
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				rm := readme{name: "README.md", text: text}
				p, err := rm.append(nil)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(len(text)), "bytes")
				b.ReportMetric(float64(len(p)), "page-bytes")
			}
		})
	}
}

func nestedLists(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		b.WriteString(strings.Repeat(" ", 2*(i%200)) + "- x\n")
	}
	return b.String()
}
