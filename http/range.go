package http

import (
	"bytes"
	"math"
	"strconv"
	"time"
)

// Range is a part of a body: Length bytes from Off on.
type Range struct{ Off, Length int64 }

// ContentRange is the value of the Content-Range of a part of size bytes: RFC 9110 section 14.4.
func (r Range) ContentRange(size int64) string {
	var space [72]byte
	b := strconv.AppendInt(append(space[:0], "bytes "...), r.Off, 10)
	b = strconv.AppendInt(append(b, '-'), r.Off+r.Length-1, 10)
	b = strconv.AppendInt(append(b, '/'), size, 10)
	return string(b)
}

// SelectRange says which part of a body of size bytes in the state v the request asks for, by Range and If-Range: RFC 9110
// section 14.2. partial is false when it is all of it, to be answered by 200; else the answer is a 206 with the part's
// ContentRange. It sets no header. Error: an *Error of 416, for the handler to return.
//
// Only a GET can ask for a part, and of several parts none is sent, but the whole, which the RFC allows. A header that breaks
// the grammar, another unit than bytes, and any range of an empty body are ignored.
func (c *Ctx) SelectRange(size int64, v Validators) (part Range, partial bool, err error) {
	h := c.PeekHeader("Range")
	if h == nil || c.x.head.method != "GET" || !v.rangeHolds(c.PeekHeader("If-Range"), time.Now().Unix()) {
		return Range{0, size}, false, nil
	}
	switch part, how := selectRange(h, size); how {
	case selectPart:
		return part, true, nil
	case selectNone:
		return Range{}, false, &Error{Code: 416, Header: map[string]string{"Content-Range": "bytes */" + strconv.FormatInt(size, 10)}}
	}
	return Range{0, size}, false, nil
}

// selection says what a Range header asks of a body.
type selection uint8

const (
	selectWhole selection = iota // 200: no range, one that is to be ignored, or several
	selectPart                   // 206
	selectNone                   // 416: nothing of what was asked for exists
)

// selectRange applies a Range header (RFC 9110 sections 14.1.2 and 14.2) to a body of size bytes; the Range is set for
// selectPart.
//
//   - An unknown unit and a header that breaks the grammar are ignored, as the RFC allows (14.2) and curl and browsers
//     expect.
//   - Of several ranges those count that overlap the body. One left is sent as a part. More than one are answered by the
//     whole, which 14.2 allows ("a server MAY ignore the Range header field").
//   - In an empty body no range can be written into a Content-Range, not even the satisfiable "bytes=-5", so the header is
//     ignored: clients that ask for the first megabyte of everything then get their empty file.
func selectRange(header []byte, size int64) (Range, selection) {
	const unit = "bytes="
	if size == 0 || len(header) < len(unit) || !bytes.EqualFold(header[:len(unit)], []byte(unit)) {
		return Range{}, selectWhole
	}
	var part Range
	specs, found := 0, 0
	for rest, more := header[len(unit):], true; more; {
		var spec []byte
		spec, rest, more = bytes.Cut(rest, []byte{','})
		spec = bytes.Trim(spec, " \t")
		if len(spec) == 0 {
			continue // an empty list element: RFC 9110 section 5.6.1.2
		}
		r, ok := parseSpec(spec, size)
		if !ok {
			return Range{}, selectWhole
		}
		specs++
		if r.Length > 0 {
			part = r
			found++
		}
	}
	switch {
	case specs == 0 || found > 1:
		return Range{}, selectWhole
	case found == 0:
		return Range{}, selectNone
	}
	return part, selectPart
}

// parseSpec reads "first-last", "first-" or "-suffix". A Range of no bytes means that nothing of it lies in the body; ok is
// false for broken grammar.
func parseSpec(spec []byte, size int64) (r Range, ok bool) {
	a, b, dash := bytes.Cut(spec, []byte{'-'})
	if !dash || len(a) == 0 && len(b) == 0 {
		return Range{}, false
	}
	first, okFirst := parsePosition(a)
	last, okLast := parsePosition(b)
	switch {
	case !okFirst || !okLast:
		return Range{}, false
	case len(a) == 0:
		n := min(last, size)
		return Range{size - n, n}, true
	case len(b) == 0:
		last = math.MaxInt64
	case last < first:
		return Range{}, false
	}
	if first >= size {
		return Range{}, true
	}
	return Range{first, min(last, size-1) - first + 1}, true
}

// parsePosition reads decimal digits; what is beyond int64 becomes the largest, which no body reaches. Of nothing it makes 0.
func parsePosition(digits []byte) (n int64, ok bool) {
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n > (math.MaxInt64-9)/10 {
			n = math.MaxInt64
			continue
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
