package bind

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
)

// sameKind says whether a value that begins with first is of the kind that e complains of.
func sameKind(e *json.UnmarshalTypeError, first byte) bool {
	kind, _, _ := strings.Cut(e.Value, " ")
	switch first {
	case '{':
		return kind == "object"
	case '[':
		return kind == "array"
	case '"':
		return kind == "string"
	case 't', 'f':
		return kind == "bool"
	case 'n':
		return kind == "null"
	}
	return kind == "number"
}

// typeReason says what a value should have been, in the words of JSON.
func typeReason(e *json.UnmarshalTypeError) string {
	t := e.Type
	if t == nil {
		return reasonInvalid
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(textType) {
		return reasonString
	}
	_, literal, isNumber := strings.Cut(e.Value, " ") // "number 300": a number, but not of this type
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if isWhole(literal) {
			return intRange(t.Bits())
		}
		return reasonWhole
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		if isWhole(literal) {
			return uintRange(t.Bits())
		}
		return reasonWhole
	case reflect.Float32, reflect.Float64:
		if isNumber {
			return reasonRange
		}
		return reasonNumber
	case reflect.Bool:
		return reasonBool
	case reflect.String:
		return reasonString
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return reasonBase64
		}
		return reasonArray
	case reflect.Array:
		return reasonArray
	case reflect.Map, reflect.Struct:
		return reasonObject
	}
	return reasonInvalid
}

// isBase64 says whether err comes of a string that was to be a []byte.
func isBase64(err error) bool {
	_, ok := errors.AsType[base64.CorruptInputError](err)
	return ok
}
