package middleware

import (
	"fmt"
	"strings"

	"github.com/carillon-go/carillon/http/internal/syntax"
)

// typeSet is a set of media types, as CompressOptions.Types says them.
type typeSet struct {
	all      bool
	exact    map[string]bool
	families []string // "text/"
	suffixes []string // "+json"
}

func newTypeSet(patterns []string) typeSet {
	s := typeSet{exact: make(map[string]bool)}
	for _, p := range patterns {
		p := strings.ToLower(p)
		family, sub, ok := strings.Cut(p, "/")
		switch {
		case p == "*/*":
			s.all = true
		case strings.HasPrefix(p, "*+") && !strings.ContainsAny(p[2:], "*/") && len(p) > 2:
			s.suffixes = append(s.suffixes, p[1:])
		case !ok || family == "" || sub == "" || strings.Contains(family, "*") || strings.ContainsAny(p, " ;,"):
			panic(fmt.Sprintf("middleware: media type %q", p))
		case sub == "*":
			s.families = append(s.families, family+"/")
		case strings.Contains(sub, "*"):
			panic(fmt.Sprintf("middleware: media type %q", p))
		default:
			s.exact[p] = true
		}
	}
	return s
}

// has says whether the type of a Content-Type is in the set. An event stream is only where it is named.
func (s *typeSet) has(contentType string) bool {
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
