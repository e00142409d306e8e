package mux

import (
	"fmt"
	"strings"
	"testing"
)

// newTree adds patterns, each its own value; the origin of the i-th is "routes.go:i", counted from 1.
func newTree(t testing.TB, patterns ...string) *Tree[string] {
	t.Helper()
	tree := new(Tree[string])
	for i, s := range patterns {
		if err := add(tree, s, fmt.Sprintf("routes.go:%d", i+1)); err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

func add(tree *Tree[string], s, origin string) error {
	p, err := Parse(s)
	if err != nil {
		return err
	}
	_, err = tree.Add(p, s, origin)
	return err
}

// lookup describes what "METHOD host/path" matches: the pattern and its captures as "pattern name=value ...", "" for nothing,
// and "redirect pattern" for a slash to be added.
func lookup(tree *Tree[string], request string) string {
	method, host, path := splitRequest(request)
	var p, q Params
	e, ok := tree.Match(method, []byte(host), []byte(path), &p)
	if quick := tree.Literal(method, []byte(path), &q); quick != nil && (quick != e || !ok || q.Len() != 0) {
		return fmt.Sprintf("%q by Literal, but not by Match", quick.Value)
	}
	switch {
	case e == nil && !ok && p.Len() == 0:
		return ""
	case !ok && p.Len() == 0:
		return "redirect " + e.Value
	}
	var b strings.Builder
	b.WriteString(e.Value)
	for i, name := range e.Pattern.Names() {
		fmt.Fprintf(&b, " %s=%s", name, p.At(i).Of([]byte(path)))
	}
	if p.Len() != len(e.Pattern.Names()) {
		fmt.Fprintf(&b, " and %d captures", p.Len())
	}
	return b.String()
}

func splitRequest(request string) (method, host, path string) {
	method, target, _ := strings.Cut(request, " ")
	if i := strings.IndexByte(target, '/'); i >= 0 {
		return method, target[:i], target[i:]
	}
	return method, "", target
}
