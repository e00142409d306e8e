package middleware_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
)

func corsApp(opts middleware.CORSOptions) *http.App {
	app := http.New()
	app.Use(middleware.CORS(opts))
	app.Get("/text", saying("hello"))
	app.Get("/inline", saying("hello"), http.Inline)
	app.Get("/crash", func(*http.Ctx) error { return errors.New("on purpose") })
	app.Get("/panic", func(*http.Ctx) error { panic("on purpose") })
	app.Get("/varies", func(c *http.Ctx) error { return errors.Join(c.VaryBy("Accept"), c.Text(200, "hello")) })
	return app
}

const (
	preflightGet = "Access-Control-Request-Method: GET"
	allowOrigin  = "Access-Control-Allow-Origin"
)

func TestCORS(t *testing.T) {
	some := middleware.CORSOptions{
		AllowOrigins: []string{"https://app.example", "http://localhost:3000", "https://*.example.com", "https://*.example.com:8443"},
		AllowHeaders: []string{"Content-Type", "X-Token"}, ExposeHeaders: []string{"X-Total"},
		AllowCredentials: true, MaxAge: 10 * time.Minute,
	}
	preflightVary := "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
	for _, tc := range []struct {
		name    string
		opts    middleware.CORSOptions
		request string
		lines   []string
		code    int
		want    map[string]string // "" wants no such line
	}{
		{name: "actual request", opts: some, request: "GET /text", lines: []string{"Origin: https://app.example"}, code: 200,
			want: map[string]string{allowOrigin: "https://app.example", "Access-Control-Allow-Credentials": "true", "Access-Control-Expose-Headers": "X-Total", "Vary": "Origin", "Access-Control-Allow-Methods": ""}},
		{name: "inline route", opts: some, request: "GET /inline", lines: []string{"Origin: https://app.example"}, code: 200, want: map[string]string{allowOrigin: "https://app.example"}},
		{name: "without Origin the answer still varies", opts: some, request: "GET /text", code: 200, want: map[string]string{allowOrigin: "", "Vary": "Origin"}},
		{name: "another origin", opts: some, request: "GET /text", lines: []string{"Origin: https://evil.example"}, code: 200,
			want: map[string]string{allowOrigin: "", "Access-Control-Allow-Credentials": "", "Access-Control-Expose-Headers": "", "Vary": "Origin"}},
		{name: "a handler that varies too", opts: some, request: "GET /varies", lines: []string{"Origin: https://app.example"}, code: 200, want: map[string]string{"Vary": "Origin, Accept"}},

		{name: "404", opts: some, request: "GET /nowhere", lines: []string{"Origin: https://app.example"}, code: 404, want: map[string]string{allowOrigin: "https://app.example", "Vary": "Origin"}},
		{name: "405", opts: some, request: "POST /text", lines: []string{"Origin: https://app.example"}, code: 405, want: map[string]string{allowOrigin: "https://app.example"}},
		{name: "error of the handler", opts: some, request: "GET /crash", lines: []string{"Origin: https://app.example"}, code: 500, want: map[string]string{allowOrigin: "https://app.example"}},
		{name: "panic of the handler", opts: some, request: "GET /panic", lines: []string{"Origin: https://app.example"}, code: 500, want: map[string]string{allowOrigin: "https://app.example"}},
		{name: "redirect", opts: some, request: "GET //text", lines: []string{"Origin: https://app.example"}, code: 308, want: map[string]string{allowOrigin: "https://app.example"}},

		{name: "preflight", opts: some, request: "OPTIONS /text", lines: []string{"Origin: https://app.example", preflightGet, "Access-Control-Request-Headers: x-token"}, code: 204,
			want: map[string]string{allowOrigin: "https://app.example", "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE", "Access-Control-Allow-Headers": "Content-Type, X-Token",
				"Access-Control-Allow-Credentials": "true", "Access-Control-Max-Age": "600", "Access-Control-Expose-Headers": "", "Vary": preflightVary, "Allow": ""}},
		{name: "preflight of a path that is not", opts: some, request: "OPTIONS /nowhere", lines: []string{"Origin: https://app.example", preflightGet}, code: 204, want: map[string]string{allowOrigin: "https://app.example"}},
		{name: "preflight of another origin", opts: some, request: "OPTIONS /text", lines: []string{"Origin: https://evil.example", preflightGet}, code: 204,
			want: map[string]string{allowOrigin: "", "Access-Control-Allow-Methods": "", "Access-Control-Allow-Headers": "", "Access-Control-Max-Age": "", "Vary": preflightVary}},
		{name: "OPTIONS without a requested method is the App's", opts: some, request: "OPTIONS /text", lines: []string{"Origin: https://app.example"}, code: 204,
			want: map[string]string{"Allow": "GET, HEAD, OPTIONS", allowOrigin: "https://app.example", "Access-Control-Allow-Methods": ""}},
		{name: "OPTIONS without Origin is the App's", opts: some, request: "OPTIONS /text", lines: []string{preflightGet}, code: 204, want: map[string]string{"Allow": "GET, HEAD, OPTIONS", allowOrigin: ""}},
		{name: "a requested method elsewhere is no preflight", opts: some, request: "GET /text", lines: []string{"Origin: https://app.example", preflightGet}, code: 200, want: map[string]string{allowOrigin: "https://app.example"}},

		{name: "port", opts: some, request: "GET /text", lines: []string{"Origin: http://localhost:3000"}, code: 200, want: map[string]string{allowOrigin: "http://localhost:3000"}},
		{name: "another port", opts: some, request: "GET /text", lines: []string{"Origin: http://localhost:3001"}, code: 200, want: map[string]string{allowOrigin: ""}},
		{name: "another scheme", opts: some, request: "GET /text", lines: []string{"Origin: http://app.example"}, code: 200, want: map[string]string{allowOrigin: ""}},
		{name: "null that is not listed", opts: some, request: "GET /text", lines: []string{"Origin: null"}, code: 200, want: map[string]string{allowOrigin: ""}},
		{name: "null that is listed", opts: middleware.CORSOptions{AllowOrigins: []string{"null"}}, request: "GET /text", lines: []string{"Origin: null"}, code: 200, want: map[string]string{allowOrigin: "null"}},
		{name: "AllowOrigin is not asked for null", opts: middleware.CORSOptions{AllowOrigin: func(*http.Ctx, string) bool { return true }}, request: "GET /text", lines: []string{"Origin: null"}, code: 200, want: map[string]string{allowOrigin: ""}},
		{name: "AllowOrigin", opts: middleware.CORSOptions{AllowOrigin: func(c *http.Ctx, o string) bool { return c.Path() == "/text" && o == "https://b.example" }}, request: "GET /text", lines: []string{"Origin: https://b.example"}, code: 200, want: map[string]string{allowOrigin: "https://b.example"}},

		{name: "any origin", opts: middleware.CORSOptions{AllowOrigins: []string{"*"}, ExposeHeaders: []string{"*"}}, request: "GET /text", lines: []string{"Origin: https://x.example"}, code: 200,
			want: map[string]string{allowOrigin: "*", "Access-Control-Expose-Headers": "*", "Vary": "", "Access-Control-Allow-Credentials": ""}},
		{name: "any origin, none sent", opts: middleware.CORSOptions{AllowOrigins: []string{"*"}}, request: "GET /text", code: 200, want: map[string]string{allowOrigin: "*", "Vary": ""}},
		{name: "any origin, preflight", opts: middleware.CORSOptions{AllowOrigins: []string{"*"}, AllowHeaders: []string{"*", "Authorization"}, AllowMethods: []string{"GET", "QUERY"}, MaxAge: -1}, request: "OPTIONS /text",
			lines: []string{"Origin: https://x.example", preflightGet}, code: 204,
			want: map[string]string{allowOrigin: "*", "Access-Control-Allow-Headers": "*, Authorization", "Access-Control-Allow-Methods": "GET, QUERY", "Access-Control-Max-Age": "0", "Vary": preflightVary}},

		{name: "private network", opts: middleware.CORSOptions{AllowOrigins: []string{"https://app.example"}, AllowPrivateNetwork: true}, request: "OPTIONS /text",
			lines: []string{"Origin: https://app.example", preflightGet, "Access-Control-Request-Private-Network: true"}, code: 204,
			want: map[string]string{"Access-Control-Allow-Private-Network": "true", "Vary": preflightVary + ", Access-Control-Request-Private-Network"}},
		{name: "private network not asked for", opts: middleware.CORSOptions{AllowOrigins: []string{"https://app.example"}, AllowPrivateNetwork: true}, request: "OPTIONS /text",
			lines: []string{"Origin: https://app.example", preflightGet}, code: 204, want: map[string]string{"Access-Control-Allow-Private-Network": ""}},
		{name: "private network not allowed", opts: some, request: "OPTIONS /text",
			lines: []string{"Origin: https://app.example", preflightGet, "Access-Control-Request-Private-Network: true"}, code: 204, want: map[string]string{"Access-Control-Allow-Private-Network": ""}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onBoth(t, func() *http.App { return corsApp(tc.opts) }, func(t *testing.T, url string) {
				ask := askAt(t, url)
				res, _ := ask(t, tc.request, tc.lines...)
				if res.StatusCode != tc.code {
					t.Errorf("%d, want %d", res.StatusCode, tc.code)
				}
				for name, want := range tc.want {
					if got := strings.Join(res.Header.Values(name), ", "); got != want {
						t.Errorf("%s: %q, want %q", name, got, want)
					}
				}
			})
		})
	}
}

