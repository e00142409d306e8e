package http

import (
	"iter"
	"slices"
)

// Method returns the request's method. It is one of the registered names, in capitals: others were answered by 501.
func (c *Ctx) Method() string { return c.live().head.method }

// Path returns the path, percent-decoded exactly once. It begins with "/", holds no NUL and is otherwise as the client
// sent it: "..", empty segments and bytes that are no UTF-8 are still in it.
func (c *Ctx) Path() string { return string(c.live().relative()) }

// PeekPath is Path without a copy.
func (c *Ctx) PeekPath() []byte { return c.live().relative() }

// RawPath returns the path as it was sent, not decoded, and whole, also below a mount.
func (c *Ctx) RawPath() string {
	x := c.live()
	if x.head.path.empty() {
		return "/"
	}
	return string(x.head.path.of(x.raw))
}

// RawQuery returns what follows the "?" of the target, not decoded; its percent-encoding is well formed.
func (c *Ctx) RawQuery() string { return string(c.PeekRawQuery()) }

// PeekRawQuery is RawQuery without a copy.
func (c *Ctx) PeekRawQuery() []byte { x := c.live(); return x.head.query.of(x.raw) }

// Target returns the whole request-target as it was sent.
func (c *Ctx) Target() string { x := c.live(); return string(x.head.target.of(x.raw)) }

// Host returns the host that the request is for, with the port if one was sent: of an absolute target, else of the Host
// header. It is valid, but nothing says that it is ours. "" only in HTTP/1.0.
func (c *Ctx) Host() string { return string(c.live().host()) }

func (x *exchange) host() []byte { return x.head.host.of(x.raw) }

// Proto returns "HTTP/1.1" or "HTTP/1.0".
func (c *Ctx) Proto() string {
	if c.live().http10 {
		return "HTTP/1.0"
	}
	return "HTTP/1.1"
}

// Header returns the value of the first header line of that name, in whatever case, without the white space around it;
// "" when there is none.
func (c *Ctx) Header(name string) string { return string(c.PeekHeader(name)) }

// PeekHeader is Header without a copy; nil when there is no such line, and not nil when its value is empty.
func (c *Ctx) PeekHeader(name string) []byte { x := c.live(); return x.head.get(x.raw, name) }

// Headers yields the header lines in the order and the case in which they came.
func (c *Ctx) Headers() iter.Seq2[string, string] {
	x := c.live()
	return c.pairs(x.head.fields, x.raw)
}

// DropHeader removes the header lines of that name, in whatever case, from the request, for who reads it from here on: for
// middleware that has dealt with what they say. It must not be called while Headers is ranged over.
func (c *Ctx) DropHeader(name string) {
	x := c.live()
	x.head.fields = slices.DeleteFunc(x.head.fields, func(f field) bool { return sameName(f.name.of(x.raw), name) })
}

// ContentLength returns the length of the body that was declared; 0 without a body, -1 for one whose length nobody knows yet
// or that ReplaceBody has put in the place of another.
func (c *Ctx) ContentLength() int64 {
	x := c.live()
	if x.head.chunked || x.body.replaced {
		return -1
	}
	return x.head.length
}

// pairs yields lines of this request, and panics rather than those of a later one.
func (c *Ctx) pairs(fields []field, raw []byte) iter.Seq2[string, string] {
	serial := c.serial
	return func(yield func(string, string) bool) {
		for _, f := range fields {
			if c.x == nil || c.serial != serial {
				panic(ErrStale)
			}
			if !yield(string(f.name.of(raw)), string(f.value.of(raw))) {
				return
			}
		}
	}
}
