package coding

import (
	"strings"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/internal/syntax"
)

// MediaWeight returns how much a client likes a media type, "text/html", in thousandths, by the Accept lines of its request
// (RFC 9110 section 12.5.1): the most specific range that covers the type counts, and the first of those. named says that it
// is the type itself rather than a range such as "*/*". Where no range covers the type, as without any line, it is 0.
//
// Other parameters than charset make a range one that the type, which has none, is not in.
func MediaWeight(c *http.Ctx, mediaType string) (thousandths int, named bool) {
	w := mediaWeight{mediaType: mediaType}
	for element := range c.HeaderList("Accept") {
		w.add(element)
	}
	return w.thousandths, w.closeness == itself
}

type mediaWeight struct {
	mediaType   string
	closeness   closeness
	thousandths int
}

// closeness is how specifically the range that counts so far names the type.
type closeness uint8

const (
	notCovered closeness = iota
	anyType
	anySubtype
	itself
)

// add takes one element. One that is malformed says nothing.
func (w *mediaWeight) add(element string) {
	name, params, _ := strings.Cut(element, ";")
	near := w.covers(strings.TrimRight(name, " \t"))
	if near <= w.closeness {
		return
	}
	if thousandths, ok := mediaParams(params); ok {
		w.closeness, w.thousandths = near, thousandths
	}
}

func (w *mediaWeight) covers(mediaRange string) closeness {
	major, _, _ := strings.Cut(w.mediaType, "/")
	switch {
	case strings.EqualFold(mediaRange, w.mediaType):
		return itself
	case strings.EqualFold(mediaRange, major+"/*"):
		return anySubtype
	case mediaRange == "*/*":
		return anyType
	}
	return notCovered
}

// mediaParams reads the parameters of a range up to its weight, 1000 where there is none.
func mediaParams(params string) (thousandths int, ok bool) {
	for param := range strings.SplitSeq(params, ";") {
		param = syntax.TrimOWS(param)
		name, _, _ := strings.Cut(param, "=")
		switch {
		case name == "" || strings.EqualFold(name, "charset"):
		case strings.EqualFold(name, "q"):
			return parseWeight(param)
		default:
			return 0, false
		}
	}
	return 1000, true
}
