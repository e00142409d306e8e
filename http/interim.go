package http

import "fmt"

// EarlyHints sends a 103 (RFC 8297) with a Link line for each of links, at once, so that the client may fetch them while the
// answer is being made. A client of HTTP/1.0 is sent none. Errors: ErrBadHeader, ErrWritten, ErrClientGone.
func (c *Ctx) EarlyHints(links ...string) error {
	x := c.live()
	var lines []byte
	for _, link := range links {
		if !isText(link) {
			return fmt.Errorf("%w: link %q", ErrBadHeader, link)
		}
		lines = appendLine(lines, "Link", link)
	}
	return x.interim(103, lines)
}

// interim sends an answer of 1xx.
func (x *exchange) interim(code int, lines []byte) error {
	switch {
	case x.phase != unanswered:
		return ErrWritten
	case x.http10:
		return nil
	case x.via != nil:
		return x.via.interim(code, lines)
	}
	b := append(x.buf, statusLines[code-100]...)
	b = append(b, lines...)
	x.buf = append(b, "\r\n"...)
	return x.deliver(nil)
}
