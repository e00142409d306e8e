package http_test

import (
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/carillon-go/carillon/http"
)

// ask has app answer one request and prints what it says.
func ask(app *http.App, method, target, contentType, body string) {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	res, err := app.Test(r)
	if err != nil {
		panic(err)
	}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%d %s\n", res.StatusCode, text)
}

// Signup is what a client sends to sign up.
type Signup struct {
	Name string `json:"name" form:"name"`
	Age  int    `json:"age" form:"age"`
}

// Validate is called by Bind when all fields could be read.
func (s *Signup) Validate() error {
	var errs http.FieldErrors
	if s.Name == "" {
		errs = append(errs, http.FieldError{Field: "name", Reason: "must not be empty"})
	}
	if s.Age < 18 {
		errs = append(errs, http.FieldError{Field: "age", Reason: "must be 18 or more"})
	}
	if errs != nil {
		return errs // a nil FieldErrors would be an error that is not nil
	}
	return nil
}

// One handler for JSON and for forms. All that is wrong is answered at once.
func ExampleCtx_Bind() {
	app := http.New()
	app.Post("/signup", func(c *http.Ctx) error {
		var in Signup
		if err := c.Bind(&in); err != nil {
			return err
		}
		return c.JSON(201, in)
	})
	ask(app, "POST", "/signup", "application/json", `{"name":"Ada","age":36}`)
	ask(app, "POST", "/signup", "application/x-www-form-urlencoded", "name=Ada&age=36")
	ask(app, "POST", "/signup", "application/json", `{"name":7,"age":"old"}`)
	ask(app, "POST", "/signup", "application/json", `{"age":7}`)
	// Output:
	// 201 {"name":"Ada","age":36}
	// 201 {"name":"Ada","age":36}
	// 422 {"detail":"2 fields are not valid","errors":[{"field":"name","reason":"must be a string"},{"field":"age","reason":"must be a whole number"}],"status":422,"title":"Unprocessable Content"}
	// 422 {"detail":"2 fields are not valid","errors":[{"field":"name","reason":"must not be empty"},{"field":"age","reason":"must be 18 or more"}],"status":422,"title":"Unprocessable Content"}
}

func ExampleQuery() {
	app := http.New()
	app.Get("/items", func(c *http.Ctx) error {
		category, err := http.Query[int](c, "category")
		if err != nil {
			return err
		}
		page, err := http.QueryOr(c, "page", 1)
		if err != nil {
			return err
		}
		return c.Text(200, fmt.Sprintf("category %d, page %d", category, page))
	})
	ask(app, "GET", "/items?category=7", "", "")
	ask(app, "GET", "/items?category=7&page=two", "", "")
	// Output:
	// 200 category 7, page 1
	// 400 {"detail":"page must be a whole number","errors":[{"field":"page","reason":"must be a whole number"}],"status":400,"title":"Bad Request"}
}

func ExampleCtx_JSON() {
	type message struct {
		Message string `json:"message"`
	}
	app := http.New()
	app.Get("/json", func(c *http.Ctx) error { return c.JSON(200, message{"Hello, World!"}) }, http.Inline)
	ask(app, "GET", "/json", "", "")
	// Output: 200 {"message":"Hello, World!"}
}

const twoParts = "--limit\r\n" +
	"Content-Disposition: form-data; name=\"title\"\r\n\r\n" +
	"Holidays\r\n" +
	"--limit\r\n" +
	"Content-Disposition: form-data; name=\"photo\"; filename=\"C:\\fakepath\\beach.png\"\r\n\r\n" +
	"PNG\r\n" +
	"--limit--\r\n"

// A form with a file, read as a whole.
func ExampleCtx_MultipartForm() {
	app := http.New()
	app.Post("/photos", func(c *http.Ctx) error {
		form, err := c.MultipartForm(http.MultipartOptions{MaxParts: 10})
		if err != nil {
			return err
		}
		photo := form.File("photo")
		if photo == nil {
			return http.NewError(400, "a photo is needed")
		}
		start := make([]byte, 3)
		if _, err := photo.Open().ReadAt(start, 0); err != nil {
			return err
		}
		return c.Text(200, fmt.Sprintf("%s: %s, %d bytes, begins with %s", form.Values.Get("title"), photo.Filename, photo.Size, start))
	}, http.MaxBody(32<<20))
	ask(app, "POST", "/photos", "multipart/form-data; boundary=limit", twoParts)
	// Output: 200 Holidays: beach.png, 3 bytes, begins with PNG
}

// The parts of an upload of any size, as they arrive: nothing is held.
func ExampleCtx_Multipart() {
	app := http.New()
	app.Post("/photos", func(c *http.Ctx) error {
		total := int64(0)
		for part, err := range c.Multipart(http.MultipartOptions{}) {
			if err != nil {
				return err
			}
			n, err := io.Copy(io.Discard, part)
			if err != nil {
				return err
			}
			total += n
		}
		return c.Text(200, fmt.Sprintf("%d bytes", total))
	}, http.StreamBody, http.MaxBody(1<<30))
	ask(app, "POST", "/photos", "multipart/form-data; boundary=limit", twoParts)
	// Output: 200 11 bytes
}

func ExampleCtx_Attachment() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "2024-05.csv")
	if err := os.WriteFile(path, []byte("a,b\n"), 0o600); err != nil {
		panic(err)
	}
	app := http.New()
	app.Get("/report", func(c *http.Ctx) error { return c.Attachment(path, "Bericht für Mai.csv") })
	app.Get("/raw", func(c *http.Ctx) error { return c.File(path) }) // conditions and ranges are seen to
	res, err := app.Test(httptest.NewRequest("GET", "/report", nil))
	if err != nil {
		panic(err)
	}
	fmt.Println(res.Header.Get("Content-Disposition"))
	r := httptest.NewRequest("GET", "/raw", nil)
	r.Header.Set("Range", "bytes=0-0")
	res, err = app.Test(r)
	body, err2 := io.ReadAll(res.Body)
	if err := errors.Join(err, err2); err != nil {
		panic(err)
	}
	fmt.Println(res.StatusCode, res.Header.Get("Content-Range"), string(body))
	// Output:
	// attachment; filename="Bericht f_r Mai.csv"; filename*=UTF-8''Bericht%20f%C3%BCr%20Mai.csv
	// 206 bytes 0-0/4 a
}
