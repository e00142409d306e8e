package http

import (
	"bytes"
	"cmp"
	"math"
	"slices"
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

// SelectRange is SelectRanges for who can send one part only: of several parts none is sent, but the whole, which the RFC
// allows. partial is false when it is all of the body, to be answered by 200; else the answer is a 206 with the part's
// ContentRange.
func (c *Ctx) SelectRange(size int64, v Validators) (part Range, partial bool, err error) {
	var space [1]Range
	parts, err := c.appendRanges(space[:0], size, v)
	switch {
	case err != nil:
		return Range{}, false, err
	case len(parts) == 1:
		return parts[0], true, nil
	}
	return Range{0, size}, false, nil
}

// SelectRanges says which parts of a body of size bytes in the state v the request asks for, by Range and If-Range: RFC 9110
// section 14.2. Without any it is all of it, to be answered by 200; else by 206, as SendFileParts and BlobParts do. It sets
// no header. Error: an *Error of 416, for the handler to return.
//
// Only a GET can ask for parts. Those that overlap or touch are made one, so no byte is sent twice; the others stay in the
// order in which they were asked for. More than MaxParts are answered by the whole, as are a header that breaks the grammar,
// another unit than bytes, and any range of an empty body.
func (c *Ctx) SelectRanges(size int64, v Validators) ([]Range, error) {
	return c.appendRanges(nil, size, v)
}

// appendRanges is SelectRanges into the memory of dst, which is empty.
func (c *Ctx) appendRanges(dst []Range, size int64, v Validators) ([]Range, error) {
	h := c.PeekHeader("Range")
	if h == nil || c.x.head.method != "GET" || !v.rangeHolds(c.PeekHeader("If-Range"), time.Now().Unix()) {
		return nil, nil
	}
	parts, how := selectRanges(dst, h, size)
	if how == selectNone {
		return nil, &Error{Code: 416, Header: map[string]string{"Content-Range": "bytes */" + strconv.FormatInt(size, 10)}}
	}
	return parts, nil
}

const (
	// MaxParts is how many parts of a body one answer may have.
	MaxParts = 32
	// maxSpecs is how many ranges a header may ask for before they are made one where they touch.
	maxSpecs = 256
)

// selection says what a Range header asks of a body.
type selection uint8

const (
	selectWhole selection = iota // 200: no range, or one that is to be ignored
	selectParts                  // 206
	selectNone                   // 416: nothing of what was asked for exists
)

// selectRanges applies a Range header (RFC 9110 sections 14.1.2 and 14.2) to a body of size bytes; there are Ranges for
// selectParts, in the memory of parts, which is empty.
//
//   - An unknown unit and a header that breaks the grammar are ignored, as the RFC allows (14.2) and curl and browsers
//     expect.
//   - Of several ranges those count that overlap the body.
//   - In an empty body no range can be written into a Content-Range, not even the satisfiable "bytes=-5", so the header is
//     ignored: clients that ask for the first megabyte of everything then get their empty file.
func selectRanges(parts []Range, header []byte, size int64) ([]Range, selection) {
	const unit = "bytes="
	if size == 0 || len(header) < len(unit) || !bytes.EqualFold(header[:len(unit)], []byte(unit)) {
		return nil, selectWhole
	}
	specs := 0
	for rest, more := header[len(unit):], true; more; {
		var spec []byte
		spec, rest, more = bytes.Cut(rest, []byte{','})
		spec = bytes.Trim(spec, " \t")
		if len(spec) == 0 {
			continue // an empty list element: RFC 9110 section 5.6.1.2
		}
		r, ok := parseSpec(spec, size)
		if specs++; !ok || specs > maxSpecs {
			return nil, selectWhole
		}
		if r.Length > 0 {
			parts = append(parts, r)
		}
	}
	switch parts = coalesce(parts); {
	case specs == 0 || len(parts) > MaxParts:
		return nil, selectWhole
	case len(parts) == 0:
		return nil, selectNone
	}
	return parts, selectParts
}

// coalesce makes one of ranges that overlap or touch (RFC 9110 section 15.3.7.2), in the place of the first of them. It
// reuses the memory of parts.
func coalesce(parts []Range) []Range {
	if len(parts) < 2 {
		return parts
	}
	order := make([]int, len(parts)) // indexes of parts, by offset
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(parts[a].Off, parts[b].Off) })
	group := order[0]
	for _, i := range order[1:] {
		last, r := &parts[group], &parts[i]
		end := max(last.Off+last.Length, r.Off+r.Length)
		switch {
		case r.Off > last.Off+last.Length:
			group = i
		case i < group:
			*r = Range{last.Off, end - last.Off}
			last.Length = 0
			group = i
		default:
			last.Length = end - last.Off
			r.Length = 0
		}
	}
	return slices.DeleteFunc(parts, func(r Range) bool { return r.Length == 0 })
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
