package vhost

import (
	nethttp "net/http"
	"testing"

	"github.com/carillon-go/carillon/http"
)

// What a path had in it stays in the path of where it leads.
func TestInURL(t *testing.T) {
	for text, want := range map[string]string{
		"a/b": "a/b", "a b": "a%20b", "a?b#c": "a%3Fb%23c", "//evil": "//evil", `\evil`: "%5Cevil", "a\r\nb": "a%0D%0Ab", "ä": "%C3%A4",
		"javascript:x": "javascript:x", "%2e": "%252e", "\xff": "%FF",
	} {
		if got := inURL(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestTarget(t *testing.T) {
	for _, tt := range []struct{ from, to, path, want string }{
		{"/old/{path...}", "/new/{path}", "/old/a/b", "/new/a/b"},
		{"/{a}/{b}", "/{b}/{a}/{b}", "/x/y", "/y/x/y"},
		{"/{a}", "https://example.com/{a}?q={a}", "/x", "https://example.com/x?q=x"},
		{"/{a}", "/fixed", "/x", "/fixed"},
	} {
		var rules http.Table[target]
		if err := rules.Add(tt.from, parseTarget(tt.to)); err != nil {
			t.Fatal(err)
		}
		got := ""
		app := http.New()
		app.Any("/{path...}", func(c *http.Ctx) error {
			to, captured, ok := rules.Match(c)
			if ok {
				got = to.fill(captured, inURL)
			}
			return c.NoContent(204)
		})
		r, err := nethttp.NewRequest("GET", tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := app.Test(r); err != nil {
			t.Fatal(err)
		}
		if got != tt.want {
			t.Errorf("%s to %s: %q, want %q", tt.from, tt.to, got, tt.want)
		}
	}
}
