package http

import (
	"errors"
	"fmt"
	nethttp "net/http"
	"net/url"
	"strings"
	"testing"
)

// signup is bound in every way.
type signup struct {
	Name  string   `json:"name" form:"name,required" query:"name,required"`
	Age   int      `json:"age" form:"age" query:"age,default=18"`
	Tags  []string `json:"tags" form:"tag" query:"tag"`
	Admin bool     `json:"-"`
}

func (s *signup) Validate() error {
	var errs FieldErrors
	if s.Name == "" {
		errs = append(errs, FieldError{Field: "name", Reason: "must not be empty"})
	}
	switch {
	case s.Age == 99:
		return errors.New("nobody is 99")
	case s.Age == 98:
		return fmt.Errorf("look up: %w", &Error{Code: 409, Detail: "taken"})
	case s.Age == 97:
		return errors.Join(&FieldError{Field: "age", Reason: "is 97"}, fmt.Errorf("and: %w", FieldErrors{{Field: "name", Reason: "is old"}}))
	case s.Age < 0:
		errs = append(errs, FieldError{Field: "age", Reason: "must not be below 0"})
	}
	if errs != nil {
		return errs
	}
	return nil
}

// shown answers with what was bound.
func shown(bind func(c *Ctx, in *signup) error) Handler {
	return func(c *Ctx) error {
		var in signup
		if err := bind(c, &in); err != nil {
			return err
		}
		return c.Text(200, fmt.Sprintf("%s %d %q", in.Name, in.Age, in.Tags))
	}
}

