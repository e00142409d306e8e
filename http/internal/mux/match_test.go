package mux

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

type lookups []struct{ request, want string }

func (l lookups) check(t *testing.T, patterns ...string) {
	t.Helper()
	tree := newTree(t, patterns...)
	for _, c := range l {
		if got := lookup(tree, c.request); got != c.want {
			t.Errorf("%s: %q, want %q", c.request, got, c.want)
		}
	}
}

func TestPrecedence(t *testing.T) {
	lookups{
		{"GET /", "/{$}"},
		{"GET /a", "/a"},
		{"GET /b", "/{x} x=b"},
		{"GET /a/", "/a/"},
		{"GET /a/b", "/a/b"},
		{"GET /a/c", "/a/{x} x=c"},
		{"GET /a/c/", "/a/{x}/{rest...} x=c rest="},
		{"GET /a/c/d", "/a/{x}/d x=c"},
		{"GET /a/b/d", "/a/b/d"},
		{"GET /a/b/e", "/a/{x}/{rest...} x=b rest=e"}, // back from /a/b
		{"GET /b/c", "/"},
		{"GET /a/c/d/", "/a/{x}/{rest...} x=c rest=d/"},
	}.check(t, "/", "/{$}", "/a", "/{x}", "/a/", "/a/b", "/a/{x}", "/a/{x}/{rest...}", "/a/{x}/d", "/a/b/d")
}

// A deeper literal that leads nowhere must not keep the captures of the way back.
func TestBacktracking(t *testing.T) {
	lookups{
		{"GET /a/b/z", "/a/b/z"},
		{"GET /a/b/c", "/a/{x}/c x=b"},
		{"GET /a/q/c", "/a/{x}/c x=q"},
		{"GET /a/b/d", "/{x}/b/d x=a"},
		{"GET /a/1/2/3/5", "/{x}/{y...} x=a y=1/2/3/5"},
		{"GET /a/1/2/3/4", "/a/{p}/{q}/{r}/4 p=1 q=2 r=3"},
	}.check(t, "/a/b/z", "/a/{x}/c", "/{x}/b/d", "/{x}/{y...}", "/a/{p}/{q}/{r}/4")
}

func TestCaptures(t *testing.T) {
	lookups{
		{"GET /one/x%2Fy", "/one/{a} a=x%2Fy"}, // decoded once by the caller, and not again
		{"GET /one/\xff\x01 ?", "/one/{a} a=\xff\x01 ?"},
		{"GET /one/", ""},
		{"GET /one//", ""},
		{"GET /two//c", ""}, // no empty segment is captured
		{"GET /two/b/c", "/two/{a}/{b} a=b b=c"},
		{"GET /rest/", "/rest/{a...} a="},
		{"GET /rest/b//c/", "/rest/{a...} a=b//c/"},
		{"GET /sub/b", "/sub/"},
		{"GET /m/1/2/3/4/5/6/7/8/9/a/b", "/m/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j...} a=1 b=2 c=3 d=4 e=5 f=6 g=7 h=8 i=9 j=a/b"},
		{"GET /100%", "/100%25"},
	}.check(t, "/one/{a}", "/two/{a}/{b}", "/rest/{a...}", "/sub/", "/100%25",
		"/m/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j...}")
}

func TestParamsAreOfTheLastMatch(t *testing.T) {
	tree := newTree(t, "/{x}/{y}", "/a")
	var p Params
	for _, path := range []string{"/a", "/1/2/3"} {
		tree.Match("GET", nil, []byte("/1/2"), &p)
		if p.Len() != 2 {
			t.Fatal(p.Len())
		}
		tree.Match("GET", nil, []byte(path), &p)
		if p.Len() != 0 {
			t.Errorf("%s: %d captures", path, p.Len())
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("At gave a capture of an earlier Match")
		}
	}()
	p.At(0)
}

func TestMethods(t *testing.T) {
	lookups{
		{"GET /a", "GET /a"},
		{"HEAD /a", "GET /a"},
		{"POST /a", "POST /a"},
		{"PUT /a", "/a"},
		{"get /a", "/a"},
		{"HEAD /h", "HEAD /h"},
		{"GET /h", "GET /h"},
		{"DELETE /h", ""},
		{"HEAD /only", "HEAD /only"},
		{"GET /only", ""},
		{"POST /x/y", "POST /{x}/y x=x"},
		{"GET /x/y", "GET /x/y"},
		{"POST /x/q", "POST /x/q"},
		{"PUT /x/q", "/{x}/q x=x"}, // back from the more specific path, which has not the method
		{"GET /x/q", "/{x}/q x=x"},
	}.check(t, "GET /a", "POST /a", "/a", "GET /h", "HEAD /h", "HEAD /only", "POST /{x}/y", "GET /x/y", "POST /x/q", "/{x}/q")
}

