package bind

import (
	"errors"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestQuery(t *testing.T) {
	for raw, want := range map[string]url.Values{
		"":                      {},
		"&&":                    {},
		"a":                     {"a": {""}},
		"=":                     {"": {""}},
		"=v":                    {"": {"v"}},
		"a=1&b=2&a=3":           {"a": {"1", "3"}, "b": {"2"}},
		"a=1&&a=2&":             {"a": {"1", "2"}},
		"a==b=c":                {"a": {"=b=c"}},
		"a+b=c+d":               {"a b": {"c d"}},
		"%61%2B=%3b%26%3D%00":   {"a+": {";&=\x00"}},
		"%C3%a9=%ff":            {"é": {"\xff"}},
		"a=%2525":               {"a": {"%25"}}, // decoded once
		"a=1&b=2&c=3&a=4&a=5":   {"a": {"1", "4", "5"}, "b": {"2"}, "c": {"3"}},
		"a?b=c/d#e":             {"a?b": {"c/d#e"}},
		"a%3D1=%2":              nil,
		"a[]=1&a[]=2&a.b[0].c=": {"a[]": {"1", "2"}, "a.b[0].c": {""}},
	} {
		got, err := Query(raw, QueryLimits{})
		if (err != nil) != (want == nil) || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, %v; want %v", raw, got, err, want)
		}
		again, againErr := Query([]byte(raw), QueryLimits{})
		if !reflect.DeepEqual(got, again) || (err == nil) != (againErr == nil) {
			t.Errorf("%q: as bytes %v, %v", raw, again, againErr)
		}
	}
}

func TestQueryRefuses(t *testing.T) {
	for raw, want := range map[string]string{
		"a=1;b=2":  "';' at byte 3 separates nothing: write it as %3B",
		";":        "';' at byte 0 separates nothing: write it as %3B",
		"a=1&b=%":  "bad percent-encoding at byte 6",
		"%":        "bad percent-encoding at byte 0",
		"a%2":      "bad percent-encoding at byte 1",
		"a=%2&b=1": "bad percent-encoding at byte 2",
		"a=%zz":    "bad percent-encoding at byte 2",
		"a=%2g":    "bad percent-encoding at byte 2",
		"a=%%41":   "bad percent-encoding at byte 2",
	} {
		values, err := Query(raw, QueryLimits{})
		_, _, firstErr := First(raw, "none")
		for _, err := range []error{err, firstErr} {
			if e, ok := err.(*Error); !ok || e.Error() != want || values != nil {
				t.Errorf("%q: %v, %v; want %q", raw, values, err, want)
			}
		}
	}
}

func TestQueryLimits(t *testing.T) {
	for _, tc := range []struct {
		pairs int
		limit int
		ok    bool
	}{{1000, 0, true}, {1001, 0, false}, {3, 3, true}, {4, 3, false}, {2000, 2000, true}} {
		raw := strings.Repeat("&&a=1", tc.pairs)
		values, err := Query(raw, QueryLimits{MaxPairs: tc.limit})
		if tc.ok && (err != nil || len(values["a"]) != tc.pairs) || !tc.ok && err == nil {
			t.Errorf("%+v: %d values, %v", tc, len(values["a"]), err)
		}
	}
	_, err := Query("a&b&c", QueryLimits{MaxPairs: 2})
	if err == nil || err.Error() != "has more than 2 names and values" {
		t.Error(err)
	}
}

// A value that grows must not write into its neighbour's list.
func TestQueryListsAreApart(t *testing.T) {
	values, err := Query("a=1&b=2", QueryLimits{})
	if values["a"] = append(values["a"], "3"); err != nil || values.Get("b") != "2" {
		t.Errorf("%v %v", values, err)
	}
}

func TestFirst(t *testing.T) {
	for _, tc := range []struct {
		raw, name, want string
		ok              bool
	}{
		{"", "a", "", false},
		{"a", "a", "", true},
		{"a=", "a", "", true},
		{"b=1&a=2&a=3", "a", "2", true},
		{"ab=1&a=2", "a", "2", true},
		{"a=1", "ab", "", false},
		{"a=1", "", "", false},
		{"&=1", "", "1", true},
		{"&&", "", "", false},
		{"%61+%2b=x+%26", "a +", "x &", true},
		{"a%00=1&a=2", "a", "2", true},
		{"a=1&b=%zz;", "a", "1", true}, // what comes behind is not read
	} {
		for kind, first := range map[string]func() (string, bool, error){
			"string": func() (string, bool, error) { return First(tc.raw, tc.name) },
			"bytes":  func() (string, bool, error) { return First([]byte(tc.raw), tc.name) },
		} {
			if got, ok, err := first(); got != tc.want || ok != tc.ok || err != nil {
				t.Errorf("%s %q in %q: %q %v %v", kind, tc.name, tc.raw, got, ok, err)
			}
		}
	}
}

