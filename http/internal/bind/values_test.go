package bind

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

type paging struct {
	Page  int `query:"page,default=1"`
	Limit int `query:"limit,default=20"`
}

// Owner is exported, for its pointer is embedded.
type Owner struct {
	Name string `query:"owner,required"`
	Team string `query:"team,default=all"`
}

type prices struct {
	Min float64 `query:"min"`
	Max float64 `query:"max,required"`
	Tax struct {
		Rate ratio `query:"rate"`
	} `query:"tax"`
}

type search struct {
	Text    string        `query:"q,required"`
	Tags    []string      `query:"tag"`
	IDs     []small       `query:"id,omitempty"`
	Limit   *uint8        `query:"max,omitempty"`
	Within  time.Duration `query:"within"`
	Since   *time.Time    `query:"since"`
	From    net.IP        `query:"from"`
	Level   level         `query:"level"`
	Levels  []level       `query:"levels,default=high"`
	On      bool          `query:"on"`
	Price   prices        `query:"price"`
	Other   *prices       `query:"other"`
	Skipped string        `query:"-"`
	NoTag   string
	Form    chan int `form:"form"`    // another tag's
	hidden  chan int `query:"hidden"` //lint:ignore U1000 it is here to be left out
	paging
	*Owner
}

func bindQuery(t *testing.T, dst any, query string) error {
	t.Helper()
	values, err := Query(query, QueryLimits{})
	if err != nil {
		t.Fatal(err)
	}
	return Values(dst, "query", func(name string) []string { return values[name] })
}

func TestValues(t *testing.T) {
	since := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	five, empty := uint8(5), search{Levels: []level{3}, paging: paging{1, 20}}
	for query, change := range map[string]func(*search){
		"":                           func(*search) {},
		"q=b":                        func(s *search) { s.Text = "b" }, // the first of two counts
		"tag=a&tag=&tag=c":           func(s *search) { s.Tags = []string{"a", "", "c"} },
		"id=1&id=&id=-2":             func(s *search) { s.IDs = []small{1, -2} },
		"id=":                        func(*search) {},
		"max=5":                      func(s *search) { s.Limit = &five },
		"max=&max=5":                 func(*search) {},
		"within=2s":                  func(s *search) { s.Within = 2 * time.Second },
		"since=2026-01-31T12:00:00Z": func(s *search) { s.Since = &since },
		"from=192.0.2.1":             func(s *search) { s.From = net.ParseIP("192.0.2.1") },
		"level=high":                 func(s *search) { s.Level = 3 },
		"levels=high&levels=high":    func(s *search) { s.Levels = []level{3, 3} },
		"on=1":                       func(s *search) { s.On = true },
		"price.min=.5":               func(s *search) { s.Price.Min = .5 },
		"price.tax.rate=2":           func(s *search) { s.Price.Tax.Rate = 2 },
		"page=3":                     func(s *search) { s.Page = 3 },
		"other.max=4":                func(s *search) { s.Other = &prices{Max: 4} },
		"other.tax.rate=3&other.max=0": func(s *search) {
			s.Other = &prices{}
			s.Other.Tax.Rate = 3
		},
		"owner=me": func(s *search) { s.Owner = &Owner{"me", "all"} },
		"Skipped=x&NoTag=x&-=x&hidden=1&min=3&Owner.owner=x&form=x": func(*search) {},
	} {
		want := empty
		want.Text, want.Price.Max = "a", 9
		change(&want)
		query += "&q=a&price.max=9"
		var got search
		if err := bindQuery(t, &got, query); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v %v\nwant %+v", query, got, err, want)
		}
	}
}

func TestValuesRefuses(t *testing.T) {
	for query, want := range map[string]string{
		"":                          "q: is required; price.max: is required",
		"price.max=1&q=":            "", // an empty string is a string
		"q=a&price.max=":            "price.max: must be a number",
		"q=a&price.max=1&page=":     "page: must be a whole number",
		"q=a&price.max=1&max=256":   "max: must be a whole number from 0 to 255",
		"q=a&price.max=1&within=2":  "within: must be a duration such as 1m30s",
		"q=a&price.max=1&from=x":    "from: is not valid",
		"q=a&price.max=1&level=x":   "level: must be high",
		"q=a&price.max=1&team=x":    "owner: is required",
		"q=a&price.max=1&other.min": "other.min: must be a number; other.max: is required",
		"id=1&id=x&id=&id=300&on=yes&price.max=1&price.tax.rate=NaN&since=now": "q: is required; id[1]: must be a whole number; " +
			"id[2]: must be a whole number from -128 to 127; since: must be a time such as 2006-01-02T15:04:05Z; " +
			"on: must be true or false; price.tax.rate: must be a number",
	} {
		err := bindQuery(t, &search{}, query)
		if _, ok := err.(Errors); ok != (want != "") || ok && err.Error() != want {
			t.Errorf("%q:\n got %v\nwant %v", query, err, want)
		}
	}
}

