// Package coding has what client and server agree on about a body: which content codings (RFC 9110 section 8.4.1) and media
// types a client accepts, encoders, and the media types that they pay for. All of it may be called from any goroutine, but for
// an Encoder, which is its holder's.
package coding

import (
	"strings"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/internal/syntax"
)

// Coding is a content coding that we speak.
type Coding uint8

const (
	Identity Coding = iota
	Brotli
	Zstd
	Gzip
	Any   // "*" of an Accept-Encoding
	Count // how many there are
)

// names are those of RFC 9110 section 8.4.1, RFC 7932 and RFC 8878.
var names = [Count]string{"identity", "br", "zstd", "gzip", "*"}

// String returns the name that stands in a header line.
func (c Coding) String() string { return names[c] }

// Of returns the coding of that name, in whatever case. RFC 9110 section 8.4.1.3: x-gzip is gzip.
func Of(name string) (Coding, bool) {
	for i, known := range names {
		if strings.EqualFold(name, known) {
			return Coding(i), true
		}
	}
	return Gzip, strings.EqualFold(name, "x-gzip")
}

// Accept is what the Accept-Encoding lines of a request say: the weight of each coding in thousandths, or unnamed.
type Accept [Count]int

const unnamed = -1

// AcceptedBy reads the request's lines. Without any all codings are acceptable, says RFC 9110 section 12.5.3; but who does not
// ask for one may not understand it, so that nothing but Identity is taken for named.
func AcceptedBy(c *http.Ctx) Accept {
	a := newAccept()
	for element := range c.HeaderList("Accept-Encoding") {
		a.add(element)
	}
	return a
}

func newAccept() (a Accept) {
	for i := range a {
		a[i] = unnamed
	}
	return a
}

// add takes one element. One that is malformed says nothing, and of two for the same coding the first counts.
func (a *Accept) add(element string) {
	name, param, weighted := strings.Cut(element, ";")
	weight, ok := 1000, true
	if weighted {
		weight, ok = parseWeight(syntax.TrimOWS(param))
	}
	if c, known := Of(syntax.TrimOWS(name)); known && ok && a[c] == unnamed {
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
func (a *Accept) weight(c Coding) int {
	if a[c] == unnamed {
		return a[Any]
	}
	return a[c]
}

// RefusesIdentity says whether an answer without a coding is not acceptable.
func (a *Accept) RefusesIdentity() bool { return a.weight(Identity) == 0 }

// Choose returns the coding of prefer that the client likes best, the first among equals, and Identity when it likes that
// better or none of them at all. Identity that is not named is what is left when nothing else is acceptable.
func (a *Accept) Choose(prefer []Coding) Coding {
	best, weight := Identity, 0
	for _, c := range prefer {
		if w := a.weight(c); w > weight {
			best, weight = c, w
		}
	}
	if a.weight(Identity) > weight {
		return Identity
	}
	return best
}
