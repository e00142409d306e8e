package mux

import (
	"fmt"
	"net/url"
	"strings"
)

// A relation compares what two patterns a and b of the same host match.
type relation struct {
	disjoint bool // nothing matches both; the rest says nothing then
	aWider   bool // in some respect a matches what b does not
	bWider   bool
}

// conflict says whether neither pattern is more specific although some request matches both. It holds for two patterns that
// match exactly the same requests as well.
func (r relation) conflict() bool { return !r.disjoint && r.aWider == r.bWider }

func (r relation) and(s relation) relation {
	return relation{r.disjoint || s.disjoint, r.aWider || s.aWider, r.bWider || s.bWider}
}

func compare(a, b *Pattern) relation {
	r := compareMethods(a.method, b.method)
	if r.disjoint {
		return r
	}
	return r.and(comparePaths(a, b))
}

func compareMethods(a, b string) relation {
	switch {
	case a == b:
		return relation{}
	case a == "" || a == "GET" && b == "HEAD":
		return relation{aWider: true}
	case b == "" || b == "GET" && a == "HEAD":
		return relation{bWider: true}
	}
	return relation{disjoint: true}
}

// comparePaths goes through both paths side by side. Only a pattern that matches a rest can be shorter than one it shares
// requests with, and is wider then.
func comparePaths(a, b *Pattern) (r relation) {
	for i := range min(len(a.segs), len(b.segs)) {
		s, t := a.segs[i], b.segs[i]
		switch {
		case s.wild && !t.wild:
			r.aWider = true
		case !s.wild && t.wild:
			r.bWider = true
		case !s.wild && s.text != t.text:
			return relation{disjoint: true}
		}
	}
	switch {
	case len(a.segs) < len(b.segs):
		return r.and(relation{disjoint: a.tail != tailRest, aWider: true})
	case len(a.segs) > len(b.segs):
		return r.and(relation{disjoint: b.tail != tailRest, bWider: true})
	case a.tail == b.tail:
		return r
	}
	return r.and(relation{
		disjoint: a.tail == tailNone || b.tail == tailNone,
		aWider:   a.tail == tailRest,
		bWider:   b.tail == tailRest,
	})
}

// A ConflictError says that Add refused a pattern, because some request matches an earlier one too and neither pattern is
// more specific, that is, matches only a part of what the other does.
type ConflictError struct {
	Pattern       Pattern
	Origin        string // of Pattern, as given to Add
	Earlier       Pattern
	EarlierOrigin string

	// Path is an example of what both match, percent-encoded. The others are a method and a path that one alone matches; they
	// are empty when both match the very same requests.
	Path, OnlyPattern, OnlyEarlier string
}

func (e *ConflictError) Error() string {
	a, b := quote(&e.Pattern, e.Origin), quote(&e.Earlier, e.EarlierOrigin)
	switch {
	case e.Pattern.str == e.Earlier.str:
		return fmt.Sprintf("mux: pattern %s is already registered: %s", a, b)
	case e.OnlyPattern == "":
		return fmt.Sprintf("mux: pattern %s matches the same requests as %s, such as %s", a, b, e.Path)
	}
	return fmt.Sprintf("mux: pattern %s conflicts with %s: both match %s, and neither is more specific: %q alone matches %s, %q alone matches %s",
		a, b, e.Path, &e.Pattern, e.OnlyPattern, &e.Earlier, e.OnlyEarlier)
}

func quote(p *Pattern, origin string) string {
	if origin == "" {
		return fmt.Sprintf("%q", p)
	}
	return fmt.Sprintf("%q (%s)", p, origin)
}

// newConflict explains why compare found a conflict of the routes a, which is new, and b.
func newConflict(a, b *route) *ConflictError {
	e := &ConflictError{
		Pattern: a.Pattern, Origin: a.Origin, Earlier: b.Pattern, EarlierOrigin: b.Origin,
		Path: commonPath(&a.Pattern, &b.Pattern, -1),
	}
	if compare(&a.Pattern, &b.Pattern).aWider {
		e.OnlyPattern, e.OnlyEarlier = onlyFirst(&a.Pattern, &b.Pattern), onlyFirst(&b.Pattern, &a.Pattern)
	}
	return e
}

// onlyFirst gives a request that a matches and b does not. There must be one, and some that both match.
func onlyFirst(a, b *Pattern) string {
	if !comparePaths(a, b).aWider {
		return otherMethod(a.method, b.method) + " " + commonPath(a, b, -1)
	}
	method := a.method // it is the other's too, or one of its
	if method == "" {
		method = b.method
	}
	if method == "" {
		method = "GET"
	}
	return method + " " + onlyPath(a, b)
}

// otherMethod gives a method that pattern method a accepts and b does not: a is "", or GET and b HEAD.
func otherMethod(a, b string) string {
	switch {
	case a != "":
		return a
	case b == "GET" || b == "HEAD":
		return "POST"
	}
	return "GET"
}

// onlyPath gives a path that a matches and b does not, where comparePaths found a wider.
func onlyPath(a, b *Pattern) string {
	for i := range min(len(a.segs), len(b.segs)) {
		if a.segs[i].wild && !b.segs[i].wild {
			return commonPath(a, b, i)
		}
	}
	path := writeSegs(a, b, len(a.segs), -1) + "/"
	if b.tail == tailSlash && len(a.segs) == len(b.segs) {
		path += "x" // b takes the bare slash
	}
	return path
}

// commonPath gives a path that both match, except that segment odd, a wildcard of a's and a literal of b's, is one that only a
// takes; -1 for none.
func commonPath(a, b *Pattern, odd int) string {
	long := a
	if len(b.segs) > len(a.segs) {
		long = b
	}
	path := writeSegs(a, b, len(long.segs), odd)
	if long.tail != tailNone {
		path += "/"
	}
	return path
}

// writeSegs writes n segments that both patterns match, as far as they go. A wildcard is given its own name.
func writeSegs(a, b *Pattern, n, odd int) string {
	var path strings.Builder
	for i := range n {
		first, second := a, b
		if i >= len(a.segs) {
			first, second = b, a
		}
		s := first.segs[i]
		switch both := i < len(second.segs); {
		case i == odd && s.text == second.segs[i].text:
			s.text += "2"
		case i != odd && both && s.wild && !second.segs[i].wild:
			s = second.segs[i]
		}
		path.WriteByte('/')
		path.WriteString(url.PathEscape(s.text))
	}
	return path.String()
}