func TestValuesBoundsErrors(t *testing.T) {
	var dst struct {
		IDs   []int `query:"id"`
		Other int   `query:"other,required"`
	}
	err := bindQuery(t, &dst, strings.Repeat("id=x&", 100))
	if errs, ok := err.(Errors); !ok || len(errs) != maxErrors {
		t.Errorf("%d errors, want %d: %v", len(errs), maxErrors, err)
	}
}

// What the caller sets before is the default of what is absent, and memory that it points to is not written.
func TestValuesKeepsWhatIsAbsent(t *testing.T) {
	shared := 1
	type dst struct {
		Page  int   `query:"page"`
		Tags  []int `query:"tag"`
		Limit *int  `query:"limit"`
	}
	d := dst{7, []int{1}, &shared}
	if err := bindQuery(t, &d, ""); err != nil || !reflect.DeepEqual(d, dst{7, []int{1}, &shared}) {
		t.Errorf("%+v %v", d, err)
	}
	if err := bindQuery(t, &d, "limit=2"); err != nil || *d.Limit != 2 || shared != 1 {
		t.Errorf("limit %d, shared %d, %v", *d.Limit, shared, err)
	}
}

func TestValuesByTag(t *testing.T) {
	type dst struct {
		ID    int    `path:"id" query:"q"`
		Token string `header:"X-Token"`
	}
	names := map[string][]string{}
	for _, tag := range []string{"path", "query", "header", "form", "path"} {
		_ = Values(&dst{}, tag, func(name string) []string { names[tag] = append(names[tag], name); return nil })
	}
	want := map[string][]string{"path": {"id", "id"}, "query": {"q"}, "header": {"X-Token"}}
	if !reflect.DeepEqual(names, want) {
		t.Errorf("asked for %v, want %v", names, want)
	}
}

type unexported struct {
	A int `query:"a"`
}

type endless struct {
	A    int      `query:"a"`
	Next *endless `query:"next"`
}

type textInt int

func (textInt) UnmarshalText([]byte) error { return nil }

func TestValuesProgrammersMistakes(t *testing.T) {
	type missing struct {
		A chan int `query:"a"`
	}
	var none *search
	for _, tc := range []struct {
		dst  any
		want string
	}{
		{nil, "bind: Values: the destination is a <nil>: pass a pointer to a struct"},
		{search{}, "the destination is a bind.search: pass a pointer"},
		{new(int), "the destination is a *int"},
		{none, "that is not nil"},
		{&missing{}, "bind: field A of bind.missing: a chan int cannot be read from text: use a string"},
		{&struct {
			A map[string]int `query:"a"`
		}{}, "a map[string]int cannot"},
		{&struct {
			A []byte `query:"a"`
		}{}, "a []uint8 cannot"},
		{&struct {
			A *[]int `query:"a"`
		}{}, "a *[]int cannot"},
		{&struct {
			A **int `query:"a"`
		}{}, "a **int cannot"},
		{&struct {
			A []*int `query:"a"`
		}{}, "a []*int cannot"},
		{&struct {
			A any `query:"a"`
		}{}, "a interface {} cannot"},
		{&struct {
			A struct{ B int } `query:"a"`
		}{}, "no field of struct { B int } has a query tag"},
		{&struct {
			textInt `query:"a"`
		}{}, "field textInt of struct { bind.textInt \"query:\\\"a\\\"\" }: what is embedded by an unexported type cannot be set"},
		{&struct {
			A int `query:",required"`
		}{}, "the tag has no name"},
		{&struct {
			A int `query:"a,require"`
		}{}, `unknown or repeated option "require"`},
		{&struct {
			A int `query:"a,required,required"`
		}{}, `unknown or repeated option "required"`},
		{&struct {
			A int `query:"a,default=1,default=2"`
		}{}, `unknown or repeated option "default=2"`},
		{&struct {
			A int `query:"a,default=1,5"`
		}{}, `unknown or repeated option "5"`},
		{&struct {
			A int `query:"a,required,"`
		}{}, `unknown or repeated option ""`},
		{&struct {
			A int8 `query:"a,default=200"`
		}{}, `the default "200" must be a whole number from -128 to 127`},
		{&struct {
			A []int `query:"a,default=x"`
		}{}, `the default "x" must be a whole number`},
		{&struct {
			A int `query:"a,required,default=1"`
		}{}, "no use for a default"},
		{&struct {
			A int    `query:"a"`
			B string `query:"a"`
		}{}, `a second field has the name "a"`},
		{&struct {
			A prices `query:"a,required"`
		}{}, `a struct takes no options ("required")`},
		{&struct{ *unexported }{}, "embedded by an unexported type cannot be set"},
		{&endless{}, "field Next of bind.endless: bind.endless holds itself"},
	} {
		t.Run(fmt.Sprintf("%T", tc.dst), func(t *testing.T) {
			for range 2 { // a plan that failed is not kept
				panics(t, tc.want, func() { _ = Values(tc.dst, "query", func(string) []string { return nil }) })
			}
		})
	}
}