func TestBind(t *testing.T) {
	const (
		jsonType  = "application/json"
		form      = "application/x-www-form-urlencoded"
		multi     = "multipart/form-data; boundary=x"
		bothTypes = "application/json, application/x-www-form-urlencoded, multipart/form-data"
	)
	multipartBody := func(pairs ...string) string {
		var s strings.Builder
		for i := 0; i < len(pairs); i += 2 {
			fmt.Fprintf(&s, "--x\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n", pairs[i], pairs[i+1])
		}
		return s.String() + "--x--\r\n"
	}
	onBoth(t, func() *App {
		app := New()
		bind := shown(func(c *Ctx, in *signup) error { return c.Bind(in) })
		app.Any("/", bind)
		app.Any("/inline", bind, Inline)
		app.Any("/stream", bind, StreamBody)
		app.Post("/small", bind, MaxBody(8))
		app.Post("/json", shown(func(c *Ctx, in *signup) error { return c.BindJSON(in, JSONOptions{}) }))
		app.Post("/strict", shown(func(c *Ctx, in *signup) error {
			return c.BindJSON(in, JSONOptions{RefuseUnknown: true, RefuseDuplicates: true, MaxDepth: 3})
		}))
		app.Post("/form", shown(func(c *Ctx, in *signup) error { return c.BindForm(in) }))
		app.Post("/either", shown(func(c *Ctx, in *signup) error {
			if _, err := c.MultipartForm(MultipartOptions{}); err == nil {
				return err
			}
			if err := c.BindForm(new(signup)); err != nil {
				return err
			}
			if _, err := c.MultipartForm(MultipartOptions{}); err == nil {
				return errors.New("read a form as another")
			}
			return c.BindForm(in)
		}))
		app.Post("/query", shown(func(c *Ctx, in *signup) error { return c.BindQuery(in) }))
		app.Get("/items/{id}/{kind...}", func(c *Ctx) error {
			var in struct {
				ID    int      `path:"id"`
				Kind  string   `path:"kind"`
				Other string   `path:"other,default=none"`
				Hosts []string `header:"X-Host"`
				Count int      `header:"x-count,default=1"`
			}
			if err := errors.Join(c.BindPath(&in), c.BindHeader(&in)); err != nil {
				return err
			}
			return c.Text(200, fmt.Sprintf("%d %s %s %q %d", in.ID, in.Kind, in.Other, in.Hosts, in.Count))
		})
		return app
	}, func(t *testing.T, url string) {
		c := client(t)
		for _, tc := range []struct {
			name, method, target, contentType, body string
			code                                    int
			want                                    string
			accept                                  string
		}{
			{name: "query", method: "GET", target: "/?name=a+b&tag=x&tag=y", code: 200, want: `a b 18 ["x" "y"]`},
			{name: "query, inline", method: "GET", target: "/inline?name=a", code: 200, want: "a 18 []"},
			{name: "query of DELETE", method: "DELETE", target: "/?name=a", code: 200, want: "a 18 []"},
			{name: "query, all wrong", method: "GET", target: "/?age=x", code: 400, want: "name is required; age must be a whole number"},
			{name: "query, broken", method: "GET", target: "/?name=a;b", code: 400, want: "query ';' at byte 6 separates nothing: write it as %3B"},
			{name: "query, not valid", method: "GET", target: "/?name=&age=-1", code: 400, want: "name must not be empty; age must not be below 0"},
			{name: "query of POST", method: "POST", target: "/query?name=a", contentType: jsonType, body: "{}", code: 200, want: "a 18 []"},

			{name: "json", method: "POST", target: "/", contentType: jsonType, body: `{"name":"a","age":3,"tags":["x"],"more":1}`, code: 200, want: `a 3 ["x"]`},
			{name: "json, inline", method: "POST", target: "/inline", contentType: jsonType, body: `{"name":"a"}`, code: 200, want: "a 0 []"},
			{name: "json, streamed", method: "POST", target: "/stream", contentType: jsonType, body: `{"name":"a"}`, code: 200, want: "a 0 []"},
			{name: "json with charset", method: "POST", target: "/", contentType: `Application/JSON; Charset="UTF-8"`, body: `{"name":"a"}`, code: 200, want: "a 0 []"},
			{name: "+json", method: "POST", target: "/json", contentType: "application/merge-patch+json", body: `{"name":"a"}`, code: 200, want: "a 0 []"},
			{name: "json of DELETE", method: "DELETE", target: "/", contentType: jsonType, body: `{"name":"a"}`, code: 200, want: "a 0 []"},
			{name: "RFC 8259, 8.1: UTF-8", method: "POST", target: "/", contentType: jsonType + "; charset=utf-16", body: `{}`, code: 415, accept: "application/json"},
			{name: "json, malformed", method: "POST", target: "/", contentType: jsonType, body: `{"name":"a",}`, code: 400},
			{name: "json, two values", method: "POST", target: "/", contentType: jsonType, body: `{"name":"a"} {}`, code: 400},
			{name: "json, cut off", method: "POST", target: "/", contentType: jsonType, body: `{"name":"a"`, code: 400},
			{name: "json, blank", method: "POST", target: "/", contentType: jsonType, body: "\r\n", code: 400},
			{name: "json, no object", method: "POST", target: "/", contentType: jsonType, body: `[]`, code: 400, want: " must be an object"},
			{name: "json, all wrong", method: "POST", target: "/", contentType: jsonType, body: `{"name":1,"age":"x","tags":["a",2]}`, code: 422,
				want: "name must be a string; age must be a whole number; tags[1] must be a string"},
			{name: "json, not valid", method: "POST", target: "/", contentType: jsonType, body: `{"age":-1}`, code: 422, want: "name must not be empty; age must not be below 0"},
			{name: "json, not valid in words", method: "POST", target: "/", contentType: jsonType, body: `{"name":"a","age":99}`, code: 422, want: "nobody is 99"},
			{name: "json, an answer", method: "POST", target: "/", contentType: jsonType, body: `{"name":"a","age":98}`, code: 409, want: "taken"},
			{name: "json, joined", method: "POST", target: "/", contentType: jsonType, body: `{"name":"a","age":97}`, code: 422, want: "age is 97; name is old"},
			{name: "json, unknown field", method: "POST", target: "/strict", contentType: jsonType, body: `{"name":"a","more":1}`, code: 422, want: "more is unknown"},
			{name: "json, a field twice", method: "POST", target: "/strict", contentType: jsonType, body: `{"name":"a","name":"b"}`, code: 422, want: "name is given twice"},
			{name: "json, deep", method: "POST", target: "/strict", contentType: jsonType, body: `[[[[]]]]`, code: 400},
			{name: "json, too large", method: "POST", target: "/small", contentType: jsonType, body: `{"name":"a"}`, code: 413},

			{name: "form", method: "POST", target: "/", contentType: form, body: "name=a+b&age=3&tag=x&tag=y", code: 200, want: `a b 3 ["x" "y"]`},
			{name: "form, inline", method: "POST", target: "/inline", contentType: form, body: "name=a", code: 200, want: "a 0 []"},
			{name: "form with charset", method: "POST", target: "/form", contentType: form + ";charset=utf-8", body: "name=a", code: 200, want: "a 0 []"},
			{name: "form of another charset", method: "POST", target: "/form", contentType: form + ";charset=latin1", body: "name=a", code: 415, accept: acceptForms},
			{name: "form, and no multipart", method: "POST", target: "/either", contentType: form, body: "name=a", code: 200, want: "a 0 []"},
			{name: "form, broken", method: "POST", target: "/form", contentType: form, body: "name=%zz", code: 400, want: " bad percent-encoding at byte 5"},
			{name: "form, endless fields", method: "POST", target: "/form", contentType: form, body: strings.Repeat("a=1&", 1001), code: 400, want: " has more than 1000 names and values"},
			{name: "form, all wrong", method: "POST", target: "/", contentType: form, body: "age=", code: 422, want: "name is required; age must be a whole number"},
			{name: "form, not valid", method: "POST", target: "/", contentType: form, body: "name=", code: 422, want: "name must not be empty"},
			{name: "multipart", method: "POST", target: "/", contentType: multi, body: multipartBody("name", "a", "tag", "x", "tag", "y"), code: 200, want: `a 0 ["x" "y"]`},
			{name: "multipart, streamed", method: "POST", target: "/stream", contentType: multi, body: multipartBody("name", "a"), code: 200, want: "a 0 []"},
			{name: "multipart, all wrong", method: "POST", target: "/form", contentType: multi, body: multipartBody("age", "x"), code: 422, want: "name is required; age must be a whole number"},
			{name: "multipart, broken", method: "POST", target: "/", contentType: multi, body: "--x\r\nContent-Disp", code: 400},

			{name: "no type", method: "POST", target: "/", body: `{"name":"a"}`, code: 415, accept: bothTypes},
			{name: "other type", method: "POST", target: "/", contentType: "text/plain", body: `{"name":"a"}`, code: 415, accept: bothTypes},
			{name: "no json", method: "POST", target: "/json", contentType: form, body: "name=a", code: 415, accept: "application/json"},
			{name: "image+json is no JSON", method: "POST", target: "/json", contentType: "image/x+json", body: "{}", code: 415, accept: "application/json"},
			{name: "broken type", method: "POST", target: "/", contentType: "application/json; charset", body: "{}", code: 415, accept: bothTypes},
			{name: "no form", method: "POST", target: "/form", contentType: jsonType, body: "{}", code: 415, accept: acceptForms},
			{name: "no body", method: "POST", target: "/", contentType: jsonType, code: 400},
			{name: "no form's body", method: "POST", target: "/form", contentType: form, code: 422, want: "name is required"},

			{name: "path and header", method: "GET", target: "/items/7/a%20b/c", code: 200, want: `7 a b/c none ["h1" "h2"] 1`},
			{name: "path, wrong", method: "GET", target: "/items/x/", code: 400, want: "id must be a whole number"},
		} {
			req, err := nethttp.NewRequest(tc.method, url+tc.target, strings.NewReader(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			if tc.contentType != "" {
				req.Header.Set("Content-Type", tc.contentType)
			}
			req.Header["X-Host"] = []string{"h1", "h2"}
			res, body := do(t, c, req)
			if tc.code >= 400 && tc.want != "" {
				if p := problemOf(t, body); len(p.Errors) > 0 {
					body = p.String()
				} else {
					body = p.Detail
				}
			}
			if res.StatusCode != tc.code || tc.want != "" && body != tc.want || res.Header.Get("Accept") != tc.accept {
				t.Errorf("%s: %d %s, Accept %q; want %d %s, %q", tc.name, res.StatusCode, body, res.Header.Get("Accept"), tc.code, tc.want, tc.accept)
			}
		}
	})
}

// FuzzBind binds a query and, the same text, a form's body: both must come to the same, and to what net/url reads.
func FuzzBind(f *testing.F) {
	for _, seed := range []string{"name=a&age=3&tag=x&tag=y", "name=%41+b", "age=x", "name=a;b", "name=%zz", "&&=&name", "tag=&tag=%00", "name=\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := ctxFor(t, "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1\r\n\r\n")
		c.x.raw = append(c.x.raw, text...)
		c.x.head.query = span{uint32(len(c.x.raw) - len(text)), uint32(len(c.x.raw))}
		c.x.body.set([]byte(text))
		type in struct {
			Name string   `query:"name,required" form:"name,required"`
			Age  *int8    `query:"age,omitempty" form:"age,omitempty"`
			Tags []string `query:"tag" form:"tag"`
		}
		var q, b in
		errQ, errB := c.BindQuery(&q), c.BindForm(&b)
		if (errQ == nil) != (errB == nil) {
			t.Fatalf("query: %v; form: %v", errQ, errB)
		}
		for _, err := range []error{errQ, errB} {
			if e, ok := errors.AsType[*Error](err); err != nil && (!ok || e.Code != 400 && e.Code != 422 || len(e.Members["errors"].(FieldErrors)) == 0) {
				t.Fatalf("%v", err)
			}
		}
		if errQ != nil {
			return
		}
		values, err := url.ParseQuery(text)
		if err != nil {
			t.Fatalf("net/url refuses it: %v", err)
		}
		if q.Name != values.Get("name") || b.Name != q.Name || fmt.Sprint(q.Tags) != fmt.Sprint(b.Tags) || fmt.Sprintf("%q", q.Tags) != fmt.Sprintf("%q", values["tag"]) {
			t.Fatalf("query %+v, form %+v, net/url %v", q, b, values)
		}
		name, err := Query[string](c, "name")
		if err != nil || name != q.Name {
			t.Fatalf("Query: %q, %v", name, err)
		}
	})
}
