package stdhandler

import (
	"fmt"
	"net/http"

	"github.com/carillon-go/carillon/benchmarks/internal/endpoint"
)

// WithWebSocket is the handler of New with the two WebSocket endpoints beside it.
func WithWebSocket(server string, echo, broadcast http.HandlerFunc) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ws", echo)
	mux.HandleFunc("GET /broadcast", broadcast)
	mux.Handle("/", New(server))
	return mux
}

// Serve serves h by net/http on 127.0.0.1:$PORT until that fails, over TLS where
// endpoint.TLS says so.
func Serve(server string, h http.Handler) error {
	addr, err := endpoint.Addr()
	if err != nil {
		return fmt.Errorf("%s: %w", server, err)
	}
	s := &http.Server{Addr: addr, Handler: h}
	if s.TLSConfig, err = endpoint.TLS(); err != nil {
		return fmt.Errorf("%s: %w", server, err)
	}
	if s.TLSConfig == nil {
		return fmt.Errorf("%s: %w", server, s.ListenAndServe())
	}
	s.Protocols = new(http.Protocols)
	s.Protocols.SetHTTP1(true)
	return fmt.Errorf("%s: %w", server, s.ListenAndServeTLS("", ""))
}