// What stands in front of the domain can hide its end: each of these leads, or could be read to lead, elsewhere.
func TestCORSOriginsBelowADomain(t *testing.T) {
	app := corsApp(middleware.CORSOptions{AllowOrigins: []string{"https://*.example.com", "https://*.example.com:8443", "http://*.localhost"}})
	for origin, want := range map[string]bool{
		"https://a.example.com":               true,
		"https://a.b-c.example.com":           true,
		"https://a.example.com:8443":          true,
		"http://a.localhost":                  true,
		"https://example.com":                 false,
		"https://.example.com":                false,
		"https://a..example.com":              false,
		"https://aexample.com":                false,
		"http://a.example.com":                false,
		"https://a.example.com:9":             false,
		"https://a.example.com:443":           false,
		"https://a.example.com.evil.net":      false,
		"https://evil.net/.example.com":       false,
		"https://evil.net?.example.com":       false,
		"https://evil.net\\.example.com":      false,
		"https://evil.net:1.example.com":      false,
		"https://evil@net.example.com":        false,
		"https://a.example.com https://b.net": false,
		"https://A.EXAMPLE.COM":               false,
		"https://*.example.com":               false,
	} {
		res := inProcess(app, "GET /text", "Origin: "+origin)
		if got := res.Header.Get(allowOrigin); (got == origin) != want || !want && got != "" {
			t.Errorf("%s: %q", origin, got)
		}
	}
}

