package mux

import (
	"cmp"
	"errors"
	"slices"
	"strings"
)

// A Tree holds patterns, each with a value. The zero Tree is empty and ready; it is not copied once it holds any. Any number of
// goroutines may call Match, Literal, Allowed and Entries at the same time, but none while Add runs.
type Tree[V any] struct {
	hosts   map[string]*node
	any     node             // patterns without host
	literal map[string]*leaf // of any, by the whole path that leads there: those without wildcards and subtree
	most    int              // captures of the pattern that has most
	entries []*Entry[V]
	methods map[string]string   // each once: see share
	names   map[string][]string // likewise, by the names with slashes between
}

// An Entry is a pattern of a Tree with what belongs to it. Only Value may be changed, and only while nobody reads it.
type Entry[V any] struct {
	Value V
	Registration
}

// A Registration is what was said when a pattern was added.
type Registration struct {
	Pattern Pattern
	Origin  string // where it was added
	id      int    // how many were before it
}

// Add enters a pattern. origin is where it is registered, such as "main.go:12", for the messages of errors. The
// error is a *ConflictError if some request matches an earlier pattern too and neither is more specific, or both match the
// same; the Tree is then as it was.
//
// The cost is that of a walk down the patterns that could overlap: a few for a path of literals that ends in wildcards, all that
// begin alike for a subtree, and for a wildcard in front of a literal all that have any literal in the wildcard's place.
//
// Two patterns of different hosts never conflict, and one with a host takes precedence over one without.
func (t *Tree[V]) Add(p Pattern, v V, origin string) (*Entry[V], error) {
	if p.str == "" {
		return nil, errors.New("mux: Add needs a Pattern from Parse, not the zero Pattern")
	}
	e := &Entry[V]{v, Registration{p, origin, len(t.entries)}}
	r := route{
		method: p.method, captures: int32(len(p.names)), rest: p.capturesRest(), subtree: p.Subtree(),
		entry: e, Registration: &e.Registration,
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
		return nil, newConflict(&r, other)
	}
	t.share(&e.Pattern)
	r.method = e.Pattern.method
	l := root.insert(r)
	if path, ok := p.literal(); ok && root == &t.any {
		if t.literal == nil {
			t.literal = make(map[string]*leaf)
		}
		t.literal[path] = l
	}
	t.most = max(t.most, len(p.names))
	t.entries = append(t.entries, e)
	return e, nil
}

// share has p use the method and the names that an earlier pattern has, where they are the same: so that they are in a
// processor's cache, whichever of many patterns a request is for.
func (t *Tree[V]) share(p *Pattern) {
	if t.methods == nil {
		t.methods, t.names = make(map[string]string), make(map[string][]string)
	}
	p.method = shared(t.methods, p.method, p.method)
	p.names = shared(t.names, strings.Join(p.names, "/"), p.names)
}

// shared returns what of that key was given first.
func shared[T any](first map[string]T, key string, v T) T {
	if _, ok := first[key]; !ok {
		first[key] = v
	}
	return first[key]
}

// conflicting returns the earliest route at or below the root n that conflicts with r, or nil.
func (n *node) conflicting(r *route) (first *route) {
	n.overlapping(&r.Pattern, 0, func(l leaf) {
		for i := range l {
			other := &l[i]
			if (first == nil || other.id < first.id) && compare(&r.Pattern, &other.Pattern).conflict() {
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
