// Package bind turns what a request carries as text (query, form, path, header, JSON body) into Go values, and says of
// each field that is wrong what is wrong with it, in words that a client may read.
//
//   - Parse reads one value.
//   - Values fills a struct from named values, by its tags.
//   - JSON and ReadJSON fill anything from a JSON body.
//   - Query reads application/x-www-form-urlencoded whole, First finds one name in it.
//
// It knows no request: package http hands over strings and bytes. All functions may be called from any goroutine.
//
// A mistake of the programmer (a destination that is no pointer, a field type that no text can fill, a bad tag) panics
// the first time it is seen, whatever the client sent; a mistake of the client is an [Error] or [Errors].
package bind
