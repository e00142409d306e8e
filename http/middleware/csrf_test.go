package middleware_test

import (
	"fmt"
	nethttp "net/http"
	"net/http/httptest"
	"testing"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
)

func csrfApp(opts middleware.CSRFOptions) *http.App {
	app := http.New()
	app.Use(middleware.CSRF(opts))
	ok := func(c *http.Ctx) error { return c.Text(200, "done") }
	app.Any("/", ok)
	app.Any("/inline", ok, http.Inline)
	app.Mount("/mounted", ok)
	return app
}

func TestCSRF(t *testing.T) {
	opts := middleware.CSRFOptions{
		TrustedOrigins: []string{"https://pay.example"},
		InsecureBypass: []string{"POST /login/callback", "/hooks/{id}", "/mounted/hook"},
	}
	for _, tc := range []struct {
		name, request string
		lines         []string
		code          int
	}{
		{"GET of a foreign page", "GET /", []string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"}, 200},
		{"HEAD of a foreign page", "HEAD /", []string{"Sec-Fetch-Site: cross-site"}, 200},
		{"OPTIONS of a foreign page", "OPTIONS /", []string{"Sec-Fetch-Site: cross-site"}, 200},
		{"POST of the site itself", "POST /", []string{"Sec-Fetch-Site: same-origin"}, 200},
		{"POST by the user", "POST /", []string{"Sec-Fetch-Site: none"}, 200},
		{"POST of a foreign page", "POST /", []string{"Sec-Fetch-Site: cross-site"}, 403},
		{"inline", "POST /inline", []string{"Sec-Fetch-Site: cross-site"}, 403},
		{"POST of a neighbour", "POST /", []string{"Sec-Fetch-Site: same-site"}, 403},
		{"POST with a word we do not know", "POST /", []string{"Sec-Fetch-Site: other"}, 403},
		{"PUT", "PUT /", []string{"Sec-Fetch-Site: cross-site"}, 403},
		{"DELETE", "DELETE /", []string{"Sec-Fetch-Site: cross-site"}, 403},
		{"no browser", "POST /", nil, 200},
		{"older browser, the site itself", "POST /", []string{"Host: site.example", "Origin: https://site.example"}, 200},
		{"older browser, with a port", "POST /", []string{"Host: site.example:8443", "Origin: https://site.example:8443"}, 200},
		{"older browser, another port", "POST /", []string{"Host: site.example:8443", "Origin: https://site.example"}, 403},
		{"older browser, foreign page", "POST /", []string{"Host: site.example", "Origin: https://evil.example"}, 403},
		{"older browser, foreign page in a frame", "POST /", []string{"Host: site.example", "Origin: null"}, 403},
		{"Origin does not help against Sec-Fetch-Site", "POST /", []string{"Host: site.example", "Origin: https://site.example", "Sec-Fetch-Site: cross-site"}, 403},
		{"trusted origin", "POST /", []string{"Origin: https://pay.example", "Sec-Fetch-Site: cross-site"}, 200},
		{"trusted origin, older browser", "POST /", []string{"Origin: https://pay.example"}, 200},
		{"trusted origin by http", "POST /", []string{"Origin: http://pay.example", "Sec-Fetch-Site: cross-site"}, 403},
		{"bypass", "POST /login/callback", []string{"Sec-Fetch-Site: cross-site"}, 200},
		{"bypass of another method", "PUT /login/callback", []string{"Sec-Fetch-Site: cross-site"}, 403},
		{"bypass with a wildcard", "POST /hooks/7", []string{"Sec-Fetch-Site: cross-site"}, 200},
		{"bypass below a mount", "POST /mounted/hook", []string{"Sec-Fetch-Site: cross-site"}, 200},
		{"not what a mount makes of it", "POST /mounted/login/callback", []string{"Sec-Fetch-Site: cross-site"}, 403},
		{"bypass encoded", "POST /hook%73/7", []string{"Sec-Fetch-Site: cross-site"}, 200},
		{"a slash that is encoded is a slash", "POST /hooks/a%2Fb", []string{"Sec-Fetch-Site: cross-site"}, 403},
		{"out of the bypass", "POST /hooks/..", []string{"Sec-Fetch-Site: cross-site"}, 403},
		{"out of the bypass, encoded", "POST /hooks/%2e%2e%2f", []string{"Sec-Fetch-Site: cross-site"}, 403},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onBoth(t, func() *http.App { return csrfApp(opts) }, func(t *testing.T, url string) {
				ask := askAt(t, url)
				res, body := ask(t, tc.request, tc.lines...)
				if res.StatusCode != tc.code {
					t.Errorf("%d %q, want %d", res.StatusCode, body, tc.code)
				}
				if tc.code == 403 && body != `{"detail":"cross-origin request refused","status":403,"title":"Forbidden"}` {
					t.Errorf("%q", body)
				}
			})
		})
	}
}

