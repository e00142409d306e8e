package http

import (
	"iter"

	"github.com/carillon-go/carillon/http/internal/syntax"
)

// HeaderLines yields the values of all header lines of that name, in whatever case, in the order in which they came. A line
// without a value yields "".
func (c *Ctx) HeaderLines(name string) iter.Seq[string] {
	x := c.live()
	serial := c.serial
	return func(yield func(string) bool) {
		for _, f := range x.head.fields {
			if c.x == nil || c.serial != serial {
				panic(ErrStale)
			}
			if sameName(f.name.of(x.raw), name) && !yield(string(f.value.of(x.raw))) {
				return
			}
		}
	}
}

// HeaderList yields the elements of a field of the request that is a list (RFC 9110 section 5.6.1): what commas separate in
// all header lines of that name, without the white space around it. Empty elements are left out, and a comma in a
// quoted-string separates nothing; the quotes stay in the element. A quote that its line does not close is a character like
// any other, so that it hides nothing behind it.
//
// Where only the end of a list can be believed, as with what proxies add to, read HeaderLines from their ends: whoever began
// the list may have opened a quote in it.
func (c *Ctx) HeaderList(name string) iter.Seq[string] { return elements(c.HeaderLines(name)) }

// ResponseHeaderList is HeaderList for the header lines that ResponseHeader knows. None may be set meanwhile.
func (c *Ctx) ResponseHeaderList(name string) iter.Seq[string] {
	x := c.live()
	return elements(func(yield func(string) bool) {
		for n, value := range x.ownFields() {
			if sameName(n, name) && !yield(string(value)) {
				return
			}
		}
	})
}

// elements yields the elements of lists, which are the lines of one.
func elements(lists iter.Seq[string]) iter.Seq[string] {
	return func(yield func(string) bool) {
		for list := range lists {
			for element := range syntax.Elements(list) {
				if !yield(element) {
					return
				}
			}
		}
	}
}
