package middleware

import (
	"fmt"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/coding"
)

// Decompress decodes the body of a request that has a Content-Encoding of gzip, zstd or br, so that the handler reads it plain by
// any of Ctx's methods. max is how many bytes it may inflate to, which is checked while it does: reading more ends with an
// *http.Error of 413, as does a body that needs a window above 8 MiB to decode (RFC 9659). What Ctx.Body returns is bounded by the
// route's MaxBody as well. A body that is not what its coding says ends reading with an *http.Error of 400.
//
// Any other coding, and more than one, is answered by 415 with an Accept-Encoding that says what is understood (RFC 9110 section
// 15.5.16). A request without a body passes.
//
// Behind it the request is one without a coding: it has no line Content-Encoding or Content-Length any more, and its length is
// not known (Ctx.ContentLength is -1), so that a handler may pass it on as it is.
//
// Decompress belongs inside of all that refuses requests, such as BodyLimit, authentication and RateLimit, and around what reads
// the body. Of several around one another the outermost decodes, and the lowest max counts. There is no default; it panics when
// max is not above zero.
func Decompress(max int64) http.Middleware {
	if max <= 0 {
		panic(fmt.Sprintf("middleware: Decompress(%d): want a limit above zero", max))
	}
	return func(next http.Handler) http.Handler {
		return func(c *http.Ctx) error {
			if body, ok := http.Get[*inflater](c, inflaterKey{}); ok {
				body.limit(max)
				return next(c)
			}
			if c.ContentLength() == 0 || c.PeekHeader("Content-Encoding") == nil {
				return next(c)
			}
			found, err := contentCoding(c)
			if err != nil {
				return err
			}
			if found != coding.Identity {
				body := newInflater(found, c.BodyReader(), max)
				c.Set(inflaterKey{}, body)
				c.ReplaceBody(body)
				c.DropHeader("Content-Encoding")
				c.After(func(*http.Ctx) { body.release() })
			}
			return next(c)
		}
	}
}

type inflaterKey struct{}

// contentCoding returns the only coding of the request's body, or an *http.Error.
func contentCoding(c *http.Ctx) (coding.Coding, error) {
	found := coding.Identity
	count := 0
	for element := range c.HeaderList("Content-Encoding") {
		known := false
		found, known = coding.Of(element)
		if count++; !known || found == coding.Any || count > 1 {
			return coding.Identity, errContentCoding
		}
	}
	return found, nil
}

var errContentCoding = &http.Error{
	Code: 415, Detail: "a content coding that is not understood here",
	Header: map[string]string{"Accept-Encoding": "gzip, zstd, br"},
}
