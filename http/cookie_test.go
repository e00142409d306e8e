package http

import (
	"errors"
	nethttp "net/http"
	"testing"
	"time"
)

func TestSetCookie(t *testing.T) {
	c := ctxFor(t, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	for _, tc := range []struct {
		name   string
		cookie *nethttp.Cookie
		want   string // "" is ErrBadHeader
	}{
		{"plain", &nethttp.Cookie{Name: "a", Value: "b"}, "a=b"},
		{"all", &nethttp.Cookie{Name: "a", Value: "b c", Path: "/p", Domain: "x.example", MaxAge: 5, Secure: true, HttpOnly: true,
			SameSite: nethttp.SameSiteLaxMode}, `a="b c"; Path=/p; Domain=x.example; Max-Age=5; HttpOnly; Secure; SameSite=Lax`},
		{"deleted", &nethttp.Cookie{Name: "a", MaxAge: -1}, "a=; Max-Age=0"},
		{"date", &nethttp.Cookie{Name: "a", Expires: time.Unix(dated, 0)}, "a=; Expires=" + onTime},
		{"SameSite=None", &nethttp.Cookie{Name: "a", Secure: true, SameSite: nethttp.SameSiteNoneMode}, "a=; Secure; SameSite=None"},
		{"__Host-", &nethttp.Cookie{Name: "__Host-a", Secure: true, Path: "/"}, "__Host-a=; Path=/; Secure"},
		{"__Secure-", &nethttp.Cookie{Name: "__Secure-a", Secure: true, Domain: "x.example"}, "__Secure-a=; Domain=x.example; Secure"},

		{"nil", nil, ""},
		{"no name", &nethttp.Cookie{Value: "b"}, ""},
		{"blank in the name", &nethttp.Cookie{Name: "a b"}, ""},
		{"semicolon in the name", &nethttp.Cookie{Name: "a;b"}, ""},
		{"= in the name", &nethttp.Cookie{Name: "a=b"}, ""},
		{"semicolon in the value", &nethttp.Cookie{Name: "a", Value: "b; Domain=evil.example"}, ""},
		{"CR LF in the value", &nethttp.Cookie{Name: "a", Value: "b\r\nX-Evil: 1"}, ""},
		{"NUL in the value", &nethttp.Cookie{Name: "a", Value: "b\x00"}, ""},
		{"quote in the value", &nethttp.Cookie{Name: "a", Value: `b"`}, ""},
		{"backslash in the value", &nethttp.Cookie{Name: "a", Value: `b\`}, ""},
		{"UTF-8 in the value", &nethttp.Cookie{Name: "a", Value: "ü"}, ""},
		{"semicolon in the path", &nethttp.Cookie{Name: "a", Path: "/;HttpOnly"}, ""},
		{"LF in the path", &nethttp.Cookie{Name: "a", Path: "/\n"}, ""},
		{"semicolon in the domain", &nethttp.Cookie{Name: "a", Domain: "x.example;y"}, ""},
		{"CR in the domain", &nethttp.Cookie{Name: "a", Domain: "x.example\r"}, ""},
		{"date without end", &nethttp.Cookie{Name: "a", Expires: time.Date(1500, 1, 1, 0, 0, 0, 0, time.UTC)}, ""},
		{"SameSite=None without Secure", &nethttp.Cookie{Name: "a", SameSite: nethttp.SameSiteNoneMode}, ""},
		{"Partitioned without Secure", &nethttp.Cookie{Name: "a", Partitioned: true}, ""},
		{"__Secure- without Secure", &nethttp.Cookie{Name: "__Secure-a"}, ""},
		{"__host- without Secure", &nethttp.Cookie{Name: "__host-a", Path: "/"}, ""},
		{"__Host- with a domain", &nethttp.Cookie{Name: "__Host-a", Secure: true, Path: "/", Domain: "x.example"}, ""},
		{"__Host- with another path", &nethttp.Cookie{Name: "__Host-a", Secure: true, Path: "/x"}, ""},
	} {
		c.DelHeader("Set-Cookie")
		err := c.SetCookie(tc.cookie)
		if got := c.ResponseHeader("Set-Cookie"); got != tc.want || (tc.want == "") != errors.Is(err, ErrBadHeader) {
			t.Errorf("%s: %q, %v; want %q", tc.name, got, err, tc.want)
		}
	}
}

func TestCookies(t *testing.T) {
	onBoth(t, func() *App {
		app := New()
		app.Get("/", func(c *Ctx) error {
			for _, k := range []*nethttp.Cookie{{Name: "one", Value: "1"}, {Name: "two", Value: "2"}} {
				if err := c.SetCookie(k); err != nil {
					return err
				}
			}
			k, err := c.Cookie("b")
			if errors.Is(err, nethttp.ErrNoCookie) {
				return c.Text(200, "none")
			}
			text := k.Value
			for _, k := range c.Cookies() {
				text += " " + k.Name
			}
			return c.Text(200, text)
		})
		return app
	}, func(t *testing.T, url string) {
		c := client(t)
		for want, lines := range map[string][]string{
			"none":      nil,
			"2 a b b d": {`a=1; b=2; b=3; c x=4; d="5"`},
			"2 a b":     {"a=1", "b=2"},
		} {
			req, err := nethttp.NewRequest("GET", url, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header["Cookie"] = lines
			res, body := do(t, c, req)
			if body != want || len(res.Cookies()) != 2 || res.Cookies()[1].Value != "2" {
				t.Errorf("%q: %q %v; want %q", lines, body, res.Cookies(), want)
			}
		}
	})
}
