package bind

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

type item struct {
	Price  float64        `json:"price"`
	Count  uint8          `json:"count"`
	Name   string         `json:"name"`
	Extra  map[string]int `json:"extra"`
	Inner  *item          `json:"inner"`
	Number json.Number    `json:"number"`
}

type order struct {
	ID      int              `json:"id"`
	Small   float32          `json:"small"`
	On      bool             `json:"on"`
	Items   []item           `json:"items"`
	ByName  map[string]item  `json:"byName"`
	ByCode  map[uint8]string `json:"byCode"`
	Created time.Time        `json:"created"`
	From    netip.Addr       `json:"from"`
	Level   level            `json:"level"`
	Blob    []byte           `json:"blob"`
	Pair    [2]int           `json:"pair"`
	Any     any              `json:"any"`
	Point   point            `json:"point"`
	Quoted  int              `json:"quoted,string"`
	item
}

// point reads itself, with a decoder of its own and a rule of its own.
type point struct{ X, Y int }

func (p *point) UnmarshalJSON(b []byte) error {
	var xy struct{ X, Y *int }
	if err := json.Unmarshal(b, &xy); err != nil {
		return err
	}
	if xy.X == nil || xy.Y == nil {
		return &Error{Reason: "must have x and y"}
	}
	p.X, p.Y = *xy.X, *xy.Y
	return nil
}

