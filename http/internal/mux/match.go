package mux

import (
	"bytes"
	"slices"
)

// Match finds the most specific pattern for a request, as ServeMux does: one with the request's host before one without; then
// literal segments before {name} before a rest, from left to right; then the method itself, before GET for HEAD, before no
// method. A pattern that has the path but not the method does not hide a less specific one that has both.
//
// host may have a port, which is ignored; its case is ignored as well. path is decoded and clean (see Clean); it is not
// cleaned here, and a {name} does not match an empty segment. What the pattern's wildcards captured is in p, which must not be
// nil, as spans of path.
//
// When ok is false, an e that is not nil asks for a redirect: e matches path with a slash added, and path itself matches
// nothing, or only a subtree farther up. "/tree" is so redirected to "/tree/", be there a pattern "/" or not. Such an e is
// never returned for a path that ends in a slash.
//
// Match may be called from any goroutine, with a p that no other goroutine uses. It does not allocate, but for the room for
// more than eight captures that a p lacks at its first use with a Tree that has such a pattern. Each node of the tree is
// entered at most once, so that no path costs more than the number of different pattern prefixes, and few of them are
// looked at unless many patterns differ in nothing but which of their segments are wildcards.
func (t *Tree[V]) Match(method string, host, path []byte, p *Params) (e *Entry[V], ok bool) {
	p.reset(t.most)
	w := walk{method: method, path: path, params: p}
	r, ok := w.match(t.hostRoot(host), &t.any)
	if r == nil {
		return nil, false
	}
	if ok {
		p.n = int(r.captures)
	}
	return r.entry.(*Entry[V]), ok
}

// Literal is Match for most of the requests whose pattern has neither wildcards nor a host, with one look at a map. It returns
// nil when it cannot say; then Match has to. path need not be clean: one that is not is no pattern's.
func (t *Tree[V]) Literal(method string, path []byte, p *Params) *Entry[V] {
	if len(t.hosts) > 0 {
		return nil // theirs go first
	}
	l := t.literal[string(path)]
	if l == nil {
		return nil
	}
	r := l.pick(method)
	if r == nil {
		return nil // a less specific pattern may have the method
	}
	p.reset(0)
	return r.entry.(*Entry[V])
}

// Allowed returns the methods that patterns name for a path, sorted and each once, HEAD if there is GET: the value of Allow
// (RFC 9110 section 10.2.1) when Match found nothing. It is nil if no pattern matches the path whatever the method, not even
// with a slash added (Match redirects "/tree" to "/tree/"; with a method that "/tree/" has not, "/tree" has not got it either).
//
// A pattern without method takes any, so that Match succeeds; it adds no name, but makes the result non-nil.
func (t *Tree[V]) Allowed(host, path []byte) []string {
	var p Params
	p.reset(t.most)
	var found leaf
	w := walk{path: path, params: &p, found: &found}
	w.match(t.hostRoot(host), &t.any)
	if len(found) == 0 {
		return nil
	}
	methods := make([]string, 0, len(found)+1)
	for _, r := range found {
		switch m := r.method; m {
		case "":
		case "GET":
			methods = append(methods, "GET", "HEAD")
		default:
			methods = append(methods, m)
		}
	}
	slices.Sort(methods)
	return slices.Compact(methods)
}

// hostRoot returns the root of the patterns for a request's host, nil if there are none.
func (t *Tree[V]) hostRoot(host []byte) *node {
	if len(t.hosts) == 0 {
		return nil
	}
	// The last colon begins the port unless it is inside of an IPv6 address. A host with more colons is none; what is left of
	// it has a colon then, and equals no pattern's host.
	if i := bytes.LastIndexByte(host, ':'); i > bytes.LastIndexByte(host, ']') {
		host = host[:i]
	}
	if len(host) > maxHost {
		return nil
	}
	var small [maxHost]byte
	for i, c := range host {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		small[i] = c
	}
	return t.hosts[string(small[:len(host)])]
}

// A walk is one search for a path. It goes down the tree depth first, at each node the most specific way first; what it
// arrives at first is the most specific of all that match, because Add lets no two patterns in of which each has the more
// specific segment somewhere.
type walk struct {
	method string
	path   []byte
	params *Params
	slash  *route // the first that matches path with a slash added, seen before any that matches path
	found  *leaf  // if not nil, all routes on the way are collected here, whatever their method, and none ends the walk
}

// match tries the host's patterns, then those without host.
func (w *walk) match(host, any *node) (r *route, ok bool) {
	if len(w.path) == 0 || w.path[0] != '/' {
		return nil, false // an asterisk-form, say
	}
	if host != nil {
		r = w.find(host, 0, 0)
	}
	if r == nil {
		r = w.find(any, 0, 0)
	}
	if w.slash != nil && (r == nil || r.subtree) {
		return w.slash, false
	}
	return r, r != nil
}

// find looks below n for path[off:], which is empty or begins with a slash; k wildcards have been captured above.
func (w *walk) find(n *node, off, k int) *route {
	if off == len(w.path) {
		return w.end(n)
	}
	off++
	if off == len(w.path) {
		if r := w.accept(n.slash); r != nil {
			return r
		}
		return w.rest(n, off, k)
	}
	end := off + segmentLen(w.path[off:])
	if end > off {
		if c := n.lits[string(w.path[off:end])]; c != nil {
			if r := w.find(c, end, k); r != nil {
				return r
			}
		}
		if n.wild != nil {
			w.params.set(k, off, end)
			if r := w.find(n.wild, end, k+1); r != nil {
				return r
			}
		}
	}
	return w.rest(n, off, k)
}

// end takes the routes of a node that all of the path leads to, and notes those that it would with a slash added.
func (w *walk) end(n *node) *route {
	if r := w.accept(n.ends); r != nil {
		return r
	}
	if w.slash == nil {
		w.slash = w.accept(n.slash)
	}
	if w.slash == nil {
		w.slash = w.accept(n.rest)
	}
	return nil
}

// rest takes the routes that match whatever is left of the path, from off on.
func (w *walk) rest(n *node, off, k int) *route {
	r := w.accept(n.rest)
	if r != nil && r.rest {
		w.params.set(k, off, len(w.path))
	}
	return r
}

func (w *walk) accept(l leaf) *route {
	if len(l) == 0 {
		return nil
	}
	if w.found != nil {
		*w.found = append(*w.found, l...)
		return nil
	}
	return l.pick(w.method)
}

func segmentLen(path []byte) int {
	if i := bytes.IndexByte(path, '/'); i >= 0 {
		return i
	}
	return len(path)
}
