package mux

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func TestConflicts(t *testing.T) {
	for _, c := range []struct {
		earlier, pattern string
		path             string // "" if they do not conflict
		only, onlyOther  string // what pattern alone and earlier alone match, "" if they match the same
	}{
		// Exact duplicates, and those but for the names
		{"/a", "/a", "/a", "", ""},
		{"GET /{x}", "GET /{x}", "/x", "", ""},
		{"/{x}/b", "/{y}/b", "/y/b", "", ""},
		{"/a/", "/a/{rest...}", "/a/", "", ""},
		{"/a/{$}", "/a/{$}", "/a/", "", ""},
		{"h/a", "H/a", "/a", "", ""},
		{"/%61", "/a", "/a", "", ""},
		// Neither path is more specific
		{"/{x}/b", "/a/{y}", "/a/b", "GET /a/y", "GET /x/b"},
		{"/{b}/b", "/b/{b}", "/b/b", "GET /b/b2", "GET /b2/b"},
		{"/a/{x}/", "/{x}/b", "", "", ""}, // no path of the first has two segments without a slash at the end
		{"/a/", "/{x}/b", "/a/b", "GET /x/b", "GET /a/"},
		{"/a/{x...}", "/{x}/{$}", "/a/", "GET /x/", "GET /a/x"},
		{"/a/", "/{x}/b/c", "/a/b/c", "GET /x/b/c", "GET /a/"},
		{"/a/{x}/{y}", "/a/b/", "/a/b/y", "GET /a/b/", "GET /a/x/y"},
		{"/{x}/%20", "/a%25/{y}", "/a%25/%20", "GET /a%25/y", "GET /x/%20"},
		// Method and path disagree
		{"GET /", "/index.html", "/index.html", "POST /index.html", "GET /"},
		{"HEAD /{x}", "GET /a", "/a", "GET /a", "HEAD /x"},
		{"/a", "POST /{x}", "/a", "POST /x", "GET /a"},
		// More specific, disjoint, or of another host
		{"/", "/a", "", "", ""},
		{"/", "/{$}", "", "", ""},
		{"/{x}", "/a", "", "", ""},
		{"/a/", "/a", "", "", ""},
		{"/{x...}", "/{x}", "", "", ""},
		{"/{x}", "/{$}", "", "", ""},
		{"/a/{$}", "/a/{x}", "", "", ""},
		{"/a", "GET /a", "", "", ""},
		{"GET /{x}", "HEAD /a", "", "", ""},
		{"GET /{x}", "HEAD /{x}", "", "", ""},
		{"GET /{x}/b", "POST /a/{x}", "", "", ""},
		{"/{x}/b/c", "/a/{x}/d", "", "", ""},
		{"h/{x}/b", "/a/{x}", "", "", ""},
		{"h/{x}/b", "i/a/{x}", "", "", ""},
		{"GET h/", "/a", "", "", ""},
	} {
		if err := conflict(t, c.earlier, c.pattern); c.path == "" && err != nil {
			t.Errorf("%q after %q: %v", c.pattern, c.earlier, err)
		} else if c.path != "" && (err == nil || err.Path != c.path || err.OnlyPattern != c.only || err.OnlyEarlier != c.onlyOther) {
			t.Errorf("%q after %q: %+v", c.pattern, c.earlier, err)
		}
		if err := conflict(t, c.pattern, c.earlier); err == nil != (c.path == "") {
			t.Errorf("%q before %q: %v", c.pattern, c.earlier, err)
		}
	}
}

// conflict adds two patterns and returns the error, after a look whether its examples are true.
func conflict(t *testing.T, earlier, pattern string) *ConflictError {
	t.Helper()
	err := add(newTree(t, earlier), pattern, "routes.go:2")
	if err == nil {
		return nil
	}
	var c *ConflictError
	if !errors.As(err, &c) {
		t.Fatal(err)
	}
	checkExamples(t, c)
	return c
}

