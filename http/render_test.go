package http

import (
	"errors"
	"html/template"
	"io"
	"math"
	"strings"
	"testing"
)

type message struct {
	Message string `json:"message" xml:"message"`
}

type badJSON struct{}

func (badJSON) MarshalJSON() ([]byte, error) { return nil, errors.New("secret") }

var pages = template.Must(template.New("ok").Parse(`<p>{{.}}</p>{{define "broken"}}half {{.Missing.Deep}}{{end}}`))

func TestRender(t *testing.T) {
	onBoth(t, func() *App {
		app := New()
		app.Get("/json", func(c *Ctx) error { return c.JSON(201, message{"Hello, <World> & co\u2028"}) }, Inline)
		app.Get("/json/large", func(c *Ctx) error { return c.JSON(200, strings.Repeat("x", 1<<20)) })
		app.Get("/json/own", func(c *Ctx) error {
			if err := c.SetHeader("Content-Type", "application/vnd.x+json"); err != nil {
				return err
			}
			return c.JSON(200, []int{})
		})
		app.Get("/json/method", func(c *Ctx) error { return c.JSON(200, badJSON{}) })
		app.Get("/json/nan", func(c *Ctx) error { return c.JSON(200, []any{"begun", math.NaN()}) })
		app.Get("/json/caught", func(c *Ctx) error {
			if err := c.JSON(200, make(chan int)); err == nil || c.Written() {
				t.Errorf("%v, written %v", err, c.Written())
			}
			return c.JSON(200, "instead")
		})
		app.Get("/xml", func(c *Ctx) error { return c.XML(200, message{"a<b"}) })
		app.Get("/xml/bad", func(c *Ctx) error { return c.XML(200, map[string]int{"a": 1}) })
		app.Get("/html", func(c *Ctx) error { return c.HTML(200, pages, "ok", "<script>") })
		app.Get("/html/broken", func(c *Ctx) error { return c.HTML(200, pages, "broken", struct{ Missing any }{1}) })
		app.Get("/html/none", func(c *Ctx) error { return c.HTML(200, pages, "none", nil) })
		app.Get("/html/writer", func(c *Ctx) error { return c.HTML(200, failingRenderer{}, "x", nil) })
		return app
	}, func(t *testing.T, url string) {
		c := client(t)
		const failed = `{"status":500,"title":"Internal Server Error"}`
		for _, tc := range []struct {
			path        string
			code        int
			contentType string
			want        string
		}{
			{"/json", 201, "application/json", `{"message":"Hello, <World> & co\u2028"}`},
			{"/json/large", 200, "application/json", `"` + strings.Repeat("x", 1<<20) + `"`},
			{"/json/own", 200, "application/vnd.x+json", "[]"},
			{"/json/method", 500, "application/problem+json", failed},
			{"/json/nan", 500, "application/problem+json", failed},
			{"/json/caught", 200, "application/json", `"instead"`},
			{"/xml", 200, "application/xml; charset=utf-8", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<message><message>a&lt;b</message></message>"},
			{"/xml/bad", 500, "application/problem+json", failed},
			{"/html", 200, "text/html; charset=utf-8", "<p>&lt;script&gt;</p>"},
			{"/html/broken", 500, "application/problem+json", failed},
			{"/html/none", 500, "application/problem+json", failed},
			{"/html/writer", 500, "application/problem+json", failed},
		} {
			res, body := fetch(t, c, "GET", url+tc.path, "")
			if res.StatusCode != tc.code || res.Header.Get("Content-Type") != tc.contentType || body != tc.want {
				t.Errorf("%s: %d %q %.100q; want %d %q %.100q", tc.path, res.StatusCode, res.Header.Get("Content-Type"), body, tc.code, tc.contentType, tc.want)
			}
			head, _ := fetch(t, c, "HEAD", url+tc.path, "")
			if head.StatusCode != tc.code || head.ContentLength != int64(len(tc.want)) {
				t.Errorf("HEAD %s: %d, %d bytes; want %d", tc.path, head.StatusCode, head.ContentLength, len(tc.want))
			}
		}
	})
}

type failingRenderer struct{}

func (failingRenderer) ExecuteTemplate(w io.Writer, name string, data any) error {
	if _, err := io.WriteString(w, "half a page"); err != nil {
		return err
	}
	return errors.New("the other half")
}

// The struct is boxed as an any, and that is all.
func TestJSONAllocates(t *testing.T) {
	if underRace() {
		t.Skip("sync.Pool forgets at random under -race")
	}
	c := ctxFor(t, "GET /json HTTP/1.1\r\nHost: h\r\n\r\n")
	n := testing.AllocsPerRun(200, func() {
		again(c)
		if err := c.JSON(200, message{"Hello, World!"}); err != nil {
			t.Fatal(err)
		}
	})
	if n > 1 {
		t.Errorf("a struct: %v allocations", n)
	}
	m := &message{"Hello, World!"}
	n = testing.AllocsPerRun(200, func() {
		again(c)
		if err := c.JSON(200, m); err != nil {
			t.Fatal(err)
		}
	})
	if n > 0 {
		t.Errorf("a pointer: %v allocations", n)
	}
}

func BenchmarkJSON(b *testing.B) {
	c := ctxFor(b, "GET /json HTTP/1.1\r\nHost: h\r\n\r\n")
	b.ReportAllocs()
	for b.Loop() {
		again(c)
		if err := c.JSON(200, message{"Hello, World!"}); err != nil {
			b.Fatal(err)
		}
	}
}
