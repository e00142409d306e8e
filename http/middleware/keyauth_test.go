package middleware_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
)

func TestKeyAuth(t *testing.T) {
	keys := map[string]string{"s3cret": "ada", "mF_9.B5f-4.1JqM~+/==": "bob"}
	bearer := middleware.KeyAuthOptions{Keys: keys}
	many := middleware.KeyAuthOptions{Keys: keys, Bearer: true, Header: "X-API-Key", Cookie: "key", Query: "key", Realm: `a "b"`}
	for _, tc := range []struct {
		name    string
		opts    middleware.KeyAuthOptions
		request string
		lines   []string
		code    int
		body    string // of 200
		want    string // WWW-Authenticate otherwise
	}{
		{"bearer", bearer, "GET /", []string{"Authorization: Bearer s3cret"}, 200, "ada", ""},
		{"bearer, every character", bearer, "GET /", []string{"Authorization: bearer mF_9.B5f-4.1JqM~+/=="}, 200, "bob", ""},
		{"inline", bearer, "GET /inline", []string{"Authorization: Bearer s3cret"}, 200, "ada", ""},
		{"no key", bearer, "GET /", nil, 401, "", "Bearer"},
		{"another scheme", bearer, "GET /", []string{"Authorization: Basic s3cret"}, 401, "", "Bearer"},
		{"wrong key", bearer, "GET /", []string{"Authorization: Bearer s3cre"}, 401, "", `Bearer error="invalid_token"`},
		{"a holder is no key", bearer, "GET /", []string{"Authorization: Bearer ada"}, 401, "", `Bearer error="invalid_token"`},
		{"no b64token", bearer, "GET /", []string{"Authorization: Bearer s3 cret"}, 400, "", `Bearer error="invalid_request"`},
		{"= within", bearer, "GET /", []string{"Authorization: Bearer s3=cret"}, 400, "", `Bearer error="invalid_request"`},
		{"not in the header line it is not asked in", bearer, "GET /?key=s3cret", []string{"X-API-Key: s3cret", "Cookie: key=s3cret"}, 401, "", "Bearer"},

		{"any of four: bearer", many, "GET /", []string{"Authorization: Bearer s3cret"}, 200, "ada", ""},
		{"any of four: header", many, "GET /", []string{"X-API-Key: s3cret"}, 200, "ada", ""},
		{"any of four: cookie", many, "GET /", []string{"Cookie: a=b; key=s3cret"}, 200, "ada", ""},
		{"any of four: cookie behind a malformed one", many, "GET /", []string{"Cookie: {bad json}; key=s3cret"}, 200, "ada", ""},
		{"any of four: query", many, "GET /?key=mF_9.B5f-4.1JqM~%2B/%3D%3D", nil, 200, "bob", ""},
		{"any of four: none", many, "GET /", nil, 401, "", `Bearer realm="a \"b\""`},
		{"any of four: wrong", many, "GET /?key=x", nil, 401, "", `Bearer realm="a \"b\"", error="invalid_token"`},
		{"any of four: empty is none", many, "GET /?key=", []string{"X-API-Key: "}, 401, "", `Bearer realm="a \"b\""`},
		{"RFC 6750 section 2: more than one way", many, "GET /?key=s3cret", []string{"Authorization: Bearer s3cret"}, 400, "", `Bearer realm="a \"b\"", error="invalid_request"`},
		{"twice in the query", many, "GET /?key=s3cret&key=s3cret", nil, 400, "", `Bearer realm="a \"b\"", error="invalid_request"`},
		{"query that is none", many, "GET /?key=a;b", nil, 400, "", `Bearer realm="a \"b\"", error="invalid_request"`},

		{"header alone", middleware.KeyAuthOptions{Keys: keys, Header: "X-API-Key"}, "GET /", []string{"Authorization: Bearer s3cret"}, 401, "", "ApiKey"},
		{"Authorization without a scheme", middleware.KeyAuthOptions{Keys: keys, Header: "Authorization"}, "GET /", []string{"Authorization: s3cret"}, 200, "ada", ""},
		{"Validate", middleware.KeyAuthOptions{Validate: func(c *http.Ctx, key string) (any, bool) { return c.Path() + key, key == "k" }}, "GET /", []string{"Authorization: Bearer k"}, 200, "/k", ""},
		{"Validate refuses", middleware.KeyAuthOptions{Validate: func(*http.Ctx, string) (any, bool) { return "x", false }}, "GET /", []string{"Authorization: Bearer k"}, 401, "", `Bearer error="invalid_token"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onBoth(t, func() *http.App {
				app := http.New()
				app.Use(middleware.KeyAuth(tc.opts))
				show := func(c *http.Ctx) error { return c.Text(200, fmt.Sprint(middleware.IdentityOf(c))) }
				app.Get("/{$}", show)
				app.Get("/inline", show, http.Inline)
				return app
			}, func(t *testing.T, url string) {
				ask := askAt(t, url)
				res, body := ask(t, tc.request, tc.lines...)
				if res.StatusCode != tc.code || res.Header.Get("WWW-Authenticate") != tc.want || tc.code == 200 && body != tc.body {
					t.Errorf("%d %q %q", res.StatusCode, body, res.Header.Get("WWW-Authenticate"))
				}
			})
		})
	}
}

// A shared cache keys answers by what Vary names; RFC 9111 section 3.5 keeps it from those to Authorization by itself.
func TestKeyAuthAndCaches(t *testing.T) {
	for _, tc := range []struct {
		opts        middleware.KeyAuthOptions
		vary, cache string
	}{
		{middleware.KeyAuthOptions{}, "", ""},
		{middleware.KeyAuthOptions{Header: "X-API-Key"}, "X-API-Key", ""},
		{middleware.KeyAuthOptions{Cookie: "k"}, "Cookie", ""},
		{middleware.KeyAuthOptions{Query: "k"}, "", "private"},
	} {
		tc.opts.Validate = func(*http.Ctx, string) (any, bool) { return nil, true }
		app := http.New()
		app.Get("/{$}", saying("secret"), http.With(middleware.KeyAuth(tc.opts)))
		res := inProcess(app, "GET /?k=1", "X-API-Key: 1", "Cookie: k=1", "Authorization: Bearer 1")
		if vary := strings.Join(res.Header.Values("Vary"), ", "); res.StatusCode != 200 || vary != tc.vary || res.Header.Get("Cache-Control") != tc.cache {
			t.Errorf("%+v: %d %v", tc.opts, res.StatusCode, res.Header)
		}
	}
}

func TestKeyAuthOptionsThatCannotBe(t *testing.T) {
	with := func(o middleware.KeyAuthOptions) func() { return func() { middleware.KeyAuth(o) } }
	keys := map[string]string{"k": "x"}
	mustPanic(t, map[string]func(){
		"nobody knows keys":  with(middleware.KeyAuthOptions{}),
		"two know keys":      with(middleware.KeyAuthOptions{Keys: keys, Validate: func(*http.Ctx, string) (any, bool) { return nil, true }}),
		"empty key":          with(middleware.KeyAuthOptions{Keys: map[string]string{"": "x"}}),
		"header":             with(middleware.KeyAuthOptions{Keys: keys, Header: "X Key"}),
		"cookie":             with(middleware.KeyAuthOptions{Keys: keys, Cookie: "a=b"}),
		"realm":              with(middleware.KeyAuthOptions{Keys: keys, Realm: "\n"}),
		"Authorization both": with(middleware.KeyAuthOptions{Keys: keys, Bearer: true, Header: "authorization"}),
	})
}

func ExampleKeyAuth() {
	app := http.New()
	api := app.Group("/api", middleware.KeyAuth(middleware.KeyAuthOptions{
		Keys: map[string]string{"2f6c…": "billing", "91ab…": "reports"}, // from the environment or a file
		// Without Header the key comes as "Authorization: Bearer KEY".
		Header: "X-API-Key",
	}))
	api.Get("/{$}", func(c *http.Ctx) error {
		return c.Text(200, fmt.Sprint("hello, ", middleware.IdentityOf(c)))
	})

	fmt.Println(inProcess(app, "GET /api/").StatusCode)
	fmt.Println(inProcess(app, "GET /api/", "X-API-Key: 2f6c…").StatusCode)
	// Output:
	// 401
	// 200
}
