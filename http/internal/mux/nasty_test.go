package mux

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
)

// A router that follows each mix of literal and wildcard on its own tries 2 to the 64th ways for this path, and does not end.
func TestBacktrackingIsBounded(t *testing.T) {
	const depth = 64
	rnd := rand.New(rand.NewPCG(1, 2))
	var patterns []string
	for i := range 200 {
		var b strings.Builder
		b.WriteString("/w")
		for k := range depth {
			if rnd.IntN(2) == 0 {
				b.WriteString("/a")
			} else {
				fmt.Fprintf(&b, "/{p%d}", k)
			}
		}
		// The last segment keeps them from conflicts, so that no way is cut short.
		patterns = append(patterns, fmt.Sprintf("%s/end%d", &b, i))
	}
	for i := range 200 {
		patterns = append(patterns, fmt.Sprintf("/%s{x}/{rest...}", strings.Repeat("deep/", i+1)))
	}
	tree := newTree(t, patterns...)
	as := "/w" + strings.Repeat("/a", depth)
	for _, c := range []struct{ path, want string }{
		{as + "/none", ""},
		{as + strings.Repeat("/a", 3000), ""},
		{as + "/end199", patterns[199] + " p"},
		{"/" + strings.Repeat("deep/", 2000), patterns[399] + " x=deep rest=deep/"},
	} {
		if got := lookup(tree, "GET "+c.path); !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%.200s: %.200q", c.path, got)
		}
	}
	if tree.Allowed(nil, []byte(as+"/none")) != nil {
		t.Error("a method is allowed")
	}
}

// Adding a pattern must look at those that could overlap, not at all: 10,000 routes would take 50 million comparisons.
func TestAddLooksAtFewPatterns(t *testing.T) {
	tree := newTree(t, append(routes(10_000), "/", "/api/{x...}")...)
	for _, c := range []struct {
		pattern string
		most    int
	}{
		{"POST /api/r7", 3},
		{"POST /api/r7/{id}/items/{item}", 3},
		{"/api/new/", 3},
		{"/web/{a}/{b}", 2},
		{"/api/r7/", 6},
	} {
		p, err := Parse(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		tree.any.overlapping(&p, 0, func(l leaf) { seen += len(l) })
		if seen == 0 || seen > c.most {
			t.Errorf("%s: looked at %d patterns, want at most %d", c.pattern, seen, c.most)
		}
	}
}

// routes makes n patterns, of three shapes in turn.
func routes(n int) (patterns []string) {
	for i := 0; len(patterns) < n; i++ {
		r := fmt.Sprintf("GET /api/r%d", i)
		patterns = append(patterns, r, r+"/{id}", r+"/{id}/items/{item}")
	}
	return patterns[:n]
}

// everyMix makes the 2^depth patterns that mix literal and wildcard in every way and differ in their last segment: the tree
// with the most ways for one path.
func everyMix(depth int) (patterns []string) {
	for i := range 1 << depth {
		var b strings.Builder
		for k := range depth {
			if i>>k&1 == 0 {
				b.WriteString("/a")
			} else {
				fmt.Fprintf(&b, "/{p%d}", k)
			}
		}
		patterns = append(patterns, fmt.Sprintf("%s/end%d", &b, i))
	}
	return patterns
}

func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{10, 100, 10_000} {
		tree := newTree(b, routes(n)...)
		last := (n - 1) / 3 * 2 / 3 // a route in the middle
		for _, shape := range []string{"/api/r%d", "/api/r%d/1234", "/api/r%d/1234/items/56"} {
			path := fmt.Appendf(nil, shape, last)
			b.Run(fmt.Sprintf("%d%s", n, strings.ReplaceAll(shape, "/", "_")), func(b *testing.B) {
				benchmarkMatch(b, tree, path, true)
			})
		}
	}
}

// BenchmarkMatchMany goes through many routes in an order drawn by lot, with a system call in front of each as between two
// requests: the caches know none.
func BenchmarkMatchMany(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			patterns, paths := make([]string, n), make([][]byte, n)
			for i := range n {
				patterns[i] = fmt.Sprintf("GET /api/r%05d/{id}", i)
				paths[i] = fmt.Appendf(nil, "/api/r%05d/4711", i)
			}
			tree := newTree(b, patterns...)
			rand.Shuffle(n, func(i, j int) { paths[i], paths[j] = paths[j], paths[i] })
			var p Params
			i := 0
			for b.Loop() {
				syscall.Getppid()
				if _, ok := tree.Match("GET", nil, paths[i], &p); !ok {
					b.Fatal(string(paths[i]))
				}
				if i++; i == n {
					i = 0
				}
			}
		})
	}
}

// One path that enters each of the 2^n nodes of a tree made for that.
func BenchmarkMatchNasty(b *testing.B) {
	for _, depth := range []int{4, 8, 12} {
		tree := newTree(b, everyMix(depth)...)
		path := []byte(strings.Repeat("/a", depth) + "/none")
		b.Run(fmt.Sprint(len(tree.entries)), func(b *testing.B) { benchmarkMatch(b, tree, path, false) })
	}
}

func benchmarkMatch(b *testing.B, tree *Tree[string], path []byte, want bool) {
	b.ReportAllocs()
	var p Params
	host := []byte("example.com:8080")
	for b.Loop() {
		if _, ok := tree.Match("GET", host, path, &p); ok != want {
			b.Fatal(ok)
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		var parsed []Pattern
		for _, s := range routes(n) {
			p, err := Parse(s)
			if err != nil {
				b.Fatal(err)
			}
			parsed = append(parsed, p)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				var tree Tree[int]
				for i, p := range parsed {
					if _, err := tree.Add(p, i, ""); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/route")
		})
	}
}

// Patterns that begin with a wildcard are checked against every literal that stands in its place: the slowest that Add gets.
func BenchmarkAddBeneathWildcard(b *testing.B) {
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprint(2*n), func(b *testing.B) {
			for b.Loop() {
				var tree Tree[string]
				for i := range n {
					if err := add(&tree, fmt.Sprintf("/a%d/x", i), ""); err != nil {
						b.Fatal(err)
					}
				}
				for i := range n {
					if err := add(&tree, fmt.Sprintf("/{x}/y%d", i), ""); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
