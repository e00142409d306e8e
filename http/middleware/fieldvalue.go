package middleware

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/internal/syntax"
)

// Values that options give for header lines are checked once, when the middleware is made. So a mistake shows at the
// start of the program, and setting such a value can no longer fail.

// mustBeFieldValue panics when v may not stand in a field value: RFC 9110 section 5.5.
func mustBeFieldValue(what, v string) {
	if !syntax.IsText(v) {
		panic(fmt.Sprintf("middleware: %s: %q holds a control byte", what, v))
	}
}

// mustBeToken panics when v is no token: RFC 9110 section 5.6.2.
func mustBeToken(what, v string) {
	if !syntax.IsToken(v) {
		panic(fmt.Sprintf("middleware: %s: %q is no token", what, v))
	}
}

// nameBytes are what names consist of that need no quotes anywhere: ids of requests, obfuscated ports.
var nameBytes = syntax.Where(func(c byte) bool { return syntax.IsAlnum(c) || c == '.' || c == '_' || c == '-' })

// quotedString makes v a quoted-string: RFC 9110 section 5.6.4. v was checked by mustBeFieldValue.
func quotedString(v string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`
}

// wholePath is the path of the request, percent-decoded once, also where a mount took the front of Ctx.Path off.
func wholePath(c *http.Ctx) string {
	path, err := url.PathUnescape(c.RawPath())
	if err != nil {
		return c.Path() // never: the server refuses such a target
	}
	return path
}
