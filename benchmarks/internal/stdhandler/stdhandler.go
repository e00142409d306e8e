// Package stdhandler serves the measured endpoints as a net/http handler, for
// the servers that take one.
package stdhandler

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"

	"github.com/carillon-go/carillon/benchmarks/internal/endpoint"
)

// Header values as the map of a response holds them: put there as they are, they
// cost neither a look at the name nor an allocation.
var (
	textType  = []string{"text/plain"}
	jsonType  = []string{"application/json"}
	bytesType = []string{"application/octet-stream"}

	plaintext       = []byte(endpoint.Text)
	plaintextLength = []string{strconv.Itoa(len(endpoint.Text))}
)

// bodies are buffers for what /echo was sent.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

type handler struct {
	server []string // value of the Server header line
	routes *http.ServeMux
}

// New returns the handler; server is the value of its Server header line. Where
// there is $STATIC_DIR, /static/NAME is the file NAME in it.
func New(server string) http.Handler {
	h := &handler{server: []string{server}, routes: http.NewServeMux()}
	for _, r := range endpoint.Routes() {
		h.routes.HandleFunc("GET "+r.Path, route(r))
	}
	for path, f := range Diagnostics() {
		h.routes.HandleFunc("GET "+path, f)
	}
	if dir := endpoint.StaticDir(); dir != "" {
		h.routes.Handle("GET /static/", http.StripPrefix("/static", http.FileServer(http.Dir(dir))))
	}
	return h
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header()["Server"] = h.server
	switch r.URL.Path {
	case "/plaintext":
		Plaintext(w, r)
	case "/json":
		JSON(w, r)
	case "/echo":
		Echo(w, r)
	default:
		h.routes.ServeHTTP(w, r)
	}
}

// Plaintext is the handler of /plaintext.
func Plaintext(w http.ResponseWriter, _ *http.Request) {
	header := w.Header()
	header["Content-Type"], header["Content-Length"] = textType, plaintextLength
	_, _ = w.Write(plaintext)
}

// Text answers s.
func Text(w http.ResponseWriter, s string) { answer(w, textType, []byte(s)) }

// answer says the length as well: nbio would send chunks without.
func answer(w http.ResponseWriter, contentType []string, p []byte) {
	header := w.Header()
	header["Content-Type"], header["Content-Length"] = contentType, []string{strconv.Itoa(len(p))}
	_, _ = w.Write(p)
}

// JSON is the handler of /json.
func JSON(w http.ResponseWriter, _ *http.Request) {
	p, err := json.Marshal(endpoint.Message{Message: endpoint.Text})
	if err != nil {
		http.Error(w, err.Error(), 500)
		return
	}
	answer(w, jsonType, p)
}

// Echo is the handler of /echo.
func Echo(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return
	}
	body := bodies.Get().(*bytes.Buffer)
	defer bodies.Put(body)
	body.Reset()
	if _, err := body.ReadFrom(r.Body); err != nil {
		http.Error(w, err.Error(), 400)
		return
	}
	answer(w, bytesType, body.Bytes())
}

func route(r endpoint.Route) http.HandlerFunc {
	if r.Param == "" {
		return func(w http.ResponseWriter, _ *http.Request) { Text(w, r.Plain) }
	}
	return func(w http.ResponseWriter, req *http.Request) { Text(w, req.PathValue(r.Param)) }
}
