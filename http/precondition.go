package http

import (
	"bytes"
	"fmt"
	"time"
)

// Validators tell one state of a resource from another: RFC 9110 section 8.8.
type Validators struct {
	ETag     string    // as it is sent, in quotes, and with W/ in front while it is weak; "" for none
	Modified time.Time // whole seconds count; the zero time for none
	Absent   bool      // there is no such resource yet, so that not even "*" matches it
}

// Outcome is what the preconditions of a request come to.
type Outcome uint8

const (
	Proceed            Outcome = iota
	NotModified                // 304: the client has this state already
	PreconditionFailed         // 412: the client has another state in mind
)

// CheckPreconditions sees to If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since, in the order of RFC 9110
// section 13.2.2, where v is the state of the resource before the request. For GET and HEAD it sets ETag and Last-Modified,
// and done says that it has answered, by 304. Errors: an *Error of 412, for the handler to return; those of SetValidators
// and NoContent.
//
//	if done, err := c.CheckPreconditions(v); done || err != nil {
//		return err
//	}
func (c *Ctx) CheckPreconditions(v Validators) (done bool, err error) {
	outcome := c.EvaluatePreconditions(v)
	if outcome == PreconditionFailed {
		return false, errPrecondition
	}
	if m := c.x.head.method; m == "GET" || m == "HEAD" {
		if err := c.SetValidators(v); err != nil {
			return false, err
		}
	}
	if outcome == NotModified {
		return true, c.NoContent(304)
	}
	return false, nil
}

var errPrecondition = NewError(412, "")

// EvaluatePreconditions is CheckPreconditions without an answer. NotModified is for GET and HEAD only.
func (c *Ctx) EvaluatePreconditions(v Validators) Outcome {
	x := c.live()
	switch x.head.method {
	case "OPTIONS", "TRACE": // RFC 9110 section 13.2.1: they select no representation
		return Proceed
	}
	cond := conditions{
		ifMatch:           x.peekList("If-Match"),
		ifNoneMatch:       x.peekList("If-None-Match"),
		ifModifiedSince:   c.PeekHeader("If-Modified-Since"),
		ifUnmodifiedSince: c.PeekHeader("If-Unmodified-Since"),
	}
	return cond.evaluate(v, x.head.method == "GET" || x.head.method == "HEAD")
}

// SetValidators sets ETag and Last-Modified, as far as v has them. Error: ErrBadHeader for an ETag that is no entity tag (RFC
// 9110 section 8.8.3).
func (c *Ctx) SetValidators(v Validators) error {
	if v.ETag != "" {
		if _, rest, ok := cutETag(viewOf(v.ETag)); !ok || len(rest) > 0 {
			return fmt.Errorf("%w: %q is no entity tag: it stands in quotes, perhaps behind W/", ErrBadHeader, v.ETag)
		}
		if err := c.SetHeader("ETag", v.ETag); err != nil {
			return err
		}
	}
	if x := c.live(); !v.Modified.IsZero() {
		x.deleteHeader("Last-Modified")
		x.fields = append(x.fields, "Last-Modified: "...) // in place, because a string of it would be allocated
		x.fields = v.Modified.UTC().AppendFormat(x.fields, timeFormat)
		x.fields = append(x.fields, "\r\n"...)
	}
	return nil
}

// conditions are the header fields of a request that make it conditional; a field that is absent is nil. Lists that came in
// several lines are joined.
type conditions struct{ ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince []byte }

