package middleware_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"reflect"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"

	"github.com/carillon-go/carillon/http"
	"github.com/carillon-go/carillon/http/middleware"
)

func pprofApp() *http.App {
	app := http.New()
	middleware.Pprof(app.Group("/debug/pprof", middleware.BasicAuthUsers("pprof", map[string]string{"ada": "p"})))
	return app
}

// ownProfile is one whose name is made for trouble. A name can be used once in a program, also by -test.count.
var ownProfile = sync.OnceValue(func() *pprof.Profile { return pprof.NewProfile("example.com/own \"profile\" <b>") })

func TestPprof(t *testing.T) {
	ownProfile().Add(t, 0)
	defer ownProfile().Remove(t)
	address := fmt.Sprintf("%#x", reflect.ValueOf(TestPprof).Pointer())
	const symbol = "http/middleware_test.TestPprof\n"
	onBoth(t, pprofApp, func(t *testing.T, url string) {
		ask := askAt(t, url)
		for _, tc := range []struct {
			request string
			code    int
			typ     string
			has     string // "gzip": a compressed profile
			file    string
		}{
			{"GET /debug/pprof", 308, "", "", ""},
			{"GET /debug/pprof/", 200, "text/html; charset=utf-8", `<a href="./goroutine?debug=1">goroutine</a>`, ""},
			{"GET /debug/pprof/", 200, "text/html; charset=utf-8", `<td>1<td><a href="./example.com/own%20%22profile%22%20%3Cb%3E?debug=1">example.com/own &#34;profile&#34; &lt;b&gt;</a>`, ""},
			{"GET /debug/pprof/heap", 200, "application/octet-stream", "gzip", `attachment; filename="heap"`},
			{"GET /debug/pprof/heap?gc=1", 200, "application/octet-stream", "gzip", `attachment; filename="heap"`},
			{"GET /debug/pprof/goroutine?debug=2", 200, "text/plain; charset=utf-8", "goroutine ", ""},
			{"GET /debug/pprof/example.com/own%20%22profile%22%20%3Cb%3E", 200, "application/octet-stream", "gzip", `attachment; filename="profile"`},
			{"GET /debug/pprof/nothing", 404, "application/problem+json", "no such profile", ""},
			{"GET /debug/pprof/heap?seconds=1", 400, "application/problem+json", "difference", ""},
			{"GET /debug/pprof/heap?debug=x", 400, "application/problem+json", "debug", ""},
			{"GET /debug/pprof/cmdline", 200, "text/plain; charset=utf-8", strings.Join(os.Args, "\x00"), ""},
			{"GET /debug/pprof/symbol?" + address, 200, "text/plain; charset=utf-8", symbol, ""},
			{"POST /debug/pprof/symbol 0x0+x+" + address, 200, "text/plain; charset=utf-8", symbol, ""},
			{"GET /debug/pprof/symbol", 200, "text/plain; charset=utf-8", "num_symbols: 1\n", ""},
			{"GET /debug/pprof/profile?seconds=0.01", 200, "application/octet-stream", "gzip", `attachment; filename="profile"`},
			{"GET /debug/pprof/profile?seconds=0", 400, "application/problem+json", "seconds", ""},
			{"GET /debug/pprof/profile?seconds=601", 400, "application/problem+json", "at most 600", ""},
			{"GET /debug/pprof/profile?seconds=NaN", 400, "application/problem+json", "seconds", ""},
			{"GET /debug/pprof/trace?seconds=0.01", 200, "application/octet-stream", "go 1.", `attachment; filename="trace"`},
			{"GET /debug/pprof/trace?seconds=-1", 400, "application/problem+json", "seconds", ""},
		} {
			res, body := ask(t, tc.request, basic("ada:p"))
			if res.StatusCode != tc.code || tc.code != 308 && res.Header.Get("Content-Type") != tc.typ || res.Header.Get("Content-Disposition") != tc.file {
				t.Errorf("%s: %d %v", tc.request, res.StatusCode, res.Header)
			}
			if tc.code == 200 && res.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: %v", tc.request, res.Header)
			}
			if tc.has == "gzip" {
				body = unzipped(t, tc.request, body)
			} else if !strings.Contains(body, tc.has) {
				t.Errorf("%s: %.200q lacks %q", tc.request, body, tc.has)
			}
			if tc.code == 200 && body == "" {
				t.Errorf("%s: nothing", tc.request)
			}
		}
	})
}

func unzipped(t *testing.T, what, body string) string {
	r, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	return string(text)
}

func TestPprofIsProtectedByItsGroup(t *testing.T) {
	onBoth(t, pprofApp, func(t *testing.T, url string) {
		ask := askAt(t, url)
		for _, path := range []string{"", "heap", "profile?seconds=0.01", "trace?seconds=0.01", "cmdline", "symbol", "example.com/own"} {
			if res, _ := ask(t, "GET /debug/pprof/"+path); res.StatusCode != 401 {
				t.Errorf("%q: %d", path, res.StatusCode)
			}
		}
		if res, _ := ask(t, "POST /debug/pprof/symbol 0x1"); res.StatusCode != 401 {
			t.Errorf("POST symbol: %d", res.StatusCode)
		}
	})
}

// The second of two CPU profiles is refused, as this one is by ours.
func TestPprofOneAtATime(t *testing.T) {
	if err := pprof.StartCPUProfile(io.Discard); err != nil {
		t.Fatal(err)
	}
	defer pprof.StopCPUProfile()
	if res := inProcess(pprofApp(), "GET /debug/pprof/profile?seconds=0.01", basic("ada:p")); res.StatusCode != 503 {
		t.Errorf("%d", res.StatusCode)
	}
}

// Whoever imports this package for a log must not have profiles on a server of his own by that.
func TestNothingOnTheDefaultServeMux(t *testing.T) {
	h, pattern := nethttp.DefaultServeMux.Handler(httptest.NewRequest("GET", "/debug/pprof/heap", nil))
	if pattern != "" {
		t.Errorf("%q is served by %T", pattern, h)
	}
}

// The tools read what we send.
func TestPprofTools(t *testing.T) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("no go command")
	}
	app := http.New()
	middleware.Pprof(app.Group("/debug/pprof"))
	url := startApp(t, app)
	tool := exec.Command(goTool, "tool", "pprof", "-top", url+"/debug/pprof/goroutine")
	tool.Env = append(os.Environ(), "PPROF_TMPDIR="+t.TempDir())
	out, err := tool.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("Type: goroutine")) {
		t.Errorf("%v: %s", err, out)
	}
}

func ExamplePprof() {
	app := http.New()
	auth := middleware.BasicAuthUsers("pprof", map[string]string{"ada": "lovelace"}) // from the environment or a file
	middleware.Pprof(app.Group("/debug/pprof", auth))

	fmt.Println(inProcess(app, "GET /debug/pprof/heap").StatusCode)
	fmt.Println(inProcess(app, "GET /debug/pprof/heap", "Authorization: Basic YWRhOmxvdmVsYWNl").StatusCode)
	// Output:
	// 401
	// 200
}
