package coding

import (
	"fmt"
	"strings"

	"github.com/carillon-go/carillon/http/internal/syntax"
)

// TypeSet is a set of media types.
type TypeSet struct {
	all      bool
	exact    map[string]bool
	families []string // "text/"
	suffixes []string // "+json"
}

// Compressible are the media types that are worth compressing: text, in the widest sense.
var Compressible = []string{
	"text/*", "*+json", "*+xml", "*+text", "application/json", "application/x-ndjson", "application/xml", "application/javascript",
	"application/ecmascript", "application/graphql", "application/toml", "application/yaml", "application/rtf", "application/sql",
	"application/wasm", "application/vnd.ms-fontobject", "font/ttf", "font/otf", "font/collection", "image/bmp", "image/x-icon",
	"image/vnd.microsoft.icon",
}

// NewTypeSet returns the set of the types that match one of patterns: "text/css", "text/*", "*/*", or, by their suffix, "*+json".
// It panics on what is no pattern.
func NewTypeSet(patterns []string) TypeSet {
	s := TypeSet{exact: make(map[string]bool)}
	for _, p := range patterns {
		p := strings.ToLower(p)
		family, sub, ok := strings.Cut(p, "/")
		switch {
		case p == "*/*":
			s.all = true
		case strings.HasPrefix(p, "*+") && !strings.ContainsAny(p[2:], "*/") && len(p) > 2:
			s.suffixes = append(s.suffixes, p[1:])
		case !ok || family == "" || sub == "" || strings.Contains(family, "*") || strings.ContainsAny(p, " ;,"):
			panic(fmt.Sprintf("coding: media type %q", p))
		case sub == "*":
			s.families = append(s.families, family+"/")
		case strings.Contains(sub, "*"):
			panic(fmt.Sprintf("coding: media type %q", p))
		default:
			s.exact[p] = true
		}
	}
	return s
}

// Has says whether the type of a Content-Type is in the set. An event stream is only where it is named.
func (s *TypeSet) Has(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	t = strings.ToLower(syntax.TrimOWS(t))
	if t == "" || s.exact[t] || t == "text/event-stream" {
		return s.exact[t]
	}
	if s.all {
		return true
	}
	for _, family := range s.families {
		if strings.HasPrefix(t, family) {
			return true
		}
	}
	for _, suffix := range s.suffixes {
		if strings.HasSuffix(t, suffix) {
			return true
		}
	}
	return false
}
