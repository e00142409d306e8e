package static

import "github.com/carillon-go/carillon/http"

// change answers for the methods that are not GET and HEAD, and for HEAD of an upload that can be resumed.
func (f *Files) change(c *http.Ctx) error {
	if f.uploads != nil {
		return f.uploads.handler(c)
	}
	return cannotChange(c)
}

// cannotChange answers for what takes no uploads.
func cannotChange(c *http.Ctx) error {
	if c.Method() != "OPTIONS" {
		return notAllowed(c, readingMethods)
	}
	if err := c.SetHeader("Allow", readingMethods); err != nil { // RFC 9110 section 9.3.7
		return err
	}
	return c.NoContent(204)
}

// readingMethods are those of everything that is served, where there are no uploads.
const readingMethods = "GET, HEAD, OPTIONS"

// methods are those of a folder, of a file, and of a file that may be an upload to resume.
func (u *uploads) methods(isFolder, resumed bool) string {
	switch {
	case isFolder:
		return "GET, HEAD, POST, OPTIONS"
	case resumed:
		return "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"
	}
	return "GET, HEAD, PUT, OPTIONS"
}

// notAllowed is 405 with the Allow that belongs to it: RFC 9110 section 15.5.6.
func notAllowed(c *http.Ctx, allow string) error {
	if err := c.SetHeader("Allow", allow); err != nil {
		return err
	}
	return errMethod
}
