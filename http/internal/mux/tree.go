package mux

import (
	"cmp"
	"errors"
	"slices"
)

// A Tree holds patterns, each with a value. The zero Tree is empty and ready. Any number of goroutines may call Match, Allowed
// and Entries at the same time, but none while Add runs.
type Tree[V any] struct {
	hosts   map[string]*node
	any     node             // patterns without host
	literal map[string]*leaf // of any, by the whole path that leads there: those without wildcards and subtree
	most    int              // captures of the pattern that has most
	entries []*Entry[V]
	methods map[string]string // each once: see shared
}

// An Entry is a pattern of a Tree with what belongs to it. Only Value may be changed, and only while nobody reads it.
type Entry[V any] struct {
	Value   V
	Pattern Pattern
	Origin  string // where it was added
}

// Add enters a pattern. place is that of the registration, such as "main.go:12", for the messages of errors. The
// error is a *ConflictError if some request matches an earlier pattern too and neither is more specific, or both match the
// same; the Tree is then as it was.
//
// The cost is that of a walk down the patterns that could overlap: a few for a path of literals that ends in wildcards, all that
// begin alike for a subtree, and for a wildcard in front of a literal all that have any literal in the wildcard's place.
//
// Two patterns of different hosts never conflict, and one with a host takes precedence over one without.
func (t *Tree[V]) Add(p Pattern, v V, place string) error {
	if p.str == "" {
		return errors.New("mux: Add needs a Pattern from Parse, not the zero Pattern")
	}
	p.method = t.shared(p.method)
	e := &Entry[V]{Value: v, Pattern: p, Origin: place}
	r := route{
		method: p.method, captures: int32(len(p.names)), rest: p.capturesRest(), subtree: p.Subtree(),
		entry: e, origin: &origin{p, place, len(t.entries)},
	}
	root := &t.any
	if p.host != "" {
		root = t.hosts[p.host]
	}
	if root == nil {
		root = &node{}
		if t.hosts == nil {
			t.hosts = make(map[string]*node)
		}
		t.hosts[p.host] = root
	} else if other := root.conflicting(&r); other != nil {
		return newConflict(&r, other)
	}
	l := root.insert(r)
	if path, ok := p.literal(); ok && root == &t.any {
		if t.literal == nil {
			t.literal = make(map[string]*leaf)
		}
		t.literal[path] = l
	}
	t.most = max(t.most, len(p.names))
	t.entries = append(t.entries, e)
	return nil
}

// shared is the method in one place for all patterns that have it, which a processor's cache then holds.
func (t *Tree[V]) shared(method string) string {
	if t.methods == nil {
		t.methods = make(map[string]string)
	}
	if _, ok := t.methods[method]; !ok {
		t.methods[method] = method
	}
	return t.methods[method]
}

// conflicting returns the earliest route at or below the root n that conflicts with r, or nil.
func (n *node) conflicting(r *route) (first *route) {
	n.overlapping(&r.pattern, 0, func(l leaf) {
		for i := range l {
			other := &l[i]
			if (first == nil || other.id < first.id) && compare(&r.pattern, &other.pattern).conflict() {
				first = other
			}
		}
	})
	return first
}

// Entries returns all entries, sorted by host, path and method, in a new slice.
func (t *Tree[V]) Entries() []*Entry[V] {
	return slices.SortedFunc(slices.Values(t.entries), func(a, b *Entry[V]) int {
		p, q := &a.Pattern, &b.Pattern
		return cmp.Or(cmp.Compare(p.host, q.host), cmp.Compare(p.path, q.path), cmp.Compare(p.method, q.method))
	})
}