func TestJSON(t *testing.T) {
	const text = " {\"id\":1,\"items\":[{\"price\":2.5},{}],\"level\":\"high\",\"unknown\":{\"id\":[]},\"price\":1}\r\n\t"
	want := order{ID: 1, Items: []item{{Price: 2.5}, {}}, Level: 3, item: item{Price: 1}}
	for name, read := range map[string]func(dst any) error{
		"bytes": func(dst any) error { return JSON(dst, []byte(text), JSONOptions{}) },
		"reader": func(dst any) error {
			return ReadJSON(dst, iotest.OneByteReader(strings.NewReader(text)), JSONOptions{})
		},
		"depth": func(dst any) error { return JSON(dst, []byte(text), JSONOptions{MaxDepth: 3, RefuseDuplicates: true}) },
	} {
		var got order
		if err := read(&got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
}

var jsonRefused = []struct{ text, want string }{
	// no JSON
	{"", "is empty: JSON is expected"},
	{" \r\n", "is empty: JSON is expected"},
	{"{", "is not JSON: unexpected end at byte 1"},
	{`{"id":1`, "is not JSON: unexpected end at byte 7"},
	{`{"id":"a`, "is not JSON: unexpected end at byte 8"},
	{"nul", "is not JSON: unexpected end at byte 3"},
	{"nul ", "is not JSON: unexpected ' ' at byte 3"},
	{`{"id":-`, "is not JSON: unexpected end at byte 7"},
	{`{"id":1.`, "is not JSON: unexpected end at byte 8"},
	{`{"id":1,}`, "is not JSON: unexpected '}' at byte 8"},
	{`{"id":01}`, "is not JSON: unexpected '1' at byte 7"},
	{`{id:1}`, "is not JSON: unexpected 'i' at byte 1"},
	{`{"id":+1}`, "is not JSON: unexpected '+' at byte 6"},
	{`{"id":NaN}`, "is not JSON: unexpected 'N' at byte 6"},
	{"{\"name\":\"a\nb\"}", `is not JSON: unexpected '\n' at byte 10`},
	{"\ufeff{}", `is not JSON: unexpected '\ufeff' at byte 0`},
	{"{\"id\":\xff}", "is not JSON: unexpected byte 0xFF at byte 6"},
	{`{} {}`, "is not JSON: unexpected '{' at byte 3"},
	{`{}]`, "is not JSON: unexpected ']' at byte 2"},
	{"{}\x00", `is not JSON: unexpected '\x00' at byte 2`},
	// kinds
	{`[]`, "must be an object"},
	{` 5`, "must be an object"},
	{`{"id":"1"}`, "id: must be a whole number"},
	{`{"ID":"1"}`, "ID: must be a whole number"},
	{`{"id":1.5}`, "id: must be a whole number"},
	{`{"id":{}}`, "id: must be a whole number"},
	{`{"id":99999999999999999999}`, "id: must be a whole number from -9223372036854775808 to 9223372036854775807"},
	{`{"on":1}`, "on: must be true or false"},
	{`{"on":"true"}`, "on: must be true or false"},
	{`{"small":1e39}`, "small: is out of range"},
	{`{"small":[1]}`, "small: must be a number"},
	{`{"any":[0,1e999]}`, "any[1]: is out of range"},
	{`{"items":{}}`, "items: must be an array"},
	{`{"items":[1]}`, "items[0]: must be an object"},
	{`{"pair":1}`, "pair: must be an array"},
	{`{"pair":[1,"2"]}`, "pair[1]: must be a whole number"},
	{`{"blob":1}`, "blob: must be a base64 string"},
	{`{"blob":"%"}`, "blob: must be a base64 string"},
	{`{"level":3}`, "level: must be a string"},
	{`{"level":"low"}`, "level: must be high"},
	{`{"from":"1.2.3"}`, "from: is not valid"},
	{`{"from":{}}`, "from: must be a string"},
	{`{"created":"now"}`, "created: must be a time such as 2006-01-02T15:04:05Z"},
	{`{"created":5}`, "created: must be a time such as 2006-01-02T15:04:05Z"},
	{`{"point":{"x":1}}`, "point: must have x and y"},
	{`{"quoted":"x"}`, "quoted: is not valid"},
	// paths
	{`{"items":[{},{},{"price":"x"}]}`, "items[2].price: must be a number"},
	{`{"items":[{"price":1,"count":300}]}`, "items[0].count: must be a whole number from 0 to 255"},
	{`{"items":[{"inner":{"inner":{"name":5}}}]}`, "items[0].inner.inner.name: must be a string"},
	{`{"items":[{"extra":{"a b":"x"}}]}`, `items[0].extra["a b"]: must be a whole number`},
	{`{"byName":{"":{"count":-1},"é\n":{"count":1.5}}}`,
		`byName[""].count: must be a whole number from 0 to 255; byName["\u00e9\n"].count: must be a whole number`},
	{`{"byCode":{"1":"a","x":"b"}}`, "byCode.x: has a name that must be a whole number"},
	{`{"byCode":{"300":"a"},"id":"x"}`,
		"byCode.300: has a name that must be a whole number from 0 to 255; id: must be a whole number"},
	{`{"price":"x"}`, "price: must be a number"},
	{`{"items" : [ {} , { "price" : "}]\"" } ] }`, "items[1].price: must be a number"},
	// more than one: first what ends the decoding, then the rest in its order
	{`{"id":"1","on":2,"items":[{"price":"x"},3,{"count":-1}],"created":"now"}`,
		"created: must be a time such as 2006-01-02T15:04:05Z; id: must be a whole number; on: must be true or false; " +
			"items[0].price: must be a number; items[1]: must be an object; items[2].count: must be a whole number from 0 to 255"},
	{`{"from":"x","level":"x","id":[]}`, "from: is not valid; level: must be high; id: must be a whole number"},
	{`{"point":null,"id":""}`, "point: must have x and y; id: must be a whole number"},
	{`{"id":"","id":"","on":2}`, "id: must be a whole number; on: must be true or false"},
}

func TestJSONRefuses(t *testing.T) {
	for _, tc := range jsonRefused {
		for _, o := range []JSONOptions{{}, {RefuseUnknown: true, RefuseDuplicates: true}} {
			err := JSON(&order{}, []byte(tc.text), o)
			if _, ok := err.(Errors); !ok || err.Error() != tc.want {
				t.Errorf("%s\n got %v\nwant %s", tc.text, err, tc.want)
			}
		}
	}
}

// An UnmarshalJSON that decodes within itself reports offsets and ends of its own text, which must not be taken for ours.
func TestJSONForeignErrors(t *testing.T) {
	for text, want := range map[string]string{
		`{"i":1,"y":"","point":{"x":1,"y":""}}`: "point.y: must be a whole number", // the first y ends at the same offset
		`{"on":true,"ended":1,"id":""}`:         "ended: is not valid; id: must be a whole number",
	} {
		var dst struct {
			order
			Ended ended
		}
		if err := JSON(&dst, []byte(text), JSONOptions{}); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// ended fails as a text that is not complete does, but for null.
type ended struct{}

func (*ended) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	return io.ErrUnexpectedEOF
}

func TestJSONUnknown(t *testing.T) {
	for text, want := range map[string]string{
		`{"nope":1}`:                             "nope: is unknown",
		`{"items":[{"price":1},{"colour":"x"}]}`: "items[1].colour: is unknown",
		`{"byName":{"colour":{"price":1}},"items":[{"extra":{"colour":1}},{"colour":{"colour":2}}]}`: "items[1].colour: is unknown",
		`{"a":1,"items":[{"b":2,"price":"x"},{"a":1}],"c":3}`: "a: is unknown; items[0].b: is unknown; " +
			"items[0].price: must be a number; items[1].a: is unknown; c: is unknown",
		`{"id":1, "say \"hi\"":2 }`: `["say \"hi\""]: is unknown`,
		`{"any":{"nope":1}}`:        "",
		`{"nope":1,"created":""}`:   "created: must be a time such as 2006-01-02T15:04:05Z; nope: is unknown",
	} {
		err := JSON(&order{}, []byte(text), JSONOptions{RefuseUnknown: true})
		if _, ok := err.(Errors); ok != (want != "") || ok && err.Error() != want {
			t.Errorf("%s\n got %v\nwant %s", text, err, want)
		}
	}
}

func TestJSONDuplicates(t *testing.T) {
	for text, want := range map[string]string{
		`{"id":1,"id":2}`:             "id: is given twice",
		`{"id":1,"i\u0064":2,"id":3}`: `["id"]: is given twice; id: is given twice`, // written otherwise, but the same
		`{"items":[{"price":1},{"price":2}],"byName":{"price":{"price":1}},"price":1}`: "",
		`{"any":[{"a":{"a":[{"b":1},{"b":2}]},"b":{}},{"b":1,"a":2,"b":3}]}`:           "any[1].b: is given twice",
		`{"any":{"x":{"x":1},"x":{"y":1,"y":2}}}`:                                      "any.x.y: is given twice; any.x: is given twice",
	} {
		err := JSON(&order{}, []byte(text), JSONOptions{RefuseDuplicates: true})
		if _, ok := err.(Errors); ok != (want != "") || ok && err.Error() != want {
			t.Errorf("%s\n got %v\nwant %s", text, err, want)
		}
		if err := JSON(&order{}, []byte(text), JSONOptions{}); err != nil {
			t.Errorf("%s: not asked for: %v", text, err)
		}
	}
}

func TestJSONDepth(t *testing.T) {
	nested := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	for _, tc := range []struct {
		text []byte
		max  int
		want string
	}{
		{nested(1000), 0, ""},
		{nested(1001), 0, "is nested more than 1000 levels deep at byte 1000"},
		{nested(3), 3, ""},
		{nested(4), 3, "is nested more than 3 levels deep at byte 3"},
		{[]byte(`[[],{},[{}],"[[[\"[[[",[]]`), 3, ""},
		{[]byte(strings.Repeat("[", 1<<20)), 0, "is nested more than 1000 levels deep at byte 1000"},
		{[]byte(strings.Repeat("]", 10) + strings.Repeat("[", 10)), 3, "is not JSON: unexpected ']' at byte 0"},
	} {
		var dst any
		err := JSON(&dst, tc.text, JSONOptions{MaxDepth: tc.max})
		if (err != nil) != (tc.want != "") || err != nil && err.Error() != tc.want {
			t.Errorf("%.20s: %v, want %q", tc.text, err, tc.want)
		}
	}
}

func TestJSONBoundsErrors(t *testing.T) {
	for text, want := range map[string]int{
		`[` + strings.Repeat(`"x",`, 100) + `0]`:     maxErrors,
		`[` + strings.Repeat(`"x",`, 25_000) + `0]`:  3, // 100 KB: as often as the budget has room for it
		`[` + strings.Repeat(`"x",`, 100_000) + `0]`: 1,
	} {
		err := JSON(&[]int{}, []byte(text), JSONOptions{})
		errs, _ := err.(Errors)
		if len(errs) != want || errs[0].Field != "[0]" {
			t.Errorf("%d bytes: %d errors, want %d: %.100v", len(text), len(errs), want, err)
		}
	}
}

// In a text too large to search, an error without an offset is told without its place, and others still with it.
func TestJSONLargeText(t *testing.T) {
	fill := strings.Repeat(`{"price":1},`, 10_000)
	for tail, want := range map[string]string{
		`{"price":"x"}]}`:                   "items[10000].price: must be a number",
		`{}],"created":"now"}`:              "must be a time such as 2006-01-02T15:04:05Z",
		`{"colour":1}]}`:                    "items[10000].colour: is unknown",
		`{"colour":1}],"any":{"colour":1}}`: "is unknown",
	} {
		err := JSON(&order{}, []byte(`{"items":[`+fill+tail), JSONOptions{RefuseUnknown: true})
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", tail, err, want)
		}
	}
}

// What a path repeats of the client's names is bounded, and ASCII.
func TestJSONPlaceIsBounded(t *testing.T) {
	long := strings.Repeat("n", 1000)
	err := JSON(&map[string]int{}, []byte(`{"`+long+`":""}`), JSONOptions{})
	if want := `["` + long[:maxKey] + `..."]: must be a whole number`; err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
	type tree struct {
		Child *tree
		Leaf  int
	}
	const depth = 100
	err = JSON(&tree{}, []byte(strings.Repeat(`{"Child":`, depth)+`{"Leaf":""}`+strings.Repeat("}", depth)), JSONOptions{})
	errs, _ := err.(Errors)
	if len(errs) != 1 || len(errs[0].Field) > maxPlace+3 || !strings.HasSuffix(errs[0].Field, ".Child.Leaf") {
		t.Errorf("%v", err)
	}
}

func TestReadJSONReadError(t *testing.T) {
	broken := errors.New("the client left")
	r := io.MultiReader(strings.NewReader(`{"id":1}`), iotest.ErrReader(broken))
	if err := ReadJSON(&order{}, r, JSONOptions{}); err != broken {
		t.Error(err)
	}
}

// What was read must not change when the buffer is used again.
func TestReadJSONKeepsNothing(t *testing.T) {
	var first struct {
		Name string
		Raw  json.RawMessage
	}
	if err := ReadJSON(&first, strings.NewReader(`{"Name":"abc","Raw":{"a":1}}`), JSONOptions{}); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		var other any
		_ = ReadJSON(&other, strings.NewReader(strings.Repeat(" ", 40)+"1"), JSONOptions{})
	}
	if first.Name != "abc" || string(first.Raw) != `{"a":1}` {
		t.Errorf("%+v", first)
	}
}

func TestJSONProgrammersMistakes(t *testing.T) {
	var none *order
	for _, dst := range []any{nil, order{}, none, map[string]int{}} {
		panics(t, "bind: JSON: the destination is a", func() { _ = JSON(dst, []byte("{}"), JSONOptions{}) })
	}
}

// As JSON, Errors is the "errors" of a problem, and the cause stays out of it.
func TestErrorsAsJSON(t *testing.T) {
	err := JSON(&order{}, []byte(`{"items":[{"price":"x"}],"from":"x"}`), JSONOptions{})
	text, merr := json.Marshal(err)
	const want = `[{"field":"from","reason":"is not valid"},{"field":"items[0].price","reason":"must be a number"}]`
	if merr != nil || string(text) != want {
		t.Errorf("%s %v", text, merr)
	}
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); !ok {
		t.Error("the cause is lost")
	}
}

