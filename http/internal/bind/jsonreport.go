package bind

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// report finds out what is wrong with a JSON text that did not decode. encoding/json tells of one error at a time, and of
// many it does not tell where. So report decodes again: the text cut off behind a value, to see whether the error lies
// before it, and the text without the value that was wrong, to hear of the next. A budget bounds that work, which the
// client can cause at will.
type report struct {
	typ           reflect.Type // of what the text was to become
	refuseUnknown bool
	budget        int // bytes that may still be decoded
}

const (
	reportBudget = 256 << 10
	searchLimit  = 16 << 10 // the largest text in which a place is searched for by cutting
)

func (r *report) errors(data []byte, err error) Errors {
	if e, ok := syntaxError(data); ok {
		return Errors{e}
	}
	var errs Errors
	for range 2 * maxErrors {
		e, at, found := r.explain(data, err)
		if !errs.cover(e.Field) {
			errs = append(errs, e)
		}
		if !found || len(errs) == maxErrors || r.budget < len(data) {
			return errs
		}
		if at.keyAt < 0 && string(data[at.start:at.end]) == "null" {
			return errs // it cannot be left out
		}
		data = at.without(data)
		if err = r.decode(data); err == nil {
			return errs
		}
	}
	return errs
}

// cover says whether field has been named, or something in it: what is wrong with it then may come of our leaving that out.
func (e Errors) cover(field string) bool {
	return slices.ContainsFunc(e, func(had Error) bool {
		rest, ok := strings.CutPrefix(had.Field, field)
		return ok && (field == "" || rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// decode decodes into a value of its own, to see what error comes.
func (r *report) decode(data []byte) error {
	r.budget -= len(data)
	return decode(reflect.New(r.typ).Interface(), data, r.refuseUnknown)
}

// ignored takes any JSON value.
type ignored struct{}

func (*ignored) UnmarshalJSON([]byte) error { return nil }

// syntaxBase is the offset that encoding/json gives the first byte: 1, or 0 when it is built upon encoding/json/v2.
var syntaxBase = func() int64 {
	syntax, ok := json.Unmarshal([]byte("x"), new(ignored)).(*json.SyntaxError)
	if !ok {
		return 1
	}
	return syntax.Offset
}()

// syntaxError says where data is no JSON. The error that decoding it gave cannot tell: it may come of an UnmarshalJSON.
func syntaxError(data []byte) (Error, bool) {
	err := json.Unmarshal(data, new(ignored))
	if err == nil {
		return Error{}, false
	}
	e := Error{Reason: "is not JSON", Err: err}
	syntax, ok := err.(*json.SyntaxError)
	switch {
	case len(bytes.TrimLeft(data, " \t\r\n")) == 0:
		e.Reason = "is empty: JSON is expected"
	case strings.Contains(err.Error(), "unexpected end"),
		ok && strings.HasPrefix(err.Error(), "invalid character ' '") && data[len(data)-1] != ' ' && syntax.Offset == int64(len(data)):
		// In the second case, "nul" or "1.", encoding/json took the end for the blank that it tried.
		e.Reason += ": unexpected end at byte " + strconv.Itoa(len(data))
	case ok && syntax.Offset >= syntaxBase && syntax.Offset-syntaxBase < int64(len(data)):
		at := int(syntax.Offset - syntaxBase)
		e.Reason += ": unexpected " + quoteAt(data, at) + " at byte " + strconv.Itoa(at)
	}
	return e, true
}

// spot is one value in a JSON text.
type spot struct {
	start, end int
	keyAt      int // of the member that it is the value of; -1 for an element or the whole
	path       []step
	drop       bool // it is the member's name that is wrong
}

func newSpot(path []step, start, end int) spot {
	at := spot{start: start, end: end, keyAt: -1, path: path}
	if n := len(path); n > 0 && path[n-1].key != nil {
		at.keyAt = path[n-1].keyAt
	}
	return at
}

// outer returns the array or object that the value lies in.
func (at spot) outer(data []byte) spot {
	path := at.path[:len(at.path)-1]
	w := walker{data: data, visit: func(int, int) bool { return true }}
	start := w.space(0)
	if n := len(path); n > 0 {
		start = path[n-1].at
	}
	return newSpot(path, start, w.value(start))
}

// before returns where data is to be cut to leave out the value, or its member, and all behind it.
func (at spot) before(data []byte) int {
	end := at.start
	if at.keyAt >= 0 {
		end = at.keyAt
	}
	data = bytes.TrimRight(data[:end], " \t\r\n")
	return len(bytes.TrimSuffix(data, []byte(",")))
}

// explain says what err means and, when that can be found, where it happened.
func (r *report) explain(data []byte, err error) (Error, spot, bool) {
	e := Error{Reason: methodReason(err), Err: err}
	at, found := r.locate(data, err)
	e.Field = place(at.path)
	mismatch, isMismatch := errors.AsType[*json.UnmarshalTypeError](err)
	_, isUnknown := unknownName(err)
	switch {
	case isUnknown:
		e.Reason = reasonUnknown
	case isMismatch && !found:
		e.Field, e.Reason = mismatch.Field, typeReason(mismatch)
	case isMismatch && (at.drop || sameKind(mismatch, data[at.start])):
		e.Reason = typeReason(mismatch)
	case isBase64(err):
		e.Reason = reasonBase64
	case strings.HasPrefix(err.Error(), "Time.UnmarshalJSON: "): // of what is no string at all
		e.Reason = reasonTime
	}
	if at.drop && isMismatch {
		e.Reason = "has a name that " + e.Reason
	}
	return e, at, found
}

// locate finds the value that err is about. The first error in the order of decoding is the one that is told, so every
// text that is cut behind it tells it too. By its words we know it: a cut may bring errors of its own.
func (r *report) locate(data []byte, err error) (spot, bool) {
	small := len(data) <= searchLimit
	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		at, ok := find(data, mismatch)
		if ok && (!small || r.tells(cut(data, at.end, ""), err)) {
			return at, true
		}
	}
	cuts, filler := r.cuts(data, err)
	if len(cuts) > 1 && !small {
		return spot{}, false
	}
	n, spent := 0, false
	if len(cuts) > 1 {
		n = sort.Search(len(cuts), func(i int) bool {
			spent = spent || r.budget < cuts[i]
			return spent || r.tells(cut(data, cuts[i], filler), err)
		})
	}
	if n == len(cuts) || spent {
		return spot{}, false
	}
	at, found := spotOf(data, func(_ *walker, start, end int) bool {
		return filler == "" && end == cuts[n] || filler != "" && start == cuts[n]
	})
	if at.drop = filler != ""; at.drop || !small {
		return at, found
	}
	// What a cut made incomplete may be wrong in the same way as the whole, so that the cut was too early: without the
	// value that is to blame the error is gone.
	for len(at.path) > 0 && r.budget > at.start && r.tells(cut(data, at.before(data), ""), err) {
		at = at.outer(data)
	}
	return at, found
}

// tells says whether decoding data ends in the same error.
func (r *report) tells(data []byte, err error) bool {
	got := r.decode(data)
	return got != nil && got.Error() == err.Error()
}

// cuts returns, in the order of decoding, where data can be cut to look for err, and what to put there: behind each value,
// nothing; or, when it is a name that is unknown, behind each such name, a value for it. In a large text two are enough,
// for there is no search.
func (r *report) cuts(data []byte, err error) (cuts []int, filler string) {
	name, unknown := unknownName(err)
	w := walker{data: data}
	w.visit = func(start, end int) bool {
		switch {
		case !unknown:
			cuts = append(cuts, end)
		case w.named(name):
			cuts = append(cuts, start)
		}
		return len(data) <= searchLimit || len(cuts) < 2
	}
	w.value(0)
	if unknown {
		slices.Sort(cuts) // the walker visits a value behind those within it
		filler = "null"
	}
	return cuts, filler
}

// find finds the value of a type error by its offset: behind a string, number or bool, behind the bracket that opens an
// array or object, behind the quote that opens a name. An offset that does not fit came from a text within the text, as
// an UnmarshalJSON reads it.
func find(data []byte, e *json.UnmarshalTypeError) (spot, bool) {
	offset, drop := int(e.Offset), false
	at, found := spotOf(data, func(w *walker, start, end int) bool {
		if n := len(w.path); n > 0 && w.path[n-1].key != nil && w.path[n-1].keyAt+1 == offset {
			drop = true
			return true
		}
		fits := end == offset
		switch c := data[start]; {
		case c == '{', c == '[':
			fits = start+1 == offset
		case c == '-', '0' <= c && c <= '9':
			fits = fits || end+1 == offset // one too far for a number that fits no float64
		}
		return fits && sameKind(e, data[start]) && w.passes(e.Field)
	})
	at.drop = drop
	return at, found
}

// spotOf returns the first value that match accepts.
func spotOf(data []byte, match func(w *walker, start, end int) bool) (at spot, found bool) {
	w := walker{data: data}
	w.visit = func(start, end int) bool {
		if !match(&w, start, end) {
			return true
		}
		at, found = newSpot(slices.Clone(w.path), start, end), true
		return false
	}
	w.value(0)
	return at, found
}

// named says whether the value is a member of that name.
func (w *walker) named(name string) bool {
	n := len(w.path)
	return n > 0 && w.path[n-1].key != nil && keyText(w.path[n-1].key) == name
}

// passes says whether the path holds the last name of a dotted list of field names, as encoding/json reports it.
func (w *walker) passes(fields string) bool {
	last := fields[strings.LastIndexByte(fields, '.')+1:]
	return last == "" || slices.ContainsFunc(w.path, func(s step) bool {
		return s.key != nil && strings.EqualFold(keyText(s.key), last)
	})
}

// cut returns data up to end and filler, with what is open there closed.
func cut(data []byte, end int, filler string) []byte {
	var open []byte
	for i := 0; i < end; i++ {
		switch data[i] {
		case '"':
			i = stringEnd(data, i) - 1
		case '{':
			open = append(open, '}')
		case '[':
			open = append(open, ']')
		case '}', ']':
			open = open[:len(open)-1]
		}
	}
	slices.Reverse(open)
	return slices.Concat(data[:end], []byte(filler), open)
}

// without returns a copy of data without the value's member. An element of an array gives way to null, which fits
// everything, lest the others get new places.
func (at spot) without(data []byte) []byte {
	if at.keyAt < 0 {
		return slices.Concat(data[:at.start], []byte("null"), data[at.end:])
	}
	before, behind := data[:at.before(data)], bytes.TrimLeft(data[at.end:], " \t\r\n")
	if behind[0] == ',' && before[len(before)-1] == '{' {
		behind = behind[1:]
	}
	return slices.Concat(before, behind)
}

// unknownName returns the name of an unknown field; encoding/json has no type for that error.
func unknownName(err error) (string, bool) {
	quoted, ok := strings.CutPrefix(err.Error(), "json: unknown field ")
	if !ok {
		return "", false
	}
	name, uerr := strconv.Unquote(quoted)
	return name, uerr == nil
}
