package bind

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/valyala/bytebufferpool"
)

// JSONOptions says what JSON refuses beyond what is no JSON. The zero value is the default.
type JSONOptions struct {
	RefuseUnknown    bool // members of an object that its struct has no field for; else they are skipped
	RefuseDuplicates bool // a name twice in one object, byte for byte; else the last one counts. Costs a second pass.
	MaxDepth         int  // arrays and objects within one another; 0 means 1,000, encoding/json has none above 10,000
}

const defaultDepth = 1000

func (o JSONOptions) depth() int {
	if o.MaxDepth <= 0 {
		return defaultDepth
	}
	return o.MaxDepth
}

// JSON reads data, which is one JSON value and nothing but white space around it, into what dst points to, by the rules
// of encoding/json. It keeps nothing of data.
//
// The error is an Errors. Each names its field by the path in the JSON text, as in items[2].price, or by ["..."] for a
// name of other bytes than letters, digits, "_" and "-"; Field is empty for the value as a whole and for what is no JSON,
// where Reason has the byte, from 0. A text with several wrong fields has them all named (up to 20), as far as a bound of
// work for that allows: of a text above 16 KiB perhaps fewer, above 256 KiB the first, and an unknown field or a value
// that an UnmarshalJSON refused there perhaps without its place. To find them, JSON decodes the text again without the wrong
// values, so a type's UnmarshalJSON may run more than once. What is in dst after an error is not to be used.
//
// JSON panics when dst is not a pointer, or nil.
func JSON(dst any, data []byte, o JSONOptions) error {
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		panic(fmt.Sprintf("bind: JSON: the destination is a %T: pass a pointer that is not nil", dst))
	}
	if at := tooDeep(data, o.depth()); at >= 0 {
		return Errors{{Reason: fmt.Sprintf("is nested more than %d levels deep at byte %d", o.depth(), at)}}
	}
	if err := decode(dst, data, o.RefuseUnknown); err != nil {
		r := report{typ: v.Type().Elem(), refuseUnknown: o.RefuseUnknown, budget: reportBudget}
		return r.errors(data, err)
	}
	if o.RefuseDuplicates {
		if errs := duplicates(data); len(errs) > 0 {
			return errs
		}
	}
	return nil
}

// ReadJSON is JSON for what r reads, up to its end. All of it is held in memory: r has to be bounded. An error of r is
// returned as it is.
func ReadJSON(dst any, r io.Reader, o JSONOptions) error {
	b := bytebufferpool.Get()
	defer bytebufferpool.Put(b)
	if _, err := b.ReadFrom(r); err != nil {
		return err
	}
	return JSON(dst, b.B, o)
}

// decode is json.Unmarshal, with the refusal of unknown fields that only a json.Decoder has.
func decode(dst any, data []byte, refuseUnknown bool) error {
	if !refuseUnknown {
		return json.Unmarshal(data, dst)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(dst); err != nil {
		return err
	}
	for i := int(d.InputOffset()); i < len(data); i++ {
		if !isSpace(data[i]) {
			return errTrailing
		}
	}
	return nil
}

// errTrailing is for report, which finds out where.
var errTrailing = errors.New("bind: bytes behind the JSON value")

// tooDeep returns where data opens more arrays and objects than depth, -1 when it does not. It runs ahead of the syntax
// check, on any bytes.
func tooDeep(data []byte, depth int) int {
	open, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			quoted = !quoted
		case quoted:
			if c == '\\' {
				i++
			}
		case c == '{', c == '[':
			if open++; open > depth {
				return i
			}
		case c == '}', c == ']':
			open--
		}
	}
	return -1
}

// duplicates returns the members of data that have the name of an earlier one in the same object. data is valid JSON.
func duplicates(data []byte) Errors {
	var (
		errs  Errors
		names []map[string]struct{} // by depth, of the objects around the value
	)
	w := walker{data: data}
	w.visit = func(start, end int) bool {
		depth := len(w.path)
		for len(names) <= depth+1 {
			names = append(names, nil)
		}
		names[depth+1] = nil // what lies within this value is complete
		if depth == 0 || w.path[depth-1].key == nil {
			return true
		}
		name := keyText(w.path[depth-1].key)
		if _, ok := names[depth][name]; ok {
			errs = append(errs, Error{Field: place(w.path), Reason: reasonTwice})
			return len(errs) < maxErrors
		}
		if names[depth] == nil {
			names[depth] = map[string]struct{}{}
		}
		names[depth][name] = struct{}{}
		return true
	}
	w.value(0)
	return errs
}