// checkExamples looks whether both patterns of a conflict match its path, and either one what it alone should.
func checkExamples(t *testing.T, c *ConflictError) {
	t.Helper()
	a, b := newTree(t, c.Pattern.String()), newTree(t, c.Earlier.String())
	matches := func(tree *Tree[string], method, path string) bool {
		decoded, err := url.PathUnescape(path)
		if err != nil {
			t.Fatal(err)
		}
		_, ok := tree.Match(method, []byte(c.Pattern.Host()), []byte(decoded), new(Params))
		return ok
	}
	method := cmp.Or(c.Pattern.Method(), c.Earlier.Method(), "GET")
	if c.Pattern.Method() == "GET" && c.Earlier.Method() == "HEAD" {
		method = "HEAD"
	}
	if !matches(a, method, c.Path) || !matches(b, method, c.Path) {
		t.Errorf("not both match %s: %v", c.Path, c)
	}
	if (c.OnlyPattern == "") != (c.OnlyEarlier == "") {
		t.Errorf("one example without the other: %v", c)
	}
	if c.OnlyPattern == "" {
		return
	}
	method, path, _ := strings.Cut(c.OnlyPattern, " ")
	if !matches(a, method, path) || matches(b, method, path) {
		t.Errorf("%q does not match %s alone: %v", &c.Pattern, c.OnlyPattern, c)
	}
	method, path, _ = strings.Cut(c.OnlyEarlier, " ")
	if matches(a, method, path) || !matches(b, method, path) {
		t.Errorf("%q does not match %s alone: %v", &c.Earlier, c.OnlyEarlier, c)
	}
}

// Add asks compare only for patterns that overlapping found; it must tell the disjoint by itself all the same.
func TestCompareDisjoint(t *testing.T) {
	for _, c := range [][2]string{
		{"/a", "/a/"}, {"/a", "/a/{$}"}, {"/a", "/b"}, {"/a", "/a/b"}, {"/{x}", "/{$}"}, {"/a/{$}", "/a/b/{$}"}, {"GET /", "PUT /"},
	} {
		a, errA := Parse(c[0])
		b, errB := Parse(c[1])
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		if !compare(&a, &b).disjoint || !compare(&b, &a).disjoint {
			t.Errorf("%q and %q are not disjoint: %+v", &a, &b, compare(&a, &b))
		}
	}
}

func TestConflictMessages(t *testing.T) {
	for _, c := range []struct{ earlier, pattern, want string }{
		{"GET /{x}/b", "GET /a/{y}", `mux: pattern "GET /a/{y}" (b.go:2) conflicts with "GET /{x}/b" (a.go:1): both match /a/b, and ` +
			`neither is more specific: "GET /a/{y}" alone matches GET /a/y, "GET /{x}/b" alone matches GET /x/b`},
		{"GET /", "/index.html", `mux: pattern "/index.html" (b.go:2) conflicts with "GET /" (a.go:1): both match /index.html, and ` +
			`neither is more specific: "/index.html" alone matches POST /index.html, "GET /" alone matches GET /`},
		{"/{x}", "/{y}", `mux: pattern "/{y}" (b.go:2) matches the same requests as "/{x}" (a.go:1), such as /y`},
		{"/a", "/a", `mux: pattern "/a" (b.go:2) is already registered: "/a" (a.go:1)`},
	} {
		var tree Tree[string]
		if err := add(&tree, c.earlier, "a.go:1"); err != nil {
			t.Fatal(err)
		}
		if err := add(&tree, c.pattern, "b.go:2"); err == nil || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
		if got := len(tree.Entries()); got != 1 {
			t.Errorf("%d entries after a conflict", got)
		}
	}
}

// Of several conflicts the earliest pattern's is told, whatever the order of a map.
func TestEarliestConflictIsTold(t *testing.T) {
	var patterns []string
	for i := range 20 {
		patterns = append(patterns, fmt.Sprintf("/%c/{x}", 'z'-i))
	}
	tree := newTree(t, patterns...)
	for range 20 {
		err := add(tree, "/{x}/b", "routes.go:21")
		var c *ConflictError
		if !errors.As(err, &c) || c.Earlier.String() != "/z/{x}" || c.EarlierOrigin != "routes.go:1" {
			t.Fatal(err)
		}
	}
}

// A refused pattern leaves nothing behind that could match, or conflict with the next.
func TestRefusedPatternLeavesNothing(t *testing.T) {
	tree := newTree(t, "/a/{x}")
	if add(tree, "/{x}/b", "") == nil {
		t.Fatal("no conflict")
	}
	if got := lookup(tree, "GET /c/b"); got != "" {
		t.Error(got)
	}
	if err := add(tree, "/c/{x}", ""); err != nil {
		t.Error(err)
	}
}

func TestAddRefusesZeroPattern(t *testing.T) {
	var tree Tree[int]
	if _, err := tree.Add(Pattern{}, 1, "a.go:1"); err == nil {
		t.Error("zero Pattern was added")
	}
}
