package middleware

import (
	"strings"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/internal/syntax"
)

// coding is a content coding that we speak.
type coding uint8

const (
	identity coding = iota
	brotliCoding
	zstdCoding
	gzipCoding
	anyCoding // "*" of an Accept-Encoding
	numCodings
)

// codingNames are those of RFC 9110 section 8.4.1, RFC 7932 and RFC 8878.
var codingNames = [numCodings]string{"identity", "br", "zstd", "gzip", "*"}

// codingOf returns the coding of that name, in whatever case. RFC 9110 section 8.4.1.3: x-gzip is gzip.
func codingOf(name string) (coding, bool) {
	for i, known := range codingNames {
		if strings.EqualFold(name, known) {
			return coding(i), true
		}
	}
	return gzipCoding, strings.EqualFold(name, "x-gzip")
}

// acceptEncoding is what the Accept-Encoding lines of a request say: the weight of each coding in thousandths, or unnamed.
type acceptEncoding [numCodings]int

const unnamed = -1

// acceptedBy reads the request's lines. Without any all codings are acceptable, says RFC 9110 section 12.5.3; but who does not
// ask for one may not understand it, so that nothing but identity is taken for named.
func acceptedBy(c *http.Ctx) acceptEncoding {
	a := newAcceptEncoding()
	for element := range c.HeaderList("Accept-Encoding") {
		a.add(element)
	}
	return a
}

func newAcceptEncoding() (a acceptEncoding) {
	for i := range a {
		a[i] = unnamed
	}
	return a
}

// add takes one element. One that is malformed says nothing, and of two for the same coding the first counts.
func (a *acceptEncoding) add(element string) {
	name, param, weighted := strings.Cut(element, ";")
	weight, ok := 1000, true
	if weighted {
		weight, ok = parseWeight(syntax.TrimOWS(param))
	}
	if c, known := codingOf(syntax.TrimOWS(name)); known && ok && a[c] == unnamed {
		a[c] = weight
	}
}

// parseWeight reads "q=" and a qvalue (RFC 9110 section 12.4.2): 0 to 1 with up to three decimals.
func parseWeight(s string) (thousandths int, ok bool) {
	if len(s) < len("q=0") || s[0]|0x20 != 'q' || s[1] != '=' || s[2] != '0' && s[2] != '1' {
		return 0, false
	}
	thousandths = int(s[2]-'0') * 1000
	decimals := s[3:]
	if decimals == "" {
		return thousandths, true
	}
	if decimals[0] != '.' || len(decimals) > len(".000") {
		return 0, false
	}
	for i, unit := 1, 100; i < len(decimals); i, unit = i+1, unit/10 {
		if decimals[i] < '0' || decimals[i] > '9' {
			return 0, false
		}
		thousandths += int(decimals[i]-'0') * unit
	}
	return thousandths, thousandths <= 1000
}

// weight is what the client says of a coding, by its name or by "*"; unnamed when it does not.
func (a *acceptEncoding) weight(c coding) int {
	if a[c] == unnamed {
		return a[anyCoding]
	}
	return a[c]
}

// refusesIdentity says whether an answer without a coding is not acceptable.
func (a *acceptEncoding) refusesIdentity() bool { return a.weight(identity) == 0 }

// choose returns the coding of prefer that the client likes best, the first among equals, and identity when it likes that
// better or none of them at all. Identity that is not named is what is left when nothing else is acceptable.
func (a *acceptEncoding) choose(prefer []coding) coding {
	best, weight := identity, 0
	for _, c := range prefer {
		if w := a.weight(c); w > weight {
			best, weight = c, w
		}
	}
	if a.weight(identity) > weight {
		return identity
	}
	return best
}