// The value must outlive the buffer that the bytes lie in.
func TestFirstCopies(t *testing.T) {
	raw := []byte("a=value")
	value, _, _ := First(raw, "a")
	clear(raw)
	if value != "value" {
		t.Errorf("%q", value)
	}
}

const benchQuery = "q=carillon+bells&page=12&limit=50&sort=-created&within=1m30s"

func TestFirstAllocates(t *testing.T) {
	raw := []byte(benchQuery)
	for _, tc := range []struct {
		name   string
		allocs float64
		f      func()
	}{
		{"not found", 0, func() { _, _, _ = First(raw, "none") }},
		{"in bytes", 1, func() { _, _, _ = First(raw, "within") }},
		{"in a string", 0, func() { _, _, _ = First(benchQuery, "within") }},
		{"decoded", 1, func() { _, _, _ = First(benchQuery, "q") }},
	} {
		if n := testing.AllocsPerRun(100, tc.f); n > tc.allocs {
			t.Errorf("%s: %v allocations, want %v", tc.name, n, tc.allocs)
		}
	}
}

func BenchmarkFirst(b *testing.B) {
	raw := []byte(benchQuery)
	b.Run("bytes", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok, _ := First(raw, "within"); !ok {
				b.Fatal("not found")
			}
		}
	})
	b.Run("string", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok, _ := First(benchQuery, "within"); !ok {
				b.Fatal("not found")
			}
		}
	})
}

func BenchmarkQuery(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Query(benchQuery, QueryLimits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func seedQueries(f *testing.F) {
	for _, raw := range []string{
		"", "a=1&b=2&a=3", "&&=&a==b", "%61+%2b=x+%26", "a;b", "a=%2", "%C3%a9=%ff", benchQuery,
	} {
		f.Add(raw, "a")
	}
}

// FuzzQuery: Query and url.ParseQuery take the same texts, and understand the same by them.
func FuzzQuery(f *testing.F) {
	seedQueries(f)
	f.Fuzz(func(t *testing.T, raw, _ string) {
		ours, err := Query(raw, QueryLimits{})
		theirs, theirErr := url.ParseQuery(raw)
		if strings.Count(raw, "&") >= defaultPairs {
			return // each has its own limit
		}
		if (err == nil) != (theirErr == nil) || err == nil && !reflect.DeepEqual(ours, theirs) {
			t.Fatalf("%q: ours %v %v, theirs %v %v", raw, ours, err, theirs, theirErr)
		}
		limited, err := Query(raw, QueryLimits{MaxPairs: 2})
		n := 0
		for _, list := range limited {
			n += len(list)
		}
		if n > 2 || err == nil && !reflect.DeepEqual(limited, theirs) {
			t.Fatalf("%q: limited %v %v", raw, limited, err)
		}
	})
}

// FuzzFirst: First finds what Query has for every name, and where it errs Query errs alike.
func FuzzFirst(f *testing.F) {
	seedQueries(f)
	f.Fuzz(func(t *testing.T, raw, name string) {
		values, err := Query(raw, QueryLimits{MaxPairs: len(raw) + 1})
		for _, name := range append(slices.Collect(maps.Keys(values)), name) {
			value, ok, firstErr := First(raw, name)
			inBytes, okBytes, bytesErr := First([]byte(raw), name)
			if value != inBytes || ok != okBytes || (firstErr == nil) != (bytesErr == nil) {
				t.Fatalf("%q in %q: %q %v %v, as bytes %q %v %v", name, raw, value, ok, firstErr, inBytes, okBytes, bytesErr)
			}
			e, _ := errors.AsType[*Error](err)
			firstE, _ := errors.AsType[*Error](firstErr)
			switch {
			case firstErr != nil && (err == nil || e.Reason != firstE.Reason):
				t.Fatalf("%q in %q: %v, Query says %v", name, raw, firstErr, err)
			case err == nil && (ok != values.Has(name) || value != values.Get(name)):
				t.Fatalf("%q in %q: %q %v, Query has %v", name, raw, value, ok, values)
			case err != nil && firstErr == nil && !ok:
				t.Fatalf("%q in %q: read to the end without the error %v", name, raw, err)
			}
		}
	})
}
