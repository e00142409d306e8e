// Package interop proves, by its tests alone, that code written for net/http runs under Carillon, and Carillon under net/http:
// over real sockets, with the packages that people have in their programs.
//
//   - metrics_test.go: Prometheus' handler
//   - websocket_test.go: gorilla/websocket, by Hijack
//   - proxy_test.go, proxy_stream_test.go: httputil.ReverseProxy in front of a server of net/http
//   - chi_test.go: chi's router and its middleware
//   - middleware_test.go: rs/cors and OpenTelemetry around handlers of ours
//   - handlers_test.go, controller_test.go, leftover_test.go: what net/http itself brings, and goroutines that outlive a handler
//   - sketch_test.go: the program of the design, which has all of it in one App
//   - under_test.go: an App as a handler of net/http, over HTTP/1.1 and HTTP/2
package interop
