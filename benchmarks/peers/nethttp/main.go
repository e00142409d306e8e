// Command nethttp is Go's own HTTP server, measured beside Carillon.
package main

import (
	"log"

	"github.com/carillon-go/carillon/benchmarks/internal/stdhandler"
)

func main() { log.Fatal(stdhandler.Serve("nethttp", stdhandler.New("nethttp"))) }