// evaluate decides in the order of RFC 9110 section 13.2.2. reads says that the request is a GET or HEAD. If-Range is not part
// of it: see rangeHolds.
func (c *conditions) evaluate(v Validators, reads bool) Outcome {
	dated := !v.Modified.IsZero() && !v.Absent
	if c.ifMatch != nil {
		if !v.anyMatch(c.ifMatch, strongMatch) {
			return PreconditionFailed
		}
	} else if c.ifUnmodifiedSince != nil && dated {
		if at, ok := parseDate(c.ifUnmodifiedSince); ok && v.Modified.Unix() > at {
			return PreconditionFailed
		}
	}
	if c.ifNoneMatch != nil {
		switch {
		case !v.anyMatch(c.ifNoneMatch, weakMatch):
		case reads:
			return NotModified
		default:
			return PreconditionFailed
		}
	} else if c.ifModifiedSince != nil && dated && reads {
		if at, ok := parseDate(c.ifModifiedSince); ok && v.Modified.Unix() <= at {
			return NotModified
		}
	}
	return Proceed
}

// rangeHolds says whether a Range may be obeyed (RFC 9110 section 13.1.5): there is no If-Range, or it names this very state, by
// a strong ETag, or by the exact date, which is a strong validator only once the second that it names is over (section
// 8.8.2.2). now is in seconds since the epoch.
func (v *Validators) rangeHolds(ifRange []byte, now int64) bool {
	switch {
	case ifRange == nil:
		return true
	case bytes.HasPrefix(ifRange, []byte(`"`)) || bytes.HasPrefix(ifRange, []byte("W/")):
		tag, rest, ok := cutETag(ifRange)
		return ok && len(rest) == 0 && strongMatch(tag, v.ETag)
	}
	at, ok := parseDate(ifRange)
	return ok && !v.Modified.IsZero() && at == v.Modified.Unix() && now > at
}

// anyMatch says whether a list of entity tags, or "*", has one that matches. What follows an element that is no entity tag is
// not read.
func (v *Validators) anyMatch(list []byte, match func(a []byte, b string) bool) bool {
	if v.Absent {
		return false
	}
	if string(bytes.Trim(list, " \t")) == "*" {
		return true
	}
	for {
		list = bytes.TrimLeft(list, " \t,")
		tag, rest, ok := cutETag(list)
		if !ok {
			return false
		}
		rest = bytes.TrimLeft(rest, " \t")
		if len(rest) > 0 && rest[0] != ',' {
			return false
		}
		if match(tag, v.ETag) {
			return true
		}
		list = rest
	}
}

// cutETag takes one entity tag off the front (RFC 9110 section 8.8.3).
func cutETag(s []byte) (tag, rest []byte, ok bool) {
	open := 0
	if bytes.HasPrefix(s, []byte("W/")) {
		open = 2
	}
	if len(s) <= open || s[open] != '"' {
		return nil, s, false
	}
	for i := open + 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return s[:i+1], s[i+1:], true
		case c < 0x21 || c == 0x7f:
			return nil, s, false
		}
	}
	return nil, s, false
}

// strongMatch and weakMatch are the comparisons of RFC 9110 section 8.8.3.2; a is an entity tag.
func strongMatch(a []byte, b string) bool { return string(a) == b && a[0] == '"' }

func weakMatch(a []byte, b string) bool {
	if len(b) > 2 && b[:2] == "W/" {
		b = b[2:]
	}
	return string(bytes.TrimPrefix(a, []byte("W/"))) == b
}

// parseDate reads an HTTP-date in any of its three forms (RFC 9110 section 5.6.7) as seconds since the epoch.
func parseDate(b []byte) (int64, bool) {
	for _, layout := range [...]string{timeFormat, "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC} {
		if t, err := time.Parse(layout, string(b)); err == nil {
			return t.Unix(), true
		}
	}
	return 0, false
}

// peekList returns a list field of the request, its lines joined (RFC 9110 section 5.3); nil when it is absent.
func (x *exchange) peekList(name string) []byte {
	var list []byte
	for _, f := range x.head.fields {
		switch {
		case int(f.name.end-f.name.off) != len(name) || !sameName(f.name.of(x.raw), name):
		case list == nil:
			list = f.value.of(x.raw) // its capacity ends with it, so that joining leaves the buffer alone
		default:
			list = append(append(list, ','), f.value.of(x.raw)...)
		}
	}
	return list
}
