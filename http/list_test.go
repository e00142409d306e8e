package http

import (
	"errors"
	"slices"
	"testing"
)

// RFC 9110 section 5.3: several lines are one list, in their order.
func TestHeaderList(t *testing.T) {
	const raw = "GET / HTTP/1.1\r\nHost: h\r\nX-List: a, \"b, c\"\r\nX-Other: no\r\nx-list:\r\nX-LIST: \"d,\t\r\nX-List: e\r\n\r\n"
	c := ctxFor(t, raw)
	if got, want := slices.Collect(c.HeaderList("X-List")), []string{"a", `"b, c"`, `"d`, "e"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := slices.Collect(c.HeaderLines("x-List")), []string{`a, "b, c"`, "", `"d,`, "e"}; !slices.Equal(got, want) {
		t.Errorf("lines %q, want %q", got, want)
	}
	for range c.HeaderList("X-Lis") {
		t.Error("a name that is only like it")
	}
	for element := range c.HeaderList("X-List") {
		if element != "a" {
			t.Errorf("goes on with %q", element)
		}
		break
	}
}

func TestResponseHeaderList(t *testing.T) {
	c := ctxFor(t, goodRequest)
	for _, line := range [][2]string{{"Cache-Control", `private="a, no-store"`}, {"X-Other", "no"}, {"cache-control", "no-transform ,"}} {
		if err := c.AddHeader(line[0], line[1]); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{`private="a, no-store"`, "no-transform"}
	if got := slices.Collect(c.ResponseHeaderList("Cache-Control")); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for element := range c.ResponseHeaderList("Cache-Control") {
		if element != want[0] {
			t.Errorf("goes on with %q", element)
		}
		break
	}
}

// What is left of a list must not be read from another request's head.
func TestHeaderListOfAnEndedRequest(t *testing.T) {
	c := ctxFor(t, "GET / HTTP/1.1\r\nHost: h\r\nX-List: a\r\nX-List: b\r\n\r\n")
	defer func() {
		if err, _ := recover().(error); !errors.Is(err, ErrStale) {
			t.Errorf("%v, want ErrStale", err)
		}
	}()
	for range c.HeaderList("X-List") {
		c.x = nil
	}
}