func TestHosts(t *testing.T) {
	lookups{
		{"GET example.com/a", "example.com/a"},
		{"GET EXAMPLE.com/a", "example.com/a"},
		{"GET example.com:8080/a", "example.com/a"},
		{"GET example.com:/a", "example.com/a"},
		{"GET example.com./a", "/a"},
		{"GET example.com/b", "/b"}, // the host's patterns first, then the others
		{"GET example.com/s", "GET /s"},
		{"POST example.com/s", "POST example.com/s"},
		{"GET example.org/a", "/a"},
		{"GET /a", "/a"},
		{"GET [::1]/a", "[::1]/a"},
		{"GET [::1]:80/a", "[::1]/a"},
		{"GET ::1/a", "/a"},
		{"GET example.com:80:80/a", "/a"},
		{"GET other.com/sub/x/y", "Other.com/sub/"},
		{"GET " + strings.Repeat("a", 300) + "/a", "/a"},
		{"GET " + strings.Repeat("b", 255) + ":80/a", strings.Repeat("b", 255) + "/a"},
	}.check(t, "example.com/a", "/a", "/b", "GET /s", "POST example.com/s", "[::1]/a", "Other.com/sub/", "/sub/x/y",
		strings.Repeat("b", 255)+"/a")
}

func TestSlashRedirect(t *testing.T) {
	lookups{
		{"GET /tree", "redirect /tree/"},
		{"GET /tree/", "/tree/"},
		{"GET /end", "redirect GET /end/{$}"},
		{"HEAD /end", "redirect GET /end/{$}"},
		{"POST /end", ""},
		{"GET /end/x", ""}, // {$} is no subtree
		{"GET /rest", "redirect /rest/{x...}"},
		{"GET /both", "/both"},
		{"GET /v/x", "redirect /v/{x}/"},
		{"GET /v", ""},
		{"GET /end/", "GET /end/{$}"},
		{"GET h/tree", "redirect /tree/"},
		{"GET h/tree2", "redirect h/tree2/"},
		{"GET h/tree3", "/tree3"}, // an exact match without host
		{"", ""},
		{"GET *", ""},
		{"GET tree", ""},
	}.check(t, "/tree/", "GET /end/{$}", "/rest/{x...}", "/both", "/both/", "/v/{x}/", "h/tree2/", "h/tree3/", "/tree3")

	// The walk passes the slash first, then finds an exact match on another branch.
	lookups{
		{"GET /v/lit", "/{y}/lit y=v"},
		{"GET /v/x", "redirect /v/{x}/"},
	}.check(t, "/v/{x}/", "/{y}/lit")

	// A subtree farther up does not hide the redirect, as in ServeMux.
	lookups{
		{"GET /tree", "redirect /tree/"},
		{"GET /tree/a", "/tree/"},
		{"GET /other", "/"},
		{"GET /", "/"},
		{"POST /post", "redirect POST /post/"},
		{"GET /post", "/"},
		{"GET /tree/sub", "redirect /tree/sub/"},
	}.check(t, "/", "/tree/", "POST /post/", "/tree/sub/")
}

func TestAllowed(t *testing.T) {
	tree := newTree(t, "GET /a", "POST /a", "PUT /{x}", "DELETE /b/", "h/any", "PATCH h/a", "HEAD /head", "GET /b/{$}", "OPTIONS /a/x")
	for _, c := range []struct {
		host, path string
		want       []string
	}{
		{"", "/a", []string{"GET", "HEAD", "POST", "PUT"}},
		{"h", "/a", []string{"GET", "HEAD", "PATCH", "POST", "PUT"}},
		{"H:80", "/a", []string{"GET", "HEAD", "PATCH", "POST", "PUT"}},
		{"", "/c", []string{"PUT"}},
		{"", "/head", []string{"HEAD", "PUT"}},
		{"", "/b", []string{"DELETE", "GET", "HEAD", "PUT"}}, // of /b/, where a redirect would lead
		{"", "/b/", []string{"DELETE", "GET", "HEAD"}},
		{"", "/b/c", []string{"DELETE"}},
		{"", "/c/d", nil},
		{"", "/a/", nil},
		{"", "", nil},
		{"", "*", nil},
	} {
		got := tree.Allowed([]byte(c.host), []byte(c.path))
		if !slices.Equal(got, c.want) || (got == nil) != (c.want == nil) {
			t.Errorf("%s%s: %q, want %q", c.host, c.path, got, c.want)
		}
	}
	if got := newTree(t, "/any").Allowed(nil, []byte("/any")); got == nil || len(got) != 0 {
		t.Errorf("pattern of all methods: %#v", got)
	}
}

