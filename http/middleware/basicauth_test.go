package middleware_test

import (
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
)

func basic(userPass string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(userPass))
}

func TestBasicAuth(t *testing.T) {
	const challenge = `Basic realm="the \"inner\" \\ door", charset="UTF-8"`
	onBoth(t, func() *http.App {
		app := http.New()
		app.Use(middleware.BasicAuthUsers(`the "inner" \ door`, map[string]string{
			"Aladdin": "open sesame", "test": "123£", "colon": "a:b", "": "nameless", "empty": "",
		}))
		app.Get("/{$}", func(c *http.Ctx) error { return c.Text(200, "user "+middleware.UserOf(c)) })
		app.Get("/inline", func(c *http.Ctx) error { return c.Text(200, "user "+middleware.UserOf(c)) }, http.Inline)
		return app
	}, func(t *testing.T, url string) {
		ask := askAt(t, url)
		for _, tc := range []struct{ name, line, user string }{ // user "-": 401
			{"RFC 7617 section 2", "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin"},
			{"RFC 7617 section 2.1, UTF-8", "Authorization: Basic dGVzdDoxMjPCow==", "test"},
			{"scheme in another case", "Authorization: bASIC QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin"},
			{"more blanks", "Authorization: Basic   QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin"},
			{"colon in the password", basic("colon:a:b"), "colon"},
			{"empty name", basic(":nameless"), ""},
			{"empty password", basic("empty:"), "empty"},
			{"none", "X: y", "-"},
			{"wrong password", basic("Aladdin:open"), "-"},
			{"another's password", basic("Aladdin:a:b"), "-"},
			{"wrong name", basic("aladdin:open sesame"), "-"},
			{"unknown name with an empty password", basic("nobody:"), "-"},
			{"no colon", basic("Aladdin"), "-"},
			{"no base64", "Authorization: Basic !!!", "-"},
			{"no padding", "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ", "-"},
			{"something behind", "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ== x", "-"},
			{"trailing bits", "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZR==", "-"},
			{"no credentials", "Authorization: Basic", "-"},
			{"another scheme", "Authorization: Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "-"},
			{"a scheme that begins alike", "Authorization: Basics QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "-"},
			{"NUL", basic("Aladdin:open sesame\x00"), "-"},
			{"Latin-1", basic("test:123\xa3"), "-"},
		} {
			for _, path := range []string{"/", "/inline"} {
				code, want := 200, "user "+tc.user
				if tc.user == "-" {
					code, want = 401, `{"status":401,"title":"Unauthorized"}`
				}
				res, body := ask(t, "GET "+path, tc.line)
				if res.StatusCode != code || body != want || (code == 401) != (res.Header.Get("WWW-Authenticate") == challenge) {
					t.Errorf("%s: %d %q %v", tc.name, res.StatusCode, body, res.Header)
				}
			}
		}
		// What the App answers itself tells a stranger nothing.
		if res, _ := ask(t, "GET /nowhere"); res.StatusCode != 401 {
			t.Errorf("404 shows through: %d", res.StatusCode)
		}
	})
}

// The user of one request is not that of the next one on the connection.
func TestBasicAuthForgetsTheUser(t *testing.T) {
	onBoth(t, func() *http.App {
		app := http.New()
		show := func(c *http.Ctx) error { return c.Text(200, middleware.UserOf(c)) }
		app.Get("/in", show, http.Inline, http.With(middleware.BasicAuth("x", func(_, password string) bool { return password == "p" })))
		app.Get("/out", show, http.Inline)
		return app
	}, func(t *testing.T, url string) {
		ask := askAt(t, url)
		if _, body := ask(t, "GET /in", basic("ada:p")); body != "ada" {
			t.Errorf("inside: %q", body)
		}
		if _, body := ask(t, "GET /out", basic("ada:p")); body != "" {
			t.Errorf("outside: %q", body)
		}
	})
}

func TestBasicAuthOptionsThatCannotBe(t *testing.T) {
	mustPanic(t, map[string]func(){
		"no check":         func() { middleware.BasicAuth("x", nil) },
		"realm":            func() { middleware.BasicAuth("x\r\nSet-Cookie: a=b", func(_, _ string) bool { return true }) },
		"no users":         func() { middleware.BasicAuthUsers("x", nil) },
		"colon in a name":  func() { middleware.BasicAuthUsers("x", map[string]string{"a:b": "c"}) },
		"control byte":     func() { middleware.BasicAuthUsers("x", map[string]string{"a": "c\n"}) },
		"password no text": func() { middleware.BasicAuthUsers("x", map[string]string{"a": "\xff"}) },
	})
}

func ExampleBasicAuth() {
	app := http.New()
	app.Use(middleware.BasicAuth("staff only", func(user, password string) bool {
		return user == "ada" && password == "lovelace" // ask a database of password hashes here
	}))
	app.Get("/{$}", func(c *http.Ctx) error { return c.Text(200, "hello, "+middleware.UserOf(c)) })

	res := inProcess(app, "GET /")
	fmt.Println(res.StatusCode, res.Header.Get("WWW-Authenticate"))
	fmt.Println(inProcess(app, "GET /", "Authorization: Basic YWRhOmxvdmVsYWNl").StatusCode)
	// Output:
	// 401 Basic realm="staff only", charset="UTF-8"
	// 200
}

// The passwords are best read from the environment or a file, not written in the program.
func ExampleBasicAuthUsers() {
	app := http.New()
	admin := app.Group("/admin", middleware.BasicAuthUsers("admin", map[string]string{"ada": "lovelace"}))
	admin.Get("/{$}", func(c *http.Ctx) error { return c.Text(200, "hello, "+middleware.UserOf(c)) })

	fmt.Println(inProcess(app, "GET /admin/").StatusCode)
	fmt.Println(inProcess(app, "GET /admin/", "Authorization: Basic YWRhOmxvdmVsYWNl").StatusCode)
	// Output:
	// 401
	// 200
}
