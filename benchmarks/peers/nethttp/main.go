// Command nethttp is Go's own HTTP server, measured beside Carillon.
package main

import (
	"log"
	"net/http"

	"github.com/carillon-go/carillon/benchmarks/internal/endpoint"
	"github.com/carillon-go/carillon/benchmarks/internal/stdhandler"
)

func main() {
	addr, err := endpoint.Addr()
	if err != nil {
		log.Fatal("nethttp: ", err)
	}
	server := &http.Server{Addr: addr, Handler: stdhandler.New("nethttp")}
	if server.TLSConfig, err = endpoint.TLS(); err != nil {
		log.Fatal("nethttp: ", err)
	}
	if server.TLSConfig != nil {
		server.Protocols = new(http.Protocols)
		server.Protocols.SetHTTP1(true)
		log.Fatal("nethttp: ", server.ListenAndServeTLS("", ""))
	}
	log.Fatal("nethttp: ", server.ListenAndServe())
}
