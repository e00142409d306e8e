package http

import (
	"errors"
	"fmt"

	"github.com/carillon-go/carillon/http/internal/bind"
)

// FieldError is one thing that is wrong with what a client sent. It has
//
//	Field  string // "page", "filter.min", "ids[1]", "items[2].price"; "" for the whole
//	Reason string // for the client; reads well behind the field: "must be a whole number"
//	Err    error  // the cause, never sent; nil without
//
// and is, as JSON, one of the "errors" of a problem: {"field":"page","reason":"must be a whole number"}. A *FieldError is an
// error: a Validate method may return it, and so may an UnmarshalText or UnmarshalJSON, whose Reason then reaches the client.
type FieldError = bind.Error

// FieldErrors is a list of FieldError, and an error itself.
type FieldErrors = bind.Errors

// fieldsError is the answer for fields that are wrong.
func fieldsError(code int, errs FieldErrors) *Error {
	detail := fmt.Sprintf("%d fields are not valid", len(errs))
	if len(errs) == 1 {
		detail = errs[0].Reason
		if errs[0].Field != "" {
			detail = errs[0].Field + " " + detail
		}
	}
	return &Error{Code: code, Detail: detail, Err: errs, Members: map[string]any{"errors": errs}}
}

// badRequest is fieldsError of 400 for an error of package bind that names no field: it gets name.
func badRequest(name string, err error) *Error { return fieldsError(400, named(name, err)) }

func missing(name string) *Error {
	return fieldsError(400, FieldErrors{{Field: name, Reason: "is required"}})
}

// named returns the errors in err, those without a field as those of name.
func named(name string, err error) FieldErrors {
	errs := fieldErrors(nil, err)
	for i := range errs {
		if errs[i].Field == "" {
			errs[i].Field = name
		}
	}
	return errs
}

// fieldErrors appends every FieldError in err, which may be joined or wrapped.
func fieldErrors(errs FieldErrors, err error) FieldErrors {
	switch e := err.(type) {
	case *FieldError:
		return append(errs, *e)
	case FieldErrors:
		return append(errs, e...)
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			errs = fieldErrors(errs, inner)
		}
	case interface{ Unwrap() error }:
		return fieldErrors(errs, e.Unwrap())
	}
	return errs
}

// validate asks dst whether it is valid. Error: an *Error, of code unless Validate has said otherwise.
func validate(code int, dst any) error {
	v, ok := dst.(interface{ Validate() error })
	if !ok {
		return nil
	}
	err := v.Validate()
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if errs := fieldErrors(nil, err); len(errs) > 0 {
		return fieldsError(code, errs)
	}
	return &Error{Code: code, Detail: err.Error(), Err: err}
}
