package static

import (
	"strings"

	"github.com/carillon-go/carillon/http"
)

// prefersJSON says whether the client likes JSON better than a page, by the
// Accept of its request: RFC 9110, 12.5.1. The most specific range counts for
// each of the two. Who likes both as much, as whoever takes anything, gets the
// page.
func prefersJSON(c *http.Ctx) bool {
	page, json := newWeight("text/html"), newWeight("application/json")
	for element := range c.HeaderList("Accept") {
		page.consider(element)
		json.consider(element)
	}
	return json.thousandths > page.thousandths
}

// weight is how much a client likes a media type.
type weight struct {
	mediaType   string
	specific    int // how closely the range that counted names it; 0 for none yet
	thousandths int
}

func newWeight(mediaType string) weight { return weight{mediaType: mediaType} }

// consider looks at one element of an Accept. One that is malformed says
// nothing, and neither does one with parameters, which our answers do not have.
func (w *weight) consider(element string) {
	name, params, _ := strings.Cut(element, ";")
	name = strings.TrimRight(name, " \t")
	specific := 0
	switch major, _, _ := strings.Cut(w.mediaType, "/"); {
	case strings.EqualFold(name, w.mediaType):
		specific = 3
	case strings.EqualFold(name, major+"/*"):
		specific = 2
	case name == "*/*":
		specific = 1
	}
	if thousandths, ok := quality(params); ok && specific > w.specific {
		w.specific, w.thousandths = specific, thousandths
	}
}

// quality reads "q=" and a qvalue (RFC 9110, 12.4.2), 1 when there is nothing.
// Parameters of the range other than charset make it one that is not ours.
func quality(params string) (thousandths int, ok bool) {
	thousandths = 1000
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.Trim(param, " \t"), "=")
		switch {
		case name == "" || strings.EqualFold(name, "charset"):
		case strings.EqualFold(name, "q"):
			return qvalue(value)
		default:
			return 0, false
		}
	}
	return thousandths, true
}

// qvalue reads 0 to 1 with up to three decimals.
func qvalue(s string) (thousandths int, ok bool) {
	if s == "" || len(s) > len("0.000") || s[0] != '0' && s[0] != '1' || len(s) > 1 && s[1] != '.' {
		return 0, false
	}
	thousandths = int(s[0]-'0') * 1000
	for i, unit := 2, 100; i < len(s); i, unit = i+1, unit/10 {
		if !isDigit(s[i]) {
			return 0, false
		}
		thousandths += int(s[i]-'0') * unit
	}
	return thousandths, thousandths <= 1000
}