func TestEntries(t *testing.T) {
	want := []string{"/", "/a", "GET /a", "POST /a", "/b", "a.org/z", "b.org/"}
	for range 5 {
		mixed := slices.Clone(want)
		rand.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		var got []string
		for _, e := range newTree(t, mixed...).Entries() {
			got = append(got, e.Pattern.String())
			if i := slices.Index(mixed, e.Value) + 1; e.Origin != fmt.Sprintf("routes.go:%d", i) || e.Pattern.String() != e.Value {
				t.Errorf("%q was added as number %d at %s", e.Value, i, e.Origin)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("added as %q, listed as %q", mixed, got)
		}
	}
	if got := new(Tree[int]).Entries(); len(got) != 0 {
		t.Error(got)
	}
}

func TestZeroTreeMatchesNothing(t *testing.T) {
	if got := lookup(new(Tree[string]), "GET h/a"); got != "" {
		t.Error(got)
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	tree := newTree(t, "GET /a", "GET /{x}/b", "/{x}/{y}/{rest...}", "Example.com/{x}", "/t/{tree}/{$}",
		"/m/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}")
	for _, request := range []string{
		"GET /a", "GET /x/b", "HEAD /x/y/z/z/z", "GET EXAMPLE.com:80/x", "GET /t/tree", "DELETE /none", "GET other/none/x",
		"GET /m/1/2/3/4/5/6/7/8/9/10", "GET /" + strings.Repeat("a/", 4000), "GET /" + strings.Repeat("a", 4000),
	} {
		method, host, path := splitRequest(request)
		h, b := []byte(host), []byte(path)
		var p Params
		if n := testing.AllocsPerRun(100, func() { tree.Match(method, h, b, &p) }); n != 0 {
			t.Errorf("%s: %v allocations", request, n)
		}
	}
}

// With at most eight captures not even the first Match of a Params allocates.
func TestFirstMatchDoesNotAllocate(t *testing.T) {
	tree := newTree(t, "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h...}")
	path, ps := []byte("/1/2/3/4/5/6/7/8/9"), make([]Params, 102)
	i := 0
	n := testing.AllocsPerRun(100, func() {
		if _, ok := tree.Match("GET", nil, path, &ps[i]); !ok || ps[i].Len() != 8 {
			t.Fatal("no match")
		}
		i++
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestConcurrentMatch(t *testing.T) {
	tree := newTree(t, "GET /a/{x}", "h/{y}/b", "/{z...}")
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 500 {
				id := fmt.Sprintf("%d-%d", g, i)
				if got := lookup(tree, "GET /a/"+id); got != "GET /a/{x} x="+id {
					t.Error(got)
				}
				if got := lookup(tree, "GET h/"+id+"/b"); got != "h/{y}/b y="+id {
					t.Error(got)
				}
				if got := tree.Allowed(nil, []byte("/a/"+id)); !slices.Equal(got, []string{"GET", "HEAD"}) {
					t.Error(got)
				}
			}
		})
	}
	wg.Wait()
}

// TestLiteral: what Literal says on its own. That it is what Match says is checked wherever that is.
func TestLiteral(t *testing.T) {
	patterns := []string{"GET /a", "POST /a", "/a/b/{$}", "/a/b/", "/{$}", "/a/{x}", "/a%20b", "GET /c"}
	tree := newTree(t, patterns...)
	for _, tc := range []struct{ method, path, want string }{
		{"GET", "/a", "GET /a"},
		{"HEAD", "/a", "GET /a"},
		{"POST", "/a", "POST /a"},
		{"PUT", "/a", ""},
		{"GET", "/a/b/", "/a/b/{$}"},
		{"GET", "/a/b/c", ""},
		{"GET", "/a/b", ""}, // by /a/{x}
		{"GET", "/", "/{$}"},
		{"GET", "", ""},
		{"GET", "/a b", "/a%20b"},
		{"GET", "//a", ""},
		{"GET", "/./a", ""},
		{"GET", "/A", ""},
		{"POST", "/c", ""},
	} {
		var p Params
		p.n = 3
		e := tree.Literal(tc.method, []byte(tc.path), &p)
		switch {
		case (e == nil) != (tc.want == ""), e != nil && e.Value != tc.want:
			t.Errorf("%s %q: %v, want %q", tc.method, tc.path, e, tc.want)
		case e != nil && p.Len() != 0:
			t.Errorf("%s %q: %d captures", tc.method, tc.path, p.Len())
		}
	}
	if e := newTree(t, "/a", "example.com/a").Literal("GET", []byte("/a"), new(Params)); e != nil {
		t.Errorf("%q beside a pattern with a host", e.Value)
	}
}
