package http

import "iter"

// Method returns the request's method. It is one of the registered names, in capitals: others were answered by 501.
func (c *Ctx) Method() string { c.live(); return c.head.method }

// Path returns the path, percent-decoded exactly once. It begins with "/", holds no NUL and is otherwise as the client
// sent it: "..", empty segments and bytes that are no UTF-8 are still in it.
func (c *Ctx) Path() string { c.live(); return string(c.path) }

// PeekPath is Path without a copy.
func (c *Ctx) PeekPath() []byte { c.live(); return c.path }

// RawPath returns the path as it was sent, not decoded.
func (c *Ctx) RawPath() string {
	c.live()
	if c.head.path.empty() {
		return "/"
	}
	return string(c.head.path.of(c.raw))
}

// RawQuery returns what follows the "?" of the target, not decoded; its percent-encoding is well formed.
func (c *Ctx) RawQuery() string { c.live(); return string(c.head.query.of(c.raw)) }

// PeekRawQuery is RawQuery without a copy.
func (c *Ctx) PeekRawQuery() []byte { c.live(); return c.head.query.of(c.raw) }

// Target returns the whole request-target as it was sent.
func (c *Ctx) Target() string { c.live(); return string(c.head.target.of(c.raw)) }

// Host returns the host that the request is for, with the port if one was sent: of an absolute target, else of the Host
// header. It is valid, but nothing says that it is ours. "" only in HTTP/1.0.
func (c *Ctx) Host() string { c.live(); return string(c.head.host.of(c.raw)) }

// Proto returns "HTTP/1.1" or "HTTP/1.0".
func (c *Ctx) Proto() string {
	c.live()
	if c.head.minor == 0 {
		return "HTTP/1.0"
	}
	return "HTTP/1.1"
}

// Header returns the value of the first header line of that name, in whatever case, without the white space around it;
// "" when there is none.
func (c *Ctx) Header(name string) string { return string(c.PeekHeader(name)) }

// PeekHeader is Header without a copy; nil when there is no such line, and not nil when its value is empty.
func (c *Ctx) PeekHeader(name string) []byte { c.live(); return c.head.get(c.raw, name) }

// Headers yields the header lines in the order and the case in which they came.
func (c *Ctx) Headers() iter.Seq2[string, string] {
	c.live()
	return c.pairs(c.head.fields, c.raw)
}

// PeekBody returns the whole body of the request, its chunk framing removed; empty without one.
func (c *Ctx) PeekBody() []byte { c.live(); return c.body }

// Body returns a copy of the whole body.
func (c *Ctx) Body() []byte { c.live(); return append([]byte(nil), c.body...) }

// Trailers yields the trailer lines of a chunked body. Fields that frame or route a message are never among them.
func (c *Ctx) Trailers() iter.Seq2[string, string] {
	c.live()
	if c.tail == nil {
		return func(func(string, string) bool) {}
	}
	return c.pairs(c.tail.fields, c.tailRaw)
}

// pairs yields lines of this request, and panics rather than those of a later one.
func (c *Ctx) pairs(fields []field, raw []byte) iter.Seq2[string, string] {
	serial := c.serial
	return func(yield func(string, string) bool) {
		for _, f := range fields {
			if c.conn == nil || c.serial != serial {
				panic(ErrStale)
			}
			if !yield(string(f.name.of(raw)), string(f.value.of(raw))) {
				return
			}
		}
	}
}
