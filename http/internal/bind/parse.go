package bind

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Parse reads s as a T: a string, bool, integer, float, time.Duration ("1m30s") or time.Time (RFC 3339), a type whose
// pointer is an encoding.TextUnmarshaler, or a type defined as one of those; a type defined as time.Duration is read as
// the integer that it is. An error is an *Error without Field.
//
// All of s must be the value: no blanks around it, no "+" before it, decimal digits only, nothing that does not fit,
// neither NaN nor infinity. A bool is true, false, 1 or 0. An empty s is a string, and what an UnmarshalText makes of it.
//
// Parse panics when T is none of these types.
func Parse[T any](s string) (T, error) {
	var (
		v   T
		err *Error
	)
	switch p := any(&v).(type) { // the common ones, without reflection and so without an allocation
	case *string:
		*p = s
	case *int:
		err = parseSigned(p, s)
	case *int64:
		err = parseSigned(p, s)
	case *uint:
		err = parseUnsigned(p, s)
	case *uint64:
		err = parseUnsigned(p, s)
	case *bool:
		*p, err = parseBool(s)
	case *float64:
		*p, err = parseFloat(s, 64)
	default:
		return parseAny[T](s)
	}
	if err != nil {
		var zero T
		return zero, err
	}
	return v, nil
}

func parseAny[T any](s string) (T, error) {
	var v T
	t := reflect.TypeFor[T]()
	set := setterOf(t)
	if set == nil {
		panic(fmt.Sprintf("bind: Parse: a %v cannot be read from text: %s", t, supported))
	}
	if err := set(reflect.ValueOf(&v).Elem(), s); err != nil {
		var zero T
		return zero, err
	}
	return v, nil
}

// supported ends the text of a panic.
const supported = "use a string, bool, integer, float, time.Duration or time.Time, or give the type an UnmarshalText method"

// setter reads s into v, which is addressable.
type setter func(v reflect.Value, s string) *Error

var (
	setters      sync.Map // reflect.Type to setter
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
	timeType     = reflect.TypeFor[time.Time]()
	durationType = reflect.TypeFor[time.Duration]()
)

// setterOf returns what reads a t, nil when nothing does.
func setterOf(t reflect.Type) setter {
	if set, ok := setters.Load(t); ok {
		return set.(setter)
	}
	set := makeSetter(t)
	setters.Store(t, set)
	return set
}

func makeSetter(t reflect.Type) setter {
	switch {
	case t == durationType:
		return setDuration
	case t == timeType:
		return setTime
	case reflect.PointerTo(t).Implements(textType) && t.Kind() != reflect.Interface && t.Kind() != reflect.Pointer:
		return setText
	case t.Kind() == reflect.Struct && t.ConvertibleTo(timeType):
		return setTime
	}
	switch t.Kind() {
	case reflect.String:
		return func(v reflect.Value, s string) *Error { v.SetString(s); return nil }
	case reflect.Bool:
		return setBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return setInt
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return setUint
	case reflect.Float32, reflect.Float64:
		return setFloat
	}
	return nil
}

func setBool(v reflect.Value, s string) *Error {
	b, err := parseBool(s)
	v.SetBool(b)
	return err
}

func setInt(v reflect.Value, s string) *Error {
	n, err := parseInt(s, v.Type().Bits())
	v.SetInt(n)
	return err
}

func setUint(v reflect.Value, s string) *Error {
	n, err := parseUint(s, v.Type().Bits())
	v.SetUint(n)
	return err
}

func setFloat(v reflect.Value, s string) *Error {
	f, err := parseFloat(s, v.Type().Bits())
	v.SetFloat(f)
	return err
}

func setDuration(v reflect.Value, s string) *Error {
	d, err := time.ParseDuration(s)
	if err != nil || s[0] == '+' {
		return &Error{Reason: reasonDuration, Err: err}
	}
	v.SetInt(int64(d))
	return nil
}

func setTime(v reflect.Value, s string) *Error {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || !strictTime(s) {
		return &Error{Reason: reasonTime, Err: err}
	}
	v.Set(reflect.ValueOf(t).Convert(v.Type()))
	return nil
}

// strictTime says whether s, which time.Parse took, is of RFC 3339 section 5.6 also where time.Parse is more generous: an
// hour of one digit, a comma before the fraction, a zone of more than a day (go.dev/issue/54580).
func strictTime(s string) bool {
	if s[len("2006-01-02T15")] != ':' || strings.Contains(s, ",") {
		return false
	}
	zone := s[len(s)-len("07:00"):]
	return strings.HasSuffix(s, "Z") || zone[:2] < "24" && zone[3:] < "60"
}

func setText(v reflect.Value, s string) *Error {
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
		return &Error{Reason: methodReason(err), Err: err}
	}
	return nil
}

func parseSigned[T int | int64](p *T, s string) *Error {
	n, err := parseInt(s, reflect.TypeFor[T]().Bits())
	*p = T(n)
	return err
}

func parseUnsigned[T uint | uint64](p *T, s string) *Error {
	n, err := parseUint(s, reflect.TypeFor[T]().Bits())
	*p = T(n)
	return err
}

func parseBool(s string) (bool, *Error) {
	switch s {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, &Error{Reason: reasonBool}
}

func parseInt(s string, bits int) (int64, *Error) {
	n, err := strconv.ParseInt(s, 10, bits)
	switch {
	case err == nil && s[0] != '+':
		return n, nil
	case errors.Is(err, strconv.ErrRange) && s[0] != '+':
		return 0, &Error{Reason: intRange(bits)}
	}
	return 0, &Error{Reason: reasonWhole}
}

func parseUint(s string, bits int) (uint64, *Error) {
	n, err := strconv.ParseUint(s, 10, bits)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, strconv.ErrRange) || isWhole(s):
		return 0, &Error{Reason: uintRange(bits)}
	}
	return 0, &Error{Reason: reasonWhole}
}

func parseFloat(s string, bits int) (float64, *Error) {
	if s == "" || s[0] == '+' || !isDecimal(s) {
		return 0, &Error{Reason: reasonNumber}
	}
	f, err := strconv.ParseFloat(s, bits)
	switch {
	case err == nil:
		return f, nil
	case errors.Is(err, strconv.ErrRange):
		return 0, &Error{Reason: reasonRange}
	}
	return 0, &Error{Reason: reasonNumber}
}

// isDecimal says whether s is of the bytes of a decimal number: what else strconv reads as a float (hexadecimal, "_",
// "Inf", "NaN") is none.
func isDecimal(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9', c == '.', c == '-', c == '+', c == 'e', c == 'E':
		default:
			return false
		}
	}
	return true
}

// isWhole says whether s is digits, perhaps behind a "-": a whole number, if perhaps one that does not fit.
func isWhole(s string) bool {
	if s != "" && s[0] == '-' {
		s = s[1:]
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func intRange(bits int) string {
	most := int64(math.MaxInt64) >> (64 - bits)
	return reasonWhole + " from " + strconv.FormatInt(-most-1, 10) + " to " + strconv.FormatInt(most, 10)
}

func uintRange(bits int) string {
	return reasonWhole + " from 0 to " + strconv.FormatUint(math.MaxUint64>>(64-bits), 10)
}
