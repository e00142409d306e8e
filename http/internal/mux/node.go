package mux

// A node stands for the segments that lead to it from the root. All patterns of one host share a tree, whatever their method:
// a walk down the path finds the most specific path first, and the methods where it arrives.
type node struct {
	lits  map[string]*node // by the next segment's text
	wild  *node            // the next segment is a {name}
	ends  leaf             // the path ends here
	slash leaf             // {$}
	rest  leaf             // a trailing slash or {name...}
	first [1]route         // room for one of these: see add
}

// A leaf holds the routes whose paths match the same, no two for the same method. They are few, hence no map.
type leaf []route

// A route is what a search needs of an entry, in one place: where there are many routes, each pointer that it follows is
// memory that no cache has.
type route struct {
	method   string
	captures int32
	rest     bool // pattern.capturesRest
	subtree  bool
	entry    any // *Entry[V]
	*Registration
}

// pick returns the route for a method: its own, GET's for HEAD, or the one for all methods. Each is more specific than the
// next.
func (l leaf) pick(method string) *route {
	var get, all *route
	for i := range l {
		r := &l[i]
		switch m := r.method; {
		case m == method:
			return r
		case m == "":
			all = r
		case m == "GET" && method == "HEAD":
			get = r
		}
	}
	if get != nil {
		return get
	}
	return all
}

// insert puts r where its pattern leads, and returns the leaf that has it.
func (n *node) insert(r route) *leaf {
	segs := r.Pattern.segs
	for i, s := range segs {
		n = n.child(s, i+1 < len(segs) && segs[i+1].wild)
	}
	l := &n.ends
	switch r.Pattern.tail {
	case tailSlash:
		l = &n.slash
	case tailRest:
		l = &n.rest
	}
	n.add(l, r)
	return l
}

// add puts r into a leaf of n. The first of all lies beside the node, as does a wildcard beside the literal above it: where
// there are many routes, a search then touches fewer pages that no translation buffer knows.
func (n *node) add(l *leaf, r route) {
	if *l == nil && n.first[0].Registration == nil {
		*l = n.first[:0]
	}
	*l = append(*l, r)
}

// child returns the node for the segment after n, new if need be. wildBelow says that a {name} follows.
func (n *node) child(s segment, wildBelow bool) *node {
	if s.wild {
		if n.wild == nil {
			n.wild = &node{}
		}
		return n.wild
	}
	c := n.lits[s.text]
	if c == nil {
		if n.lits == nil {
			n.lits = make(map[string]*node)
		}
		if wildBelow {
			both := &struct{ literal, wild node }{}
			c = &both.literal
			c.wild = &both.wild
		} else {
			c = &node{}
		}
		n.lits[s.text] = c
	}
	return c
}

// overlapping calls f for each route at or below n whose path has some path in common with p, where n stands for i segments
// that do have one with the first i of p. Literal segments of p lead to one child, so that for a pattern without wildcards
// this is a walk down, however many routes there are; only below a wildcard or a subtree of p's is there more to visit.
func (n *node) overlapping(p *Pattern, i int, f func(leaf)) {
	if i < len(p.segs) {
		f(n.rest)
		s := p.segs[i]
		if n.wild != nil {
			n.wild.overlapping(p, i+1, f)
		}
		if !s.wild {
			if c := n.lits[s.text]; c != nil {
				c.overlapping(p, i+1, f)
			}
			return
		}
		for _, c := range n.lits {
			c.overlapping(p, i+1, f)
		}
		return
	}
	switch p.tail {
	case tailNone:
		f(n.ends)
	case tailSlash:
		f(n.slash)
		f(n.rest)
	case tailRest:
		f(n.slash)
		f(n.rest)
		for _, c := range n.lits {
			c.all(f)
		}
		if n.wild != nil {
			n.wild.all(f)
		}
	}
}

// all calls f for every leaf at or below n.
func (n *node) all(f func(leaf)) {
	f(n.ends)
	f(n.slash)
	f(n.rest)
	for _, c := range n.lits {
		c.all(f)
	}
	if n.wild != nil {
		n.wild.all(f)
	}
}
