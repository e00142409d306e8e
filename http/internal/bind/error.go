package bind

import (
	"errors"
	"strings"
	"time"
)

// maxErrors is how many wrong fields one request hears of.
const maxErrors = 20

// Error says which field of a request was wrong and why. Field and Reason are fit for the client; as JSON an Error is
// one entry of the "errors" of a problem (RFC 9457 section 3).
//
// A type with its own UnmarshalText or UnmarshalJSON may return an *Error to have its Reason told to the client; of any
// other error of such a method the client hears only that the value is not valid.
type Error struct {
	Field  string `json:"field"`  // "page", "filter.min", "ids[1]", "items[2].price"; "" for the whole
	Reason string `json:"reason"` // reads well behind the field: "must be a whole number"
	Err    error  `json:"-"`      // the cause, for errors.Is and the log: it may name Go types; nil without
}

func (e *Error) Error() string {
	if e.Field == "" {
		return e.Reason
	}
	return e.Field + ": " + e.Reason
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errors is every field of a request that is wrong, in the order in which they were read, up to 20. It is never empty
// when it is returned as an error.
type Errors []Error

func (e Errors) Error() string {
	var s strings.Builder
	for i := range e {
		if i > 0 {
			s.WriteString("; ")
		}
		s.WriteString(e[i].Error())
	}
	return s.String()
}

// Unwrap returns the fields' errors, each an *Error.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i := range e {
		all[i] = &e[i]
	}
	return all
}

// What a client is told. The reasons that hold a number are made where the number is known.
const (
	reasonRequired = "is required"
	reasonWhole    = "must be a whole number"
	reasonNumber   = "must be a number"
	reasonRange    = "is out of range"
	reasonBool     = "must be true or false"
	reasonString   = "must be a string"
	reasonBase64   = "must be a base64 string"
	reasonArray    = "must be an array"
	reasonObject   = "must be an object"
	reasonDuration = "must be a duration such as 1m30s"
	reasonTime     = "must be a time such as 2006-01-02T15:04:05Z"
	reasonInvalid  = "is not valid"
	reasonUnknown  = "is unknown"
	reasonTwice    = "is given twice"
)

// methodReason is the reason for what an UnmarshalText or UnmarshalJSON, ours or theirs, returned.
func methodReason(err error) string {
	if e, ok := errors.AsType[*Error](err); ok && e.Reason != "" {
		return e.Reason
	}
	if _, ok := errors.AsType[*time.ParseError](err); ok {
		return reasonTime
	}
	return reasonInvalid
}
