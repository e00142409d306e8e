package stdhandler

import (
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"

	"github.com/carillon-go/carillon/benchmarks/internal/endpoint"
)

// Diagnostics are the endpoints that look into a server or disturb it, by their
// paths: nothing there is measured, so a framework on net/http takes them as they are.
func Diagnostics() map[string]http.HandlerFunc {
	var waits endpoint.Waits
	return map[string]http.HandlerFunc{
		"/gc":         func(http.ResponseWriter, *http.Request) { debug.FreeOSMemory() },
		"/goroutines": func(w http.ResponseWriter, _ *http.Request) { Text(w, strconv.Itoa(runtime.NumGoroutine())) },
		"/wait":       func(_ http.ResponseWriter, r *http.Request) { waits.Wait(r.Context()) },
		"/cancelled":  func(w http.ResponseWriter, _ *http.Request) { Text(w, waits.String()) },
		"/panic":      func(http.ResponseWriter, *http.Request) { panic("asked for by GET /panic") },
	}
}
