package bind

import (
	"errors"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// Types that are defined as others, or read themselves.
type (
	named    string
	flag     bool
	small    int8
	port     uint16
	ratio    float32
	moment   time.Time
	level    int
	refuser  struct{}
	careless struct{}
)

func (l *level) UnmarshalText(b []byte) error {
	if string(b) != "high" {
		return &Error{Reason: "must be high"}
	}
	*l = 3
	return nil
}

var errInternal = errors.New("pq: no such table main.secret")

func (*refuser) UnmarshalText([]byte) error  { return errInternal }
func (*careless) UnmarshalText([]byte) error { return &Error{Err: errInternal} }

func parses[T comparable](t *testing.T, s string, want T) {
	t.Helper()
	if got, err := Parse[T](s); err != nil || got != want {
		t.Errorf("Parse[%T](%q) = %v, %v; want %v", want, s, got, err, want)
	}
}

// refuses wants the reason for each of the texts.
func refuses[T comparable](t *testing.T, reason string, texts ...string) {
	t.Helper()
	for _, s := range texts {
		got, err := Parse[T](s)
		e, ok := errors.AsType[*Error](err)
		var zero T
		if !ok || e.Reason != reason || e.Field != "" || got != zero {
			t.Errorf("Parse[%T](%q) = %v, %v; want no value and %q", got, s, got, err, reason)
		}
	}
}

func TestParse(t *testing.T) {
	parses(t, "", "")
	parses(t, " a\x00", " a\x00")
	parses(t, "x", named("x"))
	parses(t, "true", true)
	parses(t, "0", false)
	parses(t, "1", flag(true))
	parses(t, "-0012", -12)
	parses(t, "-9223372036854775808", int64(math.MinInt64))
	parses(t, "-128", int8(-128))
	parses(t, "-32768", int16(math.MinInt16))
	parses(t, "2147483647", int32(math.MaxInt32))
	parses(t, "127", small(127))
	parses(t, "7", uint(7))
	parses(t, "255", uint8(255))
	parses(t, "65535", port(65535))
	parses(t, "4294967295", uint32(math.MaxUint32))
	parses(t, "18446744073709551615", uint64(math.MaxUint64))
	parses(t, "9", uintptr(9))
	parses(t, "-1.5e+3", -1500.0)
	parses(t, ".5", float32(.5))
	parses(t, "1e-999", 0.0)
	parses(t, "0.25", ratio(.25))
	parses(t, "-1h0.5s", -time.Hour-time.Second/2)
	parses(t, "0", time.Duration(0))
	parses(t, "2026-01-31T12:00:00Z", time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC))
	parses(t, "2026-01-31T23:59:59.5Z", time.Date(2026, 1, 31, 23, 59, 59, 5e8, time.UTC))
	parses(t, "2026-01-31T12:00:00Z", moment(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)))
	parses(t, "high", level(3))
	parses(t, "::1", netip.MustParseAddr("::1"))
}

func TestParseRefuses(t *testing.T) {
	refuses[bool](t, "must be true or false", "", "TRUE", "True", "t", "yes", "on", "2", " true", "true ")
	refuses[flag](t, "must be true or false", "01")
	const whole = "must be a whole number"
	refuses[int](t, whole, "", "-", "+1", " 1", "1 ", "1.0", "1e3", "0x10", "1_000", "１", "--1", "1\x00")
	refuses[uint](t, whole, "", "-", "+1", "1.5", "-1.5")
	refuses[small](t, whole, "+1", "a")
	refuses[int](t, whole, "+9223372036854775808")
	refuses[small](t, "must be a whole number from -128 to 127", "128", "-129", "99999999999999999999")
	refuses[port](t, "must be a whole number from 0 to 65535", "65536", "-1", "99999999999999999999")
	refuses[int64](t, "must be a whole number from -9223372036854775808 to 9223372036854775807", "9223372036854775808")
	refuses[uint64](t, "must be a whole number from 0 to 18446744073709551615", "18446744073709551616", "-5")
	const number = "must be a number"
	refuses[float64](t, number, "", "+1", " 1", "1,5", "NaN", "nan", "Inf", "-Inf", "infinity", "0x1p-2", "1_0", "1e", "--1",
		"1.2.3", "-", "e")
	refuses[ratio](t, number, "NaN", "+Inf")
	refuses[float64](t, "is out of range", "1e309", "-1e999")
	refuses[float32](t, "is out of range", "1e39")
	refuses[time.Duration](t, "must be a duration such as 1m30s", "", "1", "1 s", "+1s", "1d", "9999999h")
	refuses[time.Time](t, "must be a time such as 2006-01-02T15:04:05Z", "", "2026-01-31", "2026-01-31 12:00:00Z",
		"2026-02-30T12:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T1:00:00Z",
		"2026-01-31T12:00:00,5Z", "2026-01-31T12:00:00+24:00", "2026-01-31T12:00:00-01:60", "2026-01-31T12:00:00")
	refuses[moment](t, "must be a time such as 2006-01-02T15:04:05Z", "now")
	refuses[level](t, "must be high", "low", "3")
	refuses[netip.Addr](t, "is not valid", "1.2.3")
	refuses[refuser](t, "is not valid", "")
	refuses[careless](t, "is not valid", "")
}

// The log gets the cause that the client does not.
func TestParseKeepsTheCause(t *testing.T) {
	_, err := Parse[refuser]("x")
	if !errors.Is(err, errInternal) || strings.Contains(err.Error(), "pq") {
		t.Errorf("err = %v, wrapping %v", err, errors.Unwrap(err))
	}
}

func TestParseUnsupportedPanics(t *testing.T) {
	panics(t, "bind: Parse: a chan int cannot be read from text: use a string", func() { _, _ = Parse[chan int]("x") })
	panics(t, "a *int cannot", func() { _, _ = Parse[*int]("1") })
	panics(t, "a []string cannot", func() { _, _ = Parse[[]string]("1") })
	panics(t, "a struct {} cannot", func() { _, _ = Parse[struct{}]("1") })
	panics(t, "a interface {} cannot", func() { _, _ = Parse[any]("1") })
	panics(t, "a complex128 cannot", func() { _, _ = Parse[complex128]("1") })
}

// panics wants f to panic with a text that holds want.
func panics(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if text, _ := recover().(string); !strings.Contains(text, want) {
			t.Errorf("panic %q, want %q", text, want)
		}
	}()
	f()
}

func TestParseAllocates(t *testing.T) {
	for name, f := range map[string]func(){
		"int":    func() { _, _ = Parse[int]("12") },
		"uint64": func() { _, _ = Parse[uint64]("12") },
		"bool":   func() { _, _ = Parse[bool]("true") },
		"string": func() { _, _ = Parse[string]("true") },
		"float":  func() { _, _ = Parse[float64]("1.5") },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestErrorTexts(t *testing.T) {
	errs := Errors{{Field: "page", Reason: "must be a whole number"}, {Reason: "is empty", Err: errInternal}}
	if got := errs.Error(); got != "page: must be a whole number; is empty" {
		t.Error(got)
	}
	if e, ok := errors.AsType[*Error](errs); !ok || e.Field != "page" {
		t.Errorf("AsType = %v, %v", e, ok)
	}
	if !errors.Is(errs, errInternal) {
		t.Error("the cause of the second is not found")
	}
}
