package static

import (
	"bytes"
	"math"
	"strconv"
)

// span is a part of a file: n bytes from off on.
type span struct{ off, n int64 }

// selection says what a Range header asks of a file.
type selection uint8

const (
	selectWhole selection = iota // 200: no range, one that is to be ignored, or several
	selectPart                   // 206
	selectNone                   // 416: nothing of what was asked for exists
)

// selectRange applies a Range header (RFC 9110, 14.1.2 and 14.2) to a file of
// size bytes; the span is set for selectPart.
//
//   - An unknown unit and a header that breaks the grammar are ignored, as the
//     RFC allows (14.2) and curl and browsers expect.
//   - Of several ranges those count that overlap the file. One left is sent as
//     a part. More than one are answered by the whole file, which 14.2 allows
//     ("a server MAY ignore the Range header field").
//   - In an empty file no range can be written into a Content-Range, not even
//     the satisfiable "bytes=-5", so the header is ignored: clients that ask
//     for the first megabyte of everything then get their empty file.
func selectRange(header []byte, size int64) (span, selection) {
	const unit = "bytes="
	if size == 0 || len(header) < len(unit) || !bytes.EqualFold(header[:len(unit)], []byte(unit)) {
		return span{}, selectWhole
	}
	var part span
	specs, found := 0, 0
	for rest, more := header[len(unit):], true; more; {
		var spec []byte
		spec, rest, more = bytes.Cut(rest, []byte{','})
		spec = bytes.Trim(spec, " \t")
		if len(spec) == 0 {
			continue // an empty list element (RFC 9110, 5.6.1.2)
		}
		s, ok := parseSpec(spec, size)
		if !ok {
			return span{}, selectWhole
		}
		specs++
		if s.n > 0 {
			part = s
			found++
		}
	}
	switch {
	case specs == 0 || found > 1:
		return span{}, selectWhole
	case found == 0:
		return span{}, selectNone
	}
	return part, selectPart
}

// parseSpec reads "first-last", "first-" or "-suffix". A span of no bytes
// means that nothing of it lies in the file; ok is false for broken grammar.
func parseSpec(spec []byte, size int64) (s span, ok bool) {
	a, b, dash := bytes.Cut(spec, []byte{'-'})
	if !dash || len(a) == 0 && len(b) == 0 {
		return span{}, false
	}
	first, okFirst := parsePosition(a)
	last, okLast := parsePosition(b)
	switch {
	case !okFirst || !okLast:
		return span{}, false
	case len(a) == 0:
		n := min(last, size)
		return span{size - n, n}, true
	case len(b) == 0:
		last = math.MaxInt64
	case last < first:
		return span{}, false
	}
	if first >= size {
		return span{}, true
	}
	return span{first, min(last, size-1) - first + 1}, true
}

// parsePosition reads decimal digits; what is beyond int64 becomes the
// largest, which no file reaches. Of nothing it makes 0.
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

// contentRange is the value of RFC 9110, 14.4 for a part of a file.
func contentRange(part span, size int64) string {
	var space [72]byte
	b := strconv.AppendInt(append(space[:0], "bytes "...), part.off, 10)
	b = strconv.AppendInt(append(b, '-'), part.off+part.n-1, 10)
	b = strconv.AppendInt(append(b, '/'), size, 10)
	return string(b)
}
