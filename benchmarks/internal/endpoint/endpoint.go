// Package endpoint is what the measured servers have in common, so that they
// differ by the server alone: the answers, the routes, and the count of handlers
// that wait for their client to leave.
package endpoint

import (
	"errors"
	"fmt"
	"os"
)

// Text is the answer of /plaintext.
const Text = "Hello, World!"

// JSON is the answer of /json, which a server encodes from a Message each time.
const JSON = `{"message":"Hello, World!"}`

// Message is what /json encodes.
type Message struct {
	Message string `json:"message"`
}

// Addr is where a server listens: 127.0.0.1:$PORT.
func Addr() (string, error) {
	port := os.Getenv("PORT")
	if port == "" {
		return "", errors.New("PORT is not set")
	}
	return "127.0.0.1:" + port, nil
}

// StaticDir is $STATIC_DIR, the folder whose files are /static/NAME; "" without one.
func StaticDir() string { return os.Getenv("STATIC_DIR") }

// Route is one of the routes that /user/{id} is found among.
type Route struct {
	Path  string // in the syntax of http.ServeMux
	Param string // name of its last parameter, whose value is the answer; "" without one
	Plain string // the answer where there is no parameter
}

// Routes are all 100.
func Routes() []Route {
	routes := []Route{{Path: "/user/{id}", Param: "id"}}
	for n := range 33 {
		name := fmt.Sprintf("r%02d", n)
		base := "/api/" + name
		routes = append(routes,
			Route{Path: base, Plain: name},
			Route{Path: base + "/{id}", Param: "id"},
			Route{Path: base + "/{id}/items/{item}", Param: "item"})
	}
	return routes
}
