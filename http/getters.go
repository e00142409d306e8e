package http

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/carillon-go/carillon/http/internal/bind"
)

// What the functions here return is of a type T that text can be read as: a string, bool, integer, float, time.Duration ("1m30s")
// or time.Time (RFC 3339), a type whose pointer is an encoding.TextUnmarshaler, or one that is defined as one of those. They
// panic for another T, whatever the client sent. All of the text must be the value: no blanks around it, no "+" before it,
// nothing that does not fit. For many values at once, see Ctx.Bind.

// Query returns the first value of name in the request's query as a T. It reads the query as far as that, and allocates
// nothing but the value.
//
//	page, err := http.Query[int](c, "page")
//	if err != nil {
//		return err
//	}
//
// Error: an *Error of 400 when there is no such name, its value is no T or the query cannot be read; its Members have
// "errors", FieldErrors of the one.
func Query[T any](c *Ctx, name string) (T, error) {
	v, ok, err := queryValue[T](c, name)
	if err == nil && !ok {
		err = missing(name)
	}
	return v, err
}

// QueryOr is Query that returns otherwise when there is no such name. An empty value is a value.
func QueryOr[T any](c *Ctx, name string, otherwise T) (T, error) {
	v, ok, err := queryValue[T](c, name)
	if err == nil && !ok {
		return otherwise, nil
	}
	return v, err
}

func queryValue[T any](c *Ctx, name string) (v T, ok bool, err error) {
	// A view: what is decoded is a new string, and the rest is copied where T would keep it.
	text, ok, err := bind.First(textOf(c.PeekRawQuery()), name)
	if err != nil {
		return v, false, badRequest("query", err)
	}
	if !ok {
		return v, false, nil
	}
	v, err = parseView[T](name, text)
	return v, true, err
}

// QueryAll returns all values of name in the request's query, nil when there is none. Errors are those of Query, with all values
// that are no T, by names like "id[2]".
func QueryAll[T any](c *Ctx, name string) ([]T, error) {
	values, err := bind.Query(c.PeekRawQuery(), bind.QueryLimits{})
	if err != nil {
		return nil, badRequest("query", err)
	}
	return parseAll[T](name, values[name])
}

// Param returns what the wildcard of that name in the route's pattern has matched, as a T. Errors: an *Error of 400 as from
// Query, when it is no T; for a name that the pattern does not have, one that is answered by 500.
func Param[T any](c *Ctx, name string) (T, error) {
	x := c.live()
	if x.route.pattern.Index(name) < 0 {
		var zero T
		return zero, fmt.Errorf("http: the route %q has no {%s}", x.route.pattern, name)
	}
	return parseView[T](name, textOf(c.PeekParam(name)))
}

// HeaderValue returns the value of the first header line of that name as a T. Errors are those of Query.
func HeaderValue[T any](c *Ctx, name string) (T, error) {
	p := c.PeekHeader(name)
	if p == nil {
		var zero T
		return zero, missing(name)
	}
	return parseView[T](name, textOf(p))
}

// HeaderValueOr is HeaderValue that returns otherwise when there is no such line.
func HeaderValueOr[T any](c *Ctx, name string, otherwise T) (T, error) {
	if c.PeekHeader(name) == nil {
		return otherwise, nil
	}
	return HeaderValue[T](c, name)
}

// FormValue returns the first value of the field name of the form in the body, as a T. Errors are those of Query and
// Ctx.FormValues.
func FormValue[T any](c *Ctx, name string) (T, error) {
	var zero T
	values, err := c.FormValues()
	if err != nil {
		return zero, err
	}
	if list := values[name]; len(list) > 0 {
		return parse[T](name, list[0])
	}
	return zero, missing(name)
}

// FormValueOr is FormValue that returns otherwise when the form has no such field. An empty value is a value.
func FormValueOr[T any](c *Ctx, name string, otherwise T) (T, error) {
	values, err := c.FormValues()
	if err != nil {
		return otherwise, err
	}
	if list := values[name]; len(list) > 0 {
		return parse[T](name, list[0])
	}
	return otherwise, nil
}

// FormValueAll returns all values of the field name, nil when there is none. Errors are those of QueryAll and Ctx.FormValues.
func FormValueAll[T any](c *Ctx, name string) ([]T, error) {
	values, err := c.FormValues()
	if err != nil {
		return nil, err
	}
	return parseAll[T](name, values[name])
}

// parseView is parse for text that is valid only until the handler returns.
func parseView[T any](name, text string) (T, error) {
	if reflect.TypeFor[T]().Kind() == reflect.String { // all others keep nothing of the text
		text = strings.Clone(text)
	}
	return parse[T](name, text)
}

func parse[T any](name, text string) (T, error) {
	v, err := bind.Parse[T](text)
	if err != nil {
		return v, badRequest(name, err)
	}
	return v, nil
}

func parseAll[T any](name string, texts []string) ([]T, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	all := make([]T, 0, len(texts))
	var errs FieldErrors
	for i, text := range texts {
		v, err := bind.Parse[T](text)
		if err != nil {
			errs = append(errs, named(name+"["+strconv.Itoa(i)+"]", err)...)
		}
		all = append(all, v)
	}
	if len(errs) > 0 {
		return nil, fieldsError(400, errs)
	}
	return all, nil
}
