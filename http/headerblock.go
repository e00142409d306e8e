package http

import (
	"fmt"
	"slices"
)

// HeaderBlock is header lines of a response that are checked and written once, to be set on many. It does not change: any
// goroutine may use it.
type HeaderBlock struct {
	lines []byte
	names []string
	own   ownLines
}

// NewHeaderBlock makes a block of pairs: name, value, name, value. A name may come more than once. Errors: ErrBadHeader as of
// SetHeader, also for Connection, which is each answer's own, and for a name without a value.
func NewHeaderBlock(pairs ...string) (*HeaderBlock, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("%w: %s has no value", ErrBadHeader, pairs[len(pairs)-1])
	}
	b := new(HeaderBlock)
	for i := 0; i < len(pairs); i += 2 {
		name, value := pairs[i], pairs[i+1]
		if err := checkHeader(name, value); err != nil {
			return nil, err
		}
		if sameName([]byte(name), "Connection") {
			return nil, fmt.Errorf("%w: Connection in a block", ErrBadHeader)
		}
		b.lines = appendLine(b.lines, name, value)
		b.own |= ownLine(name)
		if !slices.Contains(b.names, name) {
			b.names = append(b.names, name)
		}
	}
	return b, nil
}

// SetHeaderBlock sets the lines of b, in place of all lines of the same names. It does nothing after the response was written.
func (c *Ctx) SetHeaderBlock(b *HeaderBlock) {
	x := c.live()
	if len(x.fields) > 0 {
		for _, name := range b.names {
			x.deleteHeader(name)
		}
	}
	x.fields = append(x.fields, b.lines...)
	x.own |= b.own
}
