package http

import (
	"fmt"
	"strings"

	"github.com/carillon-go/carillon/http/internal/syntax"
)

// Redirect answers with a Location. target is a path, or an absolute URL of http or https; bytes that a URL cannot hold
// are percent-encoded. It must not lead to another site in disguise: ErrBadRedirect for "//evil.example", "/\evil.example"
// and what browsers take for the same, for a name in front of the host ("http://good.example@evil.example/"), for other
// schemes and for control bytes. ErrBadStatus for codes other than 301, 302, 303, 307 and 308.
func (c *Ctx) Redirect(code int, target string) error {
	switch code {
	case 301, 302, 303, 307, 308:
	default:
		return fmt.Errorf("%w: %d for a redirect", ErrBadStatus, code)
	}
	if !safeRedirect(target) {
		return fmt.Errorf("%w: %q", ErrBadRedirect, target)
	}
	location := inLocation.PercentEncode(target)
	if err := c.SetHeader("Location", location); err != nil {
		return err
	}
	if m := c.Method(); m == "GET" || m == "HEAD" {
		return c.Text(code, StatusText(code)+": "+location+"\n")
	}
	return c.NoContent(code)
}

// safeRedirect says whether a browser will read target as what it seems to be. Browsers take a backslash for a slash, and
// strip blanks and control bytes before they look.
func safeRedirect(target string) bool {
	for i := range len(target) {
		if target[i] < 0x20 || target[i] == 0x7f {
			return false
		}
	}
	if target == "" || target[0] == ' ' || target[0] == '\\' {
		return false
	}
	if target[0] == '/' {
		return len(target) < 2 || target[1] != '/' && target[1] != '\\'
	}
	end := strings.IndexAny(target, ":/?#\\")
	if end < 0 || target[end] != ':' {
		return true // a relative path
	}
	scheme := strings.ToLower(target[:end])
	rest, ok := strings.CutPrefix(target[end:], "://")
	if !ok || scheme != "http" && scheme != "https" {
		return false
	}
	authority := rest
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority = rest[:end]
	}
	return authority != "" && !strings.ContainsAny(authority, "@\\")
}

// inLocation are the bytes that RFC 3986 allows in a URI reference, among them the percent sign of what is encoded already.
var inLocation = syntax.Where(func(c byte) bool { return c > ' ' && c < 0x7f && strings.IndexByte("\"<>\\^`{|}", c) < 0 })
