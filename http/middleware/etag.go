package middleware

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"github.com/carillon-go/carillon/http"
)

// ETagOptions are the options of ETag.
type ETagOptions struct {
	// MaxSize is the size of the largest body, in bytes, that gets a tag. Default 1 MiB.
	MaxSize int
}

// ETag gives answers a strong entity tag of their body, so that a client that has the same already is told so by 304 without
// a body (RFC 9110 sections 8.8.3 and 13.1.2). The handler's work is not saved, only the sending. The tag is the same in every
// process: 128 bits of SHA-256, which is faster than FNV-1a on a machine with instructions for it, and leaves nobody to make
// two bodies with one tag.
//
// Tagged are whole answers (Text, Blob, JSON) with status 200 to GET and HEAD that have no ETag yet and are not marked no-store.
// Streams and files pass.
//
// Inside of Compress (Compress first, the recommended order) the tag is that of the plain body; Compress makes it weak where it
// compresses, and a 304 costs no compression. Around Compress it sees the compressed body: each coding has a strong tag of its
// own.
func ETag(opts ...ETagOptions) http.Middleware {
	o := only("ETag", opts)
	if o.MaxSize < 0 {
		panic(fmt.Sprintf("middleware: ETag: MaxSize %d", o.MaxSize))
	}
	if o.MaxSize == 0 {
		o.MaxSize = 1 << 20
	}
	f := &etagFilter{o.MaxSize}
	return func(next http.Handler) http.Handler {
		return func(c *http.Ctx) error {
			if isRead(c.Method()) {
				c.AddFilter(f)
			}
			return next(c)
		}
	}
}

// isRead says whether a method's answer can be one that a client has already.
func isRead(method string) bool { return method == "GET" || method == "HEAD" }

type etagFilter struct{ max int }

// Whole implements http.Filter.
func (f *etagFilter) Whole(c *http.Ctx, body []byte) ([]byte, error) {
	if c.StatusCode() != 200 || len(body) > f.max || c.ResponseHeader("ETag") != "" || hasDirective(c, "no-store") {
		return body, nil
	}
	sum := sha256.Sum256(body)
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
	if err := c.SetHeader("ETag", tag); err != nil {
		return nil, err
	}
	if c.EvaluatePreconditions(http.Validators{ETag: tag}) != http.NotModified {
		return body, nil
	}
	c.SetStatus(304)
	// RFC 9110 section 15.4.5: what describes the body stays away, but for what a cache has to know.
	c.DelHeader("Content-Type")
	c.DelHeader("Content-Encoding")
	return nil, nil
}

// Stream implements http.Filter.
func (f *etagFilter) Stream(*http.Ctx, io.Writer) http.FilterWriter { return nil }

// hasDirective says whether the Cache-Control of the answer has the directive, in whatever case.
func hasDirective(c *http.Ctx, directive string) bool {
	for element := range c.ResponseHeaderList("Cache-Control") {
		if strings.EqualFold(element, directive) {
			return true
		}
	}
	return false
}