// Embedded, an unexported struct lends its fields, and what is no struct or has no tags does not count.
func TestValuesEmbedded(t *testing.T) {
	type none struct{ B int }
	var dst struct {
		unexported
		textInt
		*none
		paging `query:"p"`
	}
	if err := bindQuery(t, &dst, "a=4&p.page=3"); err != nil || dst.A != 4 || dst.Page != 3 {
		t.Errorf("%+v %v", dst, err)
	}
}

func TestValuesConcurrently(t *testing.T) {
	type dst struct {
		A int `query:"a" form:"b" path:"c"`
	}
	var wg sync.WaitGroup
	for i := range 12 {
		tag := []string{"query", "form", "path"}[i%3]
		wg.Go(func() {
			var d dst
			err := Values(&d, tag, func(name string) []string {
				return map[string][]string{"a": {"1"}, "b": {"2"}, "c": {"3"}}[name]
			})
			if err != nil || d.A != i%3+1 {
				t.Errorf("%s: %+v %v", tag, d, err)
			}
		})
	}
	wg.Wait()
}

type five struct {
	Text   string        `query:"q,required"`
	Page   int           `query:"page,default=1"`
	Limit  uint8         `query:"limit"`
	On     bool          `query:"on"`
	Within time.Duration `query:"within"`
}

var fiveValues = url.Values{"q": {"carillon"}, "limit": {"50"}, "on": {"true"}, "within": {"1m30s"}}

func TestValuesAllocates(t *testing.T) {
	var dst five
	get := func(name string) []string { return fiveValues[name] }
	if n := testing.AllocsPerRun(100, func() { _ = Values(&dst, "query", get) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkValues(b *testing.B) {
	b.ReportAllocs()
	get := func(name string) []string { return fiveValues[name] }
	for b.Loop() {
		var dst five
		if err := Values(&dst, "query", get); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzValues: what Values takes is what Parse takes of each field, and what it refuses it names, no more than 20 fields.
func FuzzValues(f *testing.F) {
	f.Add("q=a&page=2&limit=3&on=1&within=1s")
	f.Add("q=&page=&limit=256&on=yes&within=+1s")
	f.Add("page=1_0&page=2&limit=-0")
	f.Fuzz(func(t *testing.T, query string) {
		values, err := Query(query, QueryLimits{})
		if err != nil {
			return
		}
		var got five
		err = Values(&got, "query", func(name string) []string { return values[name] })
		errs, _ := errors.AsType[Errors](err)
		want := five{Page: 1}
		expected := map[string]bool{"q": len(values["q"]) == 0}
		each(values, "q", &want.Text, expected)
		each(values, "page", &want.Page, expected)
		each(values, "limit", &want.Limit, expected)
		each(values, "on", &want.On, expected)
		each(values, "within", &want.Within, expected)
		for _, e := range errs {
			if !expected[e.Field] || e.Reason == "" {
				t.Fatalf("%q: unexpected %v", query, e)
			}
			delete(expected, e.Field)
		}
		for name, bad := range expected {
			if bad {
				t.Fatalf("%q: %s is not refused: %v", query, name, err)
			}
		}
		if err == nil && got != want {
			t.Fatalf("%q: %+v, want %+v", query, got, want)
		}
		// The wide struct takes anything without a panic.
		err = Values(&search{}, "query", func(name string) []string { return values[name] })
		if errs, _ := errors.AsType[Errors](err); len(errs) > maxErrors {
			t.Fatalf("%d errors", len(errs))
		}
	})
}

func each[T any](values url.Values, name string, p *T, bad map[string]bool) {
	if len(values[name]) > 0 {
		v, err := Parse[T](values[name][0])
		if *p = v; err != nil {
			bad[name] = true
		}
	}
}
