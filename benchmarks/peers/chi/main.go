// Command chi is github.com/go-chi/chi on net/http, without middleware but for the
// Server header line, measured beside Carillon.
package main

import (
	"log"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/carillon-go/carillon/benchmarks/internal/endpoint"
	"github.com/carillon-go/carillon/benchmarks/internal/stdhandler"
)

func main() { log.Fatal(stdhandler.Serve("chi", router())) }

func router() http.Handler {
	r := chi.NewRouter()
	r.Use(named)
	r.Get("/plaintext", stdhandler.Plaintext)
	r.Get("/json", stdhandler.JSON)
	r.Post("/echo", stdhandler.Echo)
	for path, h := range stdhandler.Diagnostics() {
		r.Get(path, h)
	}
	for _, route := range endpoint.Routes() {
		r.Get(route.Path, handler(route))
	}
	return r
}

var server = []string{"chi"}

func named(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Server"] = server
		next.ServeHTTP(w, r)
	})
}

func handler(route endpoint.Route) http.HandlerFunc {
	if route.Param == "" {
		return func(w http.ResponseWriter, _ *http.Request) { stdhandler.Text(w, route.Plain) }
	}
	return func(w http.ResponseWriter, r *http.Request) { stdhandler.Text(w, chi.URLParam(r, route.Param)) }
}
