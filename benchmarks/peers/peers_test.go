package peers_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/carillon-go/carillon/benchmarks/internal/endpoint"
	"github.com/carillon-go/carillon/benchmarks/internal/launch"
	"github.com/carillon-go/carillon/benchmarks/peers"
)

func TestParse(t *testing.T) {
	tests := []struct {
		list, want string
	}{
		{"subject", "subject"},
		{"nbio, cepoll", "nbio cepoll"},
		{strings.Join(peers.Names(), ","), strings.Join(peers.Names(), " ")},
		{"", ""},
		{"apache", ""},
		{"nbio,nbio", ""},
	}
	for _, tt := range tests {
		t.Run(tt.list, func(t *testing.T) {
			servers, err := peers.Parse(tt.list)
			var names []string
			for _, s := range servers {
				names = append(names, s.Name)
			}
			if got := strings.Join(names, " "); got != tt.want || (err != nil) != (tt.want == "") {
				t.Errorf("%q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

// Only servers that give the same answers can be compared.
func TestServersGiveTheSameAnswers(t *testing.T) {
	all, err := peers.Parse(strings.Join(peers.Names(), ","))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("STATIC_DIR", staticDir(t))
	for _, s := range all {
		t.Run(s.Name, func(t *testing.T) {
			program, err := launch.Build(t.Context(), t.TempDir(), s)
			if errors.Is(err, exec.ErrNotFound) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			server, err := launch.Start(t.Context(), s, program, launch.AnyCPU)
			if err != nil {
				t.Fatal(err)
			}
			defer server.Stop()
			if s.Has(peers.Plaintext) {
				t.Run("HTTP", func(t *testing.T) { checkAnswers(t, server) })
			}
			if s.Has(peers.Files) {
				t.Run("files", func(t *testing.T) { checkFiles(t, server) })
			}
			if s.Has(peers.Echo) {
				t.Run("echo", func(t *testing.T) { checkEcho(t, server) })
			}
			if s.Has(peers.Broadcast) {
				t.Run("broadcast", func(t *testing.T) { checkBroadcast(t, server) })
			}
		})
	}
}

type exchange struct{ method, path, body, contentType, want string }

func exchanges(s peers.Server) []exchange {
	big := strings.Repeat("0123456789abcdef", 1<<12)
	list := []exchange{{"GET", "/plaintext", "", "text/plain", endpoint.Text}}
	if !s.Has(peers.HTTP) {
		return list
	}
	return append(list,
		exchange{"GET", "/json", "", "application/json", endpoint.JSON},
		exchange{"GET", "/user/4711", "", "text/plain", "4711"},
		exchange{"POST", "/echo", "hello", "application/octet-stream", "hello"},
		exchange{"POST", "/echo", big, "application/octet-stream", big},
		exchange{"GET", "/gc", "", "", ""},
		exchange{"GET", "/api/r00", "", "text/plain", "r00"},
		exchange{"GET", "/api/r32/7", "", "text/plain", "7"},
		exchange{"GET", "/api/r17/7/items/x", "", "text/plain", "x"})
}

// sameLines says whether a short answer has the lines that all have, and no other: each
// costs. nginx and Caddy have some of their own.
func sameLines(server string, h http.Header) bool {
	return server == "nginx" || server == "caddy" || len(h) == 4 && h.Get("Content-Type") == "text/plain"
}

func checkAnswers(t *testing.T, server *launch.Server) {
	for _, e := range exchanges(server.Server) {
		got := ask(t, server, e.method, e.path, e.body)
		if got.Status != 200 || got.Body != e.want {
			t.Errorf("%s %s: %d %.40q, want 200 %.40q", e.method, e.path, got.Status, got.Body, e.want)
		}
		mediaType, _, _ := strings.Cut(got.Header.Get("Content-Type"), ";")
		if e.contentType != "" && mediaType != e.contentType {
			t.Errorf("%s %s: Content-Type %q, want %q", e.method, e.path, mediaType, e.contentType)
		}
		if e.path == "/plaintext" && !sameLines(server.Name, got.Header) {
			t.Errorf("%s %s: other lines than the others have: %v", e.method, e.path, got.Header)
		}
		if got.Header.Get("Server") == "" || e.want != "" && got.Header.Get("Content-Length") != strconv.Itoa(len(e.want)) {
			t.Errorf("%s %s: no Server or wrong Content-Length in %v", e.method, e.path, got.Header)
		}
		date, err := http.ParseTime(got.Header.Get("Date"))
		if age := time.Since(date); err != nil || age < -time.Second || age > 3*time.Second {
			t.Errorf("%s %s: Date %q is %v old (%v)", e.method, e.path, got.Header.Get("Date"), age, err)
		}
	}
	if !server.Has(peers.HTTP) {
		return
	}
	if got := ask(t, server, "GET", "/goroutines", ""); strings.Trim(got.Body, "0123456789") != "" || got.Body == "" {
		t.Errorf("/goroutines: %q", got.Body)
	}
	if got := ask(t, server, "GET", "/none", ""); got.Status != 404 {
		t.Errorf("/none: %d, want 404", got.Status)
	}
}

// ask gets one answer. An nbio that never gives it ends its test without a
// verdict: it, on a busy machine, stops answering or hangs up now and then, and
// that is its own bug, not a different answer.
func ask(t *testing.T, server *launch.Server, method, path, body string) launch.Answer {
	t.Helper()
	got, err := server.Do(t.Context(), method, path, strings.NewReader(body))
	if err != nil {
		giveUp(t, server, err)
	}
	return got
}

// giveUp ends the test of a server that gave an error instead of an answer.
func giveUp(t *testing.T, server *launch.Server, err error) {
	t.Helper()
	timeout, ok := errors.AsType[net.Error](err)
	silent := ok && timeout.Timeout() || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)
	if strings.HasPrefix(server.Name, "nbio") && silent {
		t.Skipf("no answer at all: %v", err)
	}
	t.Fatal(err)
}