// FuzzJSON: JSON takes what json.Unmarshal takes, reads the same, and names what is wrong in bounded ASCII.
func FuzzJSON(f *testing.F) {
	for _, tc := range jsonRefused {
		f.Add([]byte(tc.text))
	}
	f.Add([]byte(`{"items":[{"price":1,"x":{"price":2}},{"price":2,"price":3}],"x":[{}],"byCode":{"1":"","01":""}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var got, want order
		err := JSON(&got, text, JSONOptions{})
		wantErr := json.Unmarshal(text, &want)
		tooDeep := tooDeep(text, defaultDepth) >= 0
		if (err == nil) != (wantErr == nil) && !tooDeep || err == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: %+v %v; encoding/json %+v %v", text, got, err, want, wantErr)
		}
		strict := JSON(new(order), text, JSONOptions{RefuseUnknown: true, RefuseDuplicates: true})
		if err != nil && strict == nil {
			t.Fatalf("%q: %v, but strictly read it is right", text, err)
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if d.Decode(new(order)) != nil && strict == nil {
			t.Fatalf("%q: an unknown field is not refused", text)
		}
		for _, err := range []error{err, strict} {
			checkErrors(t, text, err)
		}
	})
}

func checkErrors(t *testing.T, text []byte, err error) {
	errs, ok := err.(Errors)
	if err != nil && !ok || ok && len(errs) == 0 || len(errs) > maxErrors {
		t.Fatalf("%q: %T %v", text, err, err)
	}
	for _, e := range errs {
		for _, c := range []byte(e.Error()) {
			if c < ' ' || c > '~' {
				t.Fatalf("%q: %q is not visible ASCII", text, e.Error())
			}
		}
		if e.Reason == "" || len(e.Field) > maxPlace+3 || len(e.Reason) > 200 || strings.Contains(e.Error(), "json:") {
			t.Fatalf("%q: %v", text, e)
		}
	}
}
