// Package mux finds the pattern that a request's method, host and path match. Patterns, their precedence and their conflicts
// are those of net/http's ServeMux since Go 1.22; the package itself knows nothing of requests and answers.
//
//	var t mux.Tree[Handler]
//	p, err := mux.Parse("GET /users/{id}")
//	err = t.Add(p, showUser, "main.go:20")
//	...
//	e, ok := t.Match(method, host, path, &params)
//
// A path is matched after its percent-encoding is decoded, once, as a whole. That is the one difference of meaning to
// ServeMux, which decodes segment by segment: here "/a%2Fb" has two segments, and a {name} never holds a slash. Hence
// whoever looks at the path after the router, a rule or a file server, sees the very path that was matched.
//
// Parse refuses some patterns that ServeMux takes although no request could match them, each with the reason: see there.
package mux
