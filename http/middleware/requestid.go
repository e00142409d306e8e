package middleware

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"

	"github.com/carillon-go/carillon/http"
)

// RequestIDOptions are the options of RequestID.
type RequestIDOptions struct {
	// Header is the field that has the id, in requests and answers. Default "X-Request-Id".
	Header string
	// Ignore has a new id made for each request, whatever the client says: for servers that no proxy of ours stands before.
	Ignore bool
	// New makes an id; any goroutine may call it. Default: 130 random bits, as 26 small letters and digits.
	New func() string
}

// longestID is how many bytes an id that a client sends may have.
const longestID = 128

// RequestID gives each request an id, by which its records in the logs of several programs can be found: that of the
// request's X-Request-Id, when that is 1 to 128 bytes of A-Z, a-z, 0-9, ".", "_" and "-", and else a new one. The answer has
// it in the same field, and RequestIDOf returns it.
//
// A client can choose the id, so it is no proof of anything: see RequestIDOptions.Ignore. RequestID belongs around all others,
// so that they can log it.
func RequestID(opts ...RequestIDOptions) http.Middleware {
	o := only("RequestID", opts)
	if o.Header == "" {
		o.Header = "X-Request-Id"
	}
	if !saneID(o.Header) {
		panic(fmt.Sprintf("middleware: RequestID: header %q", o.Header))
	}
	if o.New == nil {
		o.New = func() string { return strings.ToLower(rand.Text()) }
	}
	return func(next http.Handler) http.Handler {
		return func(c *http.Ctx) error {
			id := ""
			if !o.Ignore {
				id = c.Header(o.Header)
			}
			if !saneID(id) {
				id = o.New()
			}
			if err := c.SetHeader(o.Header, id); err != nil {
				return fmt.Errorf("middleware: RequestID: %w", err)
			}
			c.Set(requestIDKey{}, id)
			c.Note(slog.String("request_id", id))
			return next(c)
		}
	}
}

type requestIDKey struct{}

// RequestIDOf returns the id that RequestID has given to the request whose Ctx, or a context made of it, c is; "" without.
func RequestIDOf(c context.Context) string {
	id, _ := c.Value(requestIDKey{}).(string)
	return id
}

func saneID(s string) bool {
	return s != "" && len(s) <= longestID && nameBytes.HasAll(s)
}
