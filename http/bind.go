package http

import (
	"bytes"
	"errors"
	"mime"
	"strings"

	"github.com/carillon-go/carillon/http/internal/bind"
)

// JSONOptions says what BindJSON refuses beyond what is no JSON; the zero value is the default. It has
//
//	RefuseUnknown    bool // members of an object that its struct has no field for; else they are skipped
//	RefuseDuplicates bool // a name twice in one object; else the last one counts. Costs a second pass.
//	MaxDepth         int  // arrays and objects within one another; 0 means 1,000
type JSONOptions = bind.JSONOptions

// Bind fills what dst points to from what the request carries: from the query when there is no body, as with GET; else from the
// body, by its Content-Type: JSON (application/json, or any +json) as BindJSON does, a form (urlencoded, or the fields of
// multipart/form-data) as BindForm does.
//
//	var in struct {
//		Name string `json:"name" form:"name"`
//		Age  int    `json:"age" form:"age"`
//	}
//	if err := c.Bind(&in); err != nil {
//		return err
//	}
//
// When dst has a method Validate() error, that is called last. What it returns is for the client: FieldErrors or a
// *FieldError, also several by errors.Join, name fields; an *Error is the answer as it is; of any other error the text is the
// detail of the answer.
//
// Errors, each to be returned by the handler: an *Error of 415 for another media type or another charset than UTF-8, with Accept;
// of 400 for a body that cannot be read at all, and for a query with wrong fields; of 422 for a body with wrong fields. Those of
// fields name all at once (up to 20) in the member "errors", FieldErrors. Further those of PeekBody. After an error what dst
// holds is not to be used. A dst that cannot be filled panics, as a mistake of the program.
func (c *Ctx) Bind(dst any) error {
	if !c.hasBody() {
		switch c.x.head.method {
		case "GET", "HEAD", "DELETE":
			return c.BindQuery(dst)
		}
		return NewError(400, "the request has no body")
	}
	m, err := c.bodyType()
	switch {
	case err != nil:
	case m.isJSON():
		return c.bindJSON(dst, m, JSONOptions{})
	case m.isForm():
		return c.BindForm(dst)
	}
	return unsupported("application/json, " + acceptForms)
}

// BindJSON is Bind for a body that has to be JSON, by the rules of encoding/json and those of opts.
func (c *Ctx) BindJSON(dst any, opts JSONOptions) error {
	m, err := c.bodyType()
	if err != nil || !m.isJSON() {
		return unsupported("application/json")
	}
	return c.bindJSON(dst, m, opts)
}

func (c *Ctx) bindJSON(dst any, m bodyType, opts JSONOptions) error {
	if !m.isUTF8() {
		return unsupported("application/json") // RFC 8259 section 8.1
	}
	body, err := c.PeekBody()
	if err != nil {
		return err
	}
	if len(bytes.TrimLeft(body, " \t\r\n")) == 0 {
		return NewError(400, "the request's body is empty")
	}
	if err := bind.JSON(dst, body, opts); err != nil {
		errs := fieldErrors(nil, err)
		if len(errs) == 1 && errs[0].Field == "" {
			return bodyError(errs)
		}
		return fieldsError(422, errs)
	}
	return validate(422, dst)
}

// bodyError is the answer for a body that is wrong as a whole.
func bodyError(errs FieldErrors) *Error {
	e := fieldsError(400, errs)
	e.Detail = "the request's body " + errs[0].Reason
	return e
}

// BindQuery is Bind from the query whatever the body is, into the fields of a struct that have a tag like `query:"page"`. Behind
// the name may stand required, omitempty (an empty value counts as absent) and default=value; fields may be those that Query
// reads, pointers to them, slices of them, and structs of such fields, whose tag is the prefix of their names
// ("price.min").
func (c *Ctx) BindQuery(dst any) error {
	values, err := bind.Query(c.PeekRawQuery(), bind.QueryLimits{})
	if err != nil {
		return badRequest("query", err)
	}
	return bound(400, dst, bind.Values(dst, "query", func(name string) []string { return values[name] }))
}

// BindForm is Bind for a body that has to be a form, into fields with a tag like `form:"name"`; the rest is as for BindQuery.
// Files are in MultipartForm.
func (c *Ctx) BindForm(dst any) error {
	values, err := c.FormValues()
	if err != nil {
		return err
	}
	return bound(422, dst, bind.Values(dst, "form", func(name string) []string { return values[name] }))
}

// BindPath fills fields with a tag like `path:"id"` from the wildcards of the route's pattern. It does not call Validate: it
// stands in front of a Bind that fills the rest. Error: an *Error of 400.
func (c *Ctx) BindPath(dst any) error {
	x := c.live()
	return bound(400, nil, bind.Values(dst, "path", func(name string) []string {
		if x.route.pattern.Index(name) < 0 {
			return nil
		}
		return []string{c.Param(name)}
	}))
}

// BindHeader fills fields with a tag like `header:"X-Tenant"`, where a slice gets the values of several lines. Else it is as
// BindPath.
func (c *Ctx) BindHeader(dst any) error {
	x := c.live()
	return bound(400, nil, bind.Values(dst, "header", func(name string) (values []string) {
		for _, f := range x.head.fields {
			if sameName(f.name.of(x.raw), name) {
				values = append(values, string(f.value.of(x.raw)))
			}
		}
		return values
	}))
}

// bound makes an answer of what bind.Values has returned, and else validates dst, nil for not.
func bound(code int, dst any, err error) error {
	if err != nil {
		return fieldsError(code, fieldErrors(nil, err))
	}
	return validate(code, dst)
}

// hasBody says whether the request announces a body, which may still be empty when it is chunked.
func (c *Ctx) hasBody() bool { return c.ContentLength() != 0 }

// bodyType is the media type of a body: RFC 9110 section 8.3.
type bodyType struct {
	media  string // in small letters
	params map[string]string
}

var errNoType = errors.New("http: no Content-Type")

func (c *Ctx) bodyType() (m bodyType, err error) {
	line := c.PeekHeader("Content-Type")
	switch {
	case len(line) == 0:
		return m, errNoType
	case string(line) == "application/json": // as most clients write it
		return bodyType{media: "application/json"}, nil
	}
	m.media, m.params, err = mime.ParseMediaType(string(line))
	return m, err
}

func (m bodyType) isJSON() bool {
	return m.media == "application/json" || strings.HasPrefix(m.media, "application/") && strings.HasSuffix(m.media, "+json")
}

const (
	urlencodedForm = "application/x-www-form-urlencoded"
	multipartForm  = "multipart/form-data"
	acceptForms    = urlencodedForm + ", " + multipartForm
)

func (m bodyType) isForm() bool { return m.media == urlencodedForm || m.media == multipartForm }

func (m bodyType) isUTF8() bool {
	charset, ok := m.params["charset"]
	return !ok || strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "us-ascii")
}

// unsupported is the answer for another media type: RFC 9110 section 15.5.16.
func unsupported(accept string) *Error {
	return &Error{Code: 415, Detail: "the body has to be one of: " + accept, Header: map[string]string{"Accept": accept}}
}
