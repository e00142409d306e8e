package http

import (
	"bufio"
	"encoding/json"
	nethttp "net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// problem is what an App answers for fields that are wrong.
type problem struct {
	Status int
	Detail string
	Errors []struct{ Field, Reason string }
}

func problemOf(t testing.TB, body string) (p problem) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Errorf("no problem document: %q", body)
	}
	return p
}

// String is "field reason; field reason".
func (p problem) String() string {
	var all []string
	for _, e := range p.Errors {
		all = append(all, e.Field+" "+e.Reason)
	}
	return strings.Join(all, "; ")
}

type color string

// told answers with what a getter has returned.
func told[T any](get func(c *Ctx) (T, error)) Handler {
	return func(c *Ctx) error {
		v, err := get(c)
		if err != nil {
			return err
		}
		return c.JSON(200, v)
	}
}

func TestGetters(t *testing.T) {
	onBoth(t, func() *App {
		app := New()
		app.Get("/query/int", told(func(c *Ctx) (int, error) { return Query[int](c, "n") }), Inline)
		app.Get("/query/string", told(func(c *Ctx) (string, error) { return Query[string](c, "s") }))
		app.Get("/query/color", told(func(c *Ctx) (color, error) { return Query[color](c, "s") }))
		app.Get("/query/ip", told(func(c *Ctx) (netip.Addr, error) { return Query[netip.Addr](c, "ip") }))
		app.Get("/or", told(func(c *Ctx) (time.Duration, error) { return QueryOr(c, "d", time.Minute) }))
		app.Get("/all", told(func(c *Ctx) ([]uint8, error) { return QueryAll[uint8](c, "id") }))
		app.Get("/param/{id}", told(func(c *Ctx) (int64, error) { return Param[int64](c, "id") }), Inline)
		app.Get("/rest/{name...}", told(func(c *Ctx) (string, error) { return Param[string](c, "name") }))
		app.Get("/noparam", told(func(c *Ctx) (int, error) { return Param[int](c, "id") }))
		app.Get("/header", told(func(c *Ctx) (bool, error) { return HeaderValue[bool](c, "x-flag") }))
		app.Get("/headeror", told(func(c *Ctx) (int, error) { return HeaderValueOr(c, "X-Count", 7) }))
		app.Post("/form", told(func(c *Ctx) (float64, error) { return FormValue[float64](c, "x") }))
		app.Post("/formor", told(func(c *Ctx) (int, error) { return FormValueOr(c, "x", 9) }))
		app.Post("/formall", told(func(c *Ctx) ([]int, error) { return FormValueAll[int](c, "x") }))
		return app
	}, func(t *testing.T, url string) {
		c := client(t)
		for _, tc := range []struct {
			target, header, form string
			code                 int
			want                 string
		}{
			{target: "/query/int?m=1&n=-42&n=x", code: 200, want: "-42"},
			{target: "/query/int?%6e=4%32", code: 200, want: "42"},
			{target: "/query/int", code: 400, want: "n is required"},
			{target: "/query/int?n", code: 400, want: "n must be a whole number"},
			{target: "/query/int?n=", code: 400, want: "n must be a whole number"},
			{target: "/query/int?n=1e3", code: 400, want: "n must be a whole number"},
			{target: "/query/int?n=9223372036854775808", code: 400, want: "n must be a whole number from -9223372036854775808 to 9223372036854775807"},
			{target: "/query/int?a;b&n=1", code: 400, want: "query ';' at byte 1 separates nothing: write it as %3B"},
			{target: "/query/string?s=a+b%26", code: 200, want: `"a b&"`},
			{target: "/query/string?s", code: 200, want: `""`},
			{target: "/query/color?s=red", code: 200, want: `"red"`},
			{target: "/query/ip?ip=::1", code: 200, want: `"::1"`},
			{target: "/query/ip?ip=1.2.3", code: 400, want: "ip is not valid"},
			{target: "/or", code: 200, want: "60000000000"},
			{target: "/or?d=2s", code: 200, want: "2000000000"},
			{target: "/or?d=", code: 400, want: "d must be a duration such as 1m30s"},
			{target: "/all", code: 200, want: "null"},
			{target: "/all?id=1&id=x&id=256&id=2", code: 400, want: "id[1] must be a whole number; id[2] must be a whole number from 0 to 255"},
			{target: "/param/17", code: 200, want: "17"},
			{target: "/param/1.7", code: 400, want: "id must be a whole number"},
			{target: "/rest/", code: 200, want: `""`},
			{target: "/rest/a/b%20c", code: 200, want: `"a/b c"`},
			{target: "/noparam", code: 500},
			{target: "/header", header: "true", code: 200, want: "true"},
			{target: "/header", header: "yes", code: 400, want: "x-flag must be true or false"},
			{target: "/header", code: 400, want: "x-flag is required"},
			{target: "/headeror", code: 200, want: "7"},
			{target: "/form", form: "y=1&x=2.5", code: 200, want: "2.5"},
			{target: "/form", form: "y=1", code: 400, want: "x is required"},
			{target: "/form?x=1", form: "x=NaN", code: 400, want: "x must be a number"},
			{target: "/formor", form: "y=1", code: 200, want: "9"},
			{target: "/formall", form: "x=1&x=2", code: 200, want: "[1,2]"},
		} {
			method := "GET"
			if tc.form != "" {
				method = "POST"
			}
			req, err := nethttp.NewRequest(method, url+tc.target, strings.NewReader(tc.form))
			if err != nil {
				t.Fatal(err)
			}
			if tc.header != "" {
				req.Header.Set("X-Flag", tc.header)
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			res, body := do(t, c, req)
			if tc.code == 400 {
				body = problemOf(t, body).String()
			}
			if res.StatusCode != tc.code || tc.want != "" && body != tc.want {
				t.Errorf("%s: %d %s; want %d %s", tc.target, res.StatusCode, body, tc.code, tc.want)
			}
		}
	})
}

// Kept strings must not be views of a buffer that the next request overwrites.
func TestGettersReturnCopies(t *testing.T) {
	kept := make(chan []string, 2)
	app := New()
	app.Get("/{p}", func(c *Ctx) error {
		kept <- []string{
			must(Query[string](c, "q")), string(must(Query[color](c, "q"))), must(Param[string](c, "p")), string(must(HeaderValue[color](c, "X-Color"))),
		}
		return c.NoContent(204)
	}, Inline)
	conn := dial(t, serveApp(t, app))
	r := bufio.NewReader(conn)
	for _, word := range []string{"first", "other"} {
		send(t, conn, "GET /"+word+"?q="+word+" HTTP/1.1\r\nHost: h\r\nX-Color: "+word+"\r\n\r\n")
		answer(t, r, "GET")
	}
	for _, want := range []string{"first", "other"} {
		for i, got := range <-kept {
			if got != want {
				t.Errorf("value %d is now %q; want %q", i, got, want)
			}
		}
	}
}

func TestQueryAllocates(t *testing.T) {
	c := ctxFor(t, "GET /?a=b&n=12345&s=abc HTTP/1.1\r\nHost: h\r\n\r\n")
	for name, tc := range map[string]struct {
		most float64
		run  func() error
	}{
		"int":     {0, func() error { _, err := Query[int](c, "n"); return err }},
		"default": {0, func() error { _, err := QueryOr(c, "x", 1); return err }},
		"string":  {1, func() error { _, err := Query[string](c, "s"); return err }},
	} {
		n := testing.AllocsPerRun(100, func() {
			if err := tc.run(); err != nil {
				t.Fatal(err)
			}
		})
		if n > tc.most && !underRace() {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
