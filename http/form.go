package http

import (
	"net/url"

	"github.com/carillon-go/carillon/http/internal/bind"
)

// formState is what was read of a form. It stays with the request, because a body that streams is there only once.
type formState struct {
	values url.Values
	files  *Form // of multipart/form-data
	err    error
}

// FormValues returns the fields of the form in the body: of application/x-www-form-urlencoded, or those of multipart/form-data
// that are no files, which MultipartForm reads with its default options unless it has been called before. The query is not
// among them. Without a body there are none. The map is the request's, for all who ask: it is not to be changed.
//
// Errors, each to be returned by the handler: an *Error of 415 for another media type, with Accept, or another charset than
// UTF-8; of 400 for what is no such form or has more than 1,000 fields; those of PeekBody and MultipartForm.
func (c *Ctx) FormValues() (url.Values, error) {
	x := c.live()
	if s := x.form; s != nil {
		return s.values, s.err
	}
	if !c.hasBody() {
		return nil, nil
	}
	m, err := c.bodyType()
	switch {
	case err != nil || !m.isForm():
		return nil, unsupported(acceptForms)
	case m.media == multipartForm:
		_, err := c.MultipartForm(MultipartOptions{})
		if err != nil {
			return nil, err
		}
		return x.form.values, nil
	case !m.isUTF8():
		return nil, unsupported(acceptForms)
	}
	body, err := c.PeekBody()
	if err != nil {
		return nil, err
	}
	s := &formState{}
	if s.values, err = bind.Query(body, bind.QueryLimits{}); err != nil {
		s.err = bodyError(fieldErrors(nil, err))
	}
	x.form = s
	return s.values, s.err
}

// FormValue returns the first value of a field of the form, "" when it has none. Errors are those of FormValues. See also the
// function FormValue, which reads numbers and the like.
func (c *Ctx) FormValue(name string) (string, error) {
	values, err := c.FormValues()
	return values.Get(name), err
}