// net/http is the second opinion, for every combination of what it looks at.
func TestCSRFAgreesWithNetHTTP(t *testing.T) {
	opts := middleware.CSRFOptions{TrustedOrigins: []string{"https://pay.example"}, InsecureBypass: []string{"POST /hooks/{id}", "other.example/x"}}
	theirs := nethttp.NewCrossOriginProtection()
	if err := theirs.AddTrustedOrigin(opts.TrustedOrigins[0]); err != nil {
		t.Fatal(err)
	}
	for _, pattern := range opts.InsecureBypass {
		theirs.AddInsecureBypassPattern(pattern)
	}
	app := csrfApp(opts)
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "QUERY", "TRACE", "PROPFIND"} {
		for _, site := range []string{"", "same-origin", "none", "same-site", "cross-site", "Same-Origin", "x"} {
			for _, origin := range []string{"", "null", "https://site.example", "http://site.example", "https://SITE.example", "https://site.example:8443", "https://pay.example", "https://evil.example", "%zz", "site.example"} {
				for _, target := range []string{"http://site.example/", "http://site.example/hooks/1", "http://site.example/hooks/", "http://site.example:8443/", "http://other.example/x"} {
					r := httptest.NewRequest(method, target, nil)
					for name, value := range map[string]string{"Sec-Fetch-Site": site, "Origin": origin} {
						if value != "" {
							r.Header.Set(name, value)
						}
					}
					refused := theirs.Check(r) != nil
					res, err := app.Test(r)
					if err != nil {
						t.Fatal(err)
					}
					if (res.StatusCode == 403) != refused {
						t.Errorf("%s %s, Sec-Fetch-Site %q, Origin %q: %d, net/http refuses: %v", method, target, site, origin, res.StatusCode, refused)
					}
				}
			}
		}
	}
}

func TestCSRFOptionsThatCannotBe(t *testing.T) {
	mustPanic(t, map[string]func(){
		"path":   func() { middleware.CSRF(middleware.CSRFOptions{TrustedOrigins: []string{"https://pay.example/"}}) },
		"scheme": func() { middleware.CSRF(middleware.CSRFOptions{TrustedOrigins: []string{"pay.example"}}) },
	})
	defer func() {
		if recover() == nil {
			t.Error("a malformed pattern is accepted")
		}
	}()
	middleware.CSRF(middleware.CSRFOptions{InsecureBypass: []string{"/{"}})
}

func ExampleCSRF() {
	app := http.New()
	app.Use(middleware.CSRF(middleware.CSRFOptions{}))
	app.Post("/transfer", func(c *http.Ctx) error { return c.Text(200, "done") })

	fmt.Println(inProcess(app, "POST /transfer", "Sec-Fetch-Site: same-origin").StatusCode)
	fmt.Println(inProcess(app, "POST /transfer", "Sec-Fetch-Site: cross-site").StatusCode)
	// Output:
	// 200
	// 403
}