func TestCORSOptionsThatCannotBe(t *testing.T) {
	with := func(o middleware.CORSOptions) func() { return func() { middleware.CORS(o) } }
	origin := func(o string) func() { return with(middleware.CORSOptions{AllowOrigins: []string{o}}) }
	some := []string{"https://app.example"}
	mustPanic(t, map[string]func(){
		"no origins":                          with(middleware.CORSOptions{}),
		"any origin with credentials":         with(middleware.CORSOptions{AllowOrigins: []string{"https://a.example", "*"}, AllowCredentials: true}),
		"any method with credentials":         with(middleware.CORSOptions{AllowOrigins: some, AllowMethods: []string{"*"}, AllowCredentials: true}),
		"any header with credentials":         with(middleware.CORSOptions{AllowOrigins: some, AllowHeaders: []string{"*"}, AllowCredentials: true}),
		"all exposed with credentials":        with(middleware.CORSOptions{AllowOrigins: some, ExposeHeaders: []string{"*"}, AllowCredentials: true}),
		"any origin into the private network": with(middleware.CORSOptions{AllowOrigins: []string{"*"}, AllowPrivateNetwork: true}),
		"method":                              with(middleware.CORSOptions{AllowOrigins: some, AllowMethods: []string{"GET\r\nX: y"}}),
		"header":                              with(middleware.CORSOptions{AllowOrigins: some, AllowHeaders: []string{"X Token"}}),
		"path":                                origin("https://app.example/"),
		"no scheme":                           origin("app.example"),
		"capitals":                            origin("https://App.example"),
		"default port":                        origin("https://app.example:443"),
		"user":                                origin("https://me@app.example"),
		"beyond ASCII":                        origin("https://bücher.example"),
		"every host":                          origin("https://*"),
		"every host of a scheme":              origin("*://app.example"),
		"a whole top-level domain":            origin("https://*.com"),
		"below an address":                    origin("https://*.192.0.2.1"),
		"a star in the middle":                origin("https://a.*.example.com"),
	})
}

func ExampleCORS() {
	app := http.New()
	app.Use(middleware.CORS(middleware.CORSOptions{
		AllowOrigins:     []string{"https://app.example", "https://*.preview.example"},
		AllowHeaders:     []string{"Content-Type", "Authorization"},
		AllowCredentials: true,
		MaxAge:           time.Hour,
	}))
	app.Get("/{$}", func(c *http.Ctx) error { return c.Text(200, "hello") })

	for _, origin := range []string{"https://app.example", "https://pr-7.preview.example", "https://other.example"} {
		res := inProcess(app, "GET /", "Origin: "+origin)
		fmt.Printf("%s: %q\n", origin, res.Header.Get("Access-Control-Allow-Origin"))
	}
	// Output:
	// https://app.example: "https://app.example"
	// https://pr-7.preview.example: "https://pr-7.preview.example"
	// https://other.example: ""
}
