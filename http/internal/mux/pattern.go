package mux

import "slices"

// A Pattern is the parsed form of "[METHOD ][HOST]/[PATH]". It never changes, so that copies may share its memory and any
// goroutine may read it. Only Parse makes one; the zero Pattern matches nothing and Add refuses it.
type Pattern struct {
	str    string
	method string // "" for all
	host   string // in small letters; "" for all
	path   string // as written, from its first slash
	segs   []segment
	tail   tail
	names  []string // of the wildcards, in the path's order
}

// A segment is what stands between two slashes: a {name}, or text to be matched byte by byte.
type segment struct {
	wild bool
	text string // decoded literal, or the wildcard's name
}

// tail is what a pattern asks of the path beyond its segments.
type tail uint8

const (
	tailNone  tail = iota // the path ends there
	tailSlash             // "/{$}": one slash, then the path ends
	tailRest              // "/" or "/{name...}": a slash, then anything
)

// String returns the pattern as it was given to Parse.
func (p Pattern) String() string { return p.str }

// Method returns the method that a request must have, "" for any. GET stands for HEAD too.
func (p Pattern) Method() string { return p.method }

// Host returns the host in small letters, "" for any.
func (p Pattern) Host() string { return p.host }

// Path returns the pattern's path as it was written, with its wildcards.
func (p Pattern) Path() string { return p.path }

// Names returns the names of the wildcards in the path's order, which is that of the spans in Params. The slice is a copy.
func (p Pattern) Names() []string { return slices.Clone(p.names) }

// Index returns the place of a wildcard among the spans in Params, or -1.
func (p Pattern) Index(name string) int { return slices.Index(p.names, name) }

// Subtree says whether the pattern matches everything beneath its last slash: it ends in "/" or in "{name...}".
func (p Pattern) Subtree() bool { return p.tail == tailRest }

// capturesRest says whether the pattern ends in a {name...}: a trailing slash matches the same, but names nothing.
func (p *Pattern) capturesRest() bool {
	wilds := 0
	for _, s := range p.segs {
		if s.wild {
			wilds++
		}
	}
	return len(p.names) > wilds
}

// literal returns the one path that the pattern matches, if there is but one.
func (p *Pattern) literal() (path string, ok bool) {
	if len(p.names) > 0 || p.tail == tailRest {
		return "", false
	}
	for _, s := range p.segs {
		path += "/" + s.text
	}
	if p.tail == tailSlash {
		path += "/"
	}
	return path, true
}
