// Command echo is github.com/labstack/echo on net/http, without middleware but for
// the Server header line, measured beside Carillon.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/carillon-go/carillon/benchmarks/internal/endpoint"
	"github.com/carillon-go/carillon/benchmarks/internal/stdhandler"
)

var (
	server    = []string{"echo"}
	plaintext = []byte(endpoint.Text)
)

func main() {
	e := echo.New()
	e.Use(named)
	register(e)
	log.Fatal(stdhandler.Serve("echo", e))
}

func register(e *echo.Echo) {
	e.GET("/plaintext", func(c echo.Context) error { return c.Blob(http.StatusOK, "text/plain", plaintext) })
	e.GET("/json", message)
	e.POST("/echo", echo.WrapHandler(http.HandlerFunc(stdhandler.Echo)))
	for path, h := range stdhandler.Diagnostics() {
		e.GET(path, echo.WrapHandler(h))
	}
	for _, r := range endpoint.Routes() {
		e.GET(pattern(r.Path), route(r))
	}
}

func named(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header()["Server"] = server
		return next(c)
	}
}

// message does not use Context.JSON, which ends its answer with a line feed.
func message(c echo.Context) error {
	p, err := json.Marshal(endpoint.Message{Message: endpoint.Text})
	if err != nil {
		return err
	}
	return c.JSONBlob(http.StatusOK, p)
}

// pattern turns "/user/{id}" into echo's "/user/:id".
func pattern(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}

func route(r endpoint.Route) echo.HandlerFunc {
	if r.Param == "" {
		return func(c echo.Context) error { return c.String(http.StatusOK, r.Plain) }
	}
	return func(c echo.Context) error { return c.String(http.StatusOK, c.Param(r.Param)) }
}
