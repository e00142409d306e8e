package http

import (
	"bytes"
	"fmt"
	"iter"
	"strings"
)

// The response's header lines are kept as they will be sent, "Name: value\r\n", one behind the other. Few responses have
// more than a handful, so finding one is a short walk, and sending them is one copy.

// SetHeader sets a header line of the response and replaces those of the same name. It does nothing after the response
// was written.
//
// ErrBadHeader: a name that is no token; a value with CR, LF, NUL or another control byte (but HTAB); Content-Length and
// Transfer-Encoding, which the server sets from what it sends. "Connection: close" ends the connection after this answer; what
// Connection then says of that is the server's, so that a "keep-alive" is left out.
func (c *Ctx) SetHeader(name, value string) error {
	x := c.live()
	if err := checkHeader(name, value); err != nil {
		return err
	}
	x.deleteHeader(name)
	x.appendHeader(name, value)
	return nil
}

// AddHeader is SetHeader without the replacing: Set-Cookie is the usual case.
func (c *Ctx) AddHeader(name, value string) error {
	x := c.live()
	if err := checkHeader(name, value); err != nil {
		return err
	}
	x.appendHeader(name, value)
	return nil
}

// DelHeader removes the header lines of that name which the handler has set.
func (c *Ctx) DelHeader(name string) {
	c.live().deleteHeader(name)
}

// ResponseHeader returns the value of the first header line of that name which the handler has set, "" without. Once the
// answer has begun, its Content-Type is among them.
func (c *Ctx) ResponseHeader(name string) string {
	return string(c.live().peekOwn(name))
}

// ResponseHeaders yields the header lines that ResponseHeader knows, in their order. None may be set meanwhile.
func (c *Ctx) ResponseHeaders() iter.Seq2[string, string] {
	x := c.live()
	return func(yield func(name, value string) bool) {
		for name, value := range x.ownFields() {
			if !yield(string(name), string(value)) {
				return
			}
		}
	}
}

// VaryBy adds a field name to the response's Vary, unless it is there: RFC 9110 section 12.5.5. Errors are those of AddHeader.
func (c *Ctx) VaryBy(field string) error {
	x := c.live()
	for name, value := range x.ownFields() {
		if !equalFold(name, "vary") {
			continue
		}
		for rest := value; rest != nil; {
			var element []byte
			element, rest = nextElement(rest)
			if string(element) == "*" || sameName(element, field) {
				return nil
			}
		}
	}
	return c.AddHeader("Vary", field)
}

// ownFields yields the header lines that are set so far, as views.
func (r *response) ownFields() iter.Seq2[[]byte, []byte] { return fieldsIn(r.fields) }

// fieldsIn yields the names and values of lines as appendLine makes them.
func fieldsIn(lines []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for rest := lines; len(rest) > 0; {
			colon, end := bytes.IndexByte(rest, ':'), bytes.IndexByte(rest, '\r')
			if !yield(rest[:colon], rest[colon+2:end]) {
				return
			}
			rest = rest[end+2:]
		}
	}
}

// peekOwn is ResponseHeader without a copy; nil when there is no such line.
func (r *response) peekOwn(name string) []byte {
	for n, value := range r.ownFields() {
		if sameName(n, name) {
			return value
		}
	}
	return nil
}

func checkHeader(name, value string) error {
	switch {
	case !isToken(name):
		return fmt.Errorf("%w: name %q", ErrBadHeader, name)
	case !isText(value):
		return fmt.Errorf("%w: value %q of %s", ErrBadHeader, value, name)
	case sameName([]byte(name), "Content-Length"), sameName([]byte(name), "Transfer-Encoding"):
		return fmt.Errorf("%w: %s is set by the server", ErrBadHeader, name)
	}
	return nil
}

// own says which of the lines that the server would write itself has been set by the handler.
func ownLine(name string) ownLines {
	switch {
	case sameName([]byte(name), "Content-Type"):
		return ownType
	case sameName([]byte(name), "Date"):
		return ownDate
	case sameName([]byte(name), "Server"):
		return ownServer
	}
	return 0
}

type ownLines uint8

const (
	ownType ownLines = 1 << iota
	ownDate
	ownServer
)

func (r *response) appendHeader(name, value string) {
	if sameName([]byte(name), "Connection") {
		if value = r.takeConnection(value); value == "" {
			return
		}
	}
	r.own |= ownLine(name)
	r.fields = appendLine(r.fields, name, value)
}

// takeConnection returns what of a Connection line is the handler's to say. Whether the connection stays is the server's, which
// writes that once; the handler can only ask it to close.
func (r *response) takeConnection(value string) string {
	var others []string
	for rest := viewOf(value); rest != nil; {
		var token []byte
		token, rest = nextElement(rest)
		switch {
		case equalFold(token, "close"):
			r.wantClose = true
		case len(token) > 0 && !equalFold(token, "keep-alive"):
			others = append(others, string(token))
		}
	}
	return strings.Join(others, ", ")
}

func appendLine(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}

func (r *response) deleteHeader(name string) {
	kept := r.fields[:0]
	for rest := r.fields; len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n') + 1
		if !(end > len(name) && rest[len(name)] == ':' && sameName(rest[:len(name)], name)) {
			kept = append(kept, rest[:end]...)
		}
		rest = rest[end:]
	}
	r.fields = kept
	r.own &^= ownLine(name)
	if sameName([]byte(name), "Connection") {
		r.wantClose = false
	}
}

// deleteRepresentation removes what describes a body that is not going to be sent, so that an error page is not taken
// for compressed, cacheable or a part of something.
func (r *response) deleteRepresentation() {
	for _, name := range [...]string{
		"Content-Type", "Content-Encoding", "Content-Language", "Content-Range", "Content-Disposition",
		"ETag", "Last-Modified", "Cache-Control", "Expires", "Accept-Ranges",
	} {
		if len(r.fields) > 0 {
			r.deleteHeader(name)
		}
	}
}
