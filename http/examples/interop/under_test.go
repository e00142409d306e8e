package interop

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/carillon-go/carillon/http"
)

// application has one of each: what people write on Carillon.
func application(left chan<- error) *http.App {
	app := http.New()
	app.Use(func(next http.Handler) http.Handler {
		return func(c *http.Ctx) error {
			if err := c.SetHeader("X-Middleware", "seen"); err != nil {
				return err
			}
			return next(c)
		}
	})
	app.Get("/hello/{name}", func(c *http.Ctx) error { return c.Text(200, "hello "+c.Param("name")+" "+c.RawQuery()) })
	app.Post("/echo", func(c *http.Ctx) error {
		body, err := c.Body()
		if err != nil {
			return err
		}
		return c.Blob(200, "application/octet-stream", body)
	})
	app.Post("/stream", func(c *http.Ctx) error {
		return c.Stream(200, "application/octet-stream", func(s *http.Stream) error {
			n, err := io.Copy(s, c.BodyReader())
			if err != nil {
				return err
			}
			return c.SetTrailer("X-Sum", fmt.Sprint(n))
		})
	}, http.StreamBody, http.MaxBody(1<<30))
	app.Get("/events", func(c *http.Ctx) error {
		return c.SSE(func(s *http.EventStream) error {
			if err := s.Send(http.Event{ID: "1", Data: "first"}); err != nil {
				return err
			}
			<-c.Done()
			left <- c.Err()
			return nil
		})
	})
	app.Get("/hints", func(c *http.Ctx) error {
		if err := c.EarlyHints("</a.css>; rel=preload"); err != nil {
			return err
		}
		return c.Text(200, "page")
	})
	app.Get("/torn", func(c *http.Ctx) error {
		return c.Stream(200, "text/plain", func(s *http.Stream) error {
			if _, err := s.WriteString("a part"); err != nil {
				return err
			}
			if err := s.Flush(); err != nil {
				return err
			}
			return errors.New("the rest is lost")
		})
	})
	app.Handle("/net/{id}", nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %d %s %v", r.Method, r.PathValue("id"), r.ContentLength, body, err)
	}))
	return app
}

// under starts s around h, with HTTP/2 over TLS when that is wanted, and returns a client for it.
func under(t testing.TB, h nethttp.Handler, http2 bool) (c *nethttp.Client, url string) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	if s.EnableHTTP2 = http2; http2 {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	c = s.Client()
	c.Timeout = patience
	t.Cleanup(c.CloseIdleConnections)
	return c, s.URL
}

// works has a client use the application at url.
func works(t *testing.T, c *nethttp.Client, url string) {
	t.Helper()
	res, body := do(t, c, request(t, "GET", url+"/hello/ada%20l?x=1", ""))
	if body != "hello ada l x=1" || res.Header.Get("X-Middleware") != "seen" || res.ContentLength != int64(len(body)) {
		t.Errorf("%q %v", body, res.Header)
	}
	if res, body := do(t, c, request(t, "HEAD", url+"/hello/ada", "")); body != "" || res.StatusCode != 200 || res.ContentLength != 10 {
		t.Errorf("HEAD: %d, length %d", res.StatusCode, res.ContentLength)
	}
	for _, unknown := range []bool{false, true} {
		req := request(t, "POST", url+"/echo", "body")
		if unknown {
			req.ContentLength = -1
		}
		if res, body := do(t, c, req); res.StatusCode != 200 || body != "body" {
			t.Errorf("echo, length unknown %v: %d %q", unknown, res.StatusCode, body)
		}
	}
	for name, tc := range map[string]struct {
		method, path, body string
		code               int
	}{
		"none":      {"GET", "/nowhere", "", 404},
		"method":    {"PUT", "/echo", "x", 405},
		"too large": {"POST", "/echo", strings.Repeat("x", 5<<20), 413},
	} {
		res, body := do(t, c, request(t, tc.method, url+tc.path, tc.body))
		if res.StatusCode != tc.code || res.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %q", name, res.StatusCode, body)
		}
	}
}

// streams has a client use what cannot be gathered on the way.
func streams(t *testing.T, c *nethttp.Client, url string, left <-chan error) {
	t.Helper()
	large := strings.Repeat("0123456789abcdef", 1<<17) // 2 MiB
	for _, unknown := range []bool{false, true} {
		req := request(t, "POST", url+"/stream", large)
		if unknown {
			req.ContentLength = -1
		}
		if res, body := do(t, c, req); body != large || res.Trailer.Get("X-Sum") != fmt.Sprint(len(large)) {
			t.Errorf("length unknown %v: %d bytes, trailers %v", unknown, len(body), res.Trailer)
		}
	}
	for _, tc := range []struct {
		body    string
		unknown bool
		want    string
	}{{"", false, "POST 7 0  <nil>"}, {"body", false, "POST 7 4 body <nil>"}, {"body", true, "POST 7 -1 body <nil>"}} {
		req := request(t, "POST", url+"/net/7", tc.body)
		if tc.unknown {
			req.ContentLength = -1
		}
		if _, body := do(t, c, req); body != tc.want {
			t.Errorf("%q, want %q", body, tc.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	res, err := c.Do(request(t, "GET", url+"/events", "").WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	r := bufio.NewReader(res.Body)
	for _, want := range []string{"id: 1\n", "data: first\n"} {
		if line, err := r.ReadString('\n'); err != nil || line != want {
			t.Fatalf("%q, %v", line, err)
		}
	}
	cancel()
	if err := await(t, "the handler hears that the client has left", left); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	torn, err := c.Get(url + "/torn")
	if err != nil {
		t.Fatal(err)
	}
	defer torn.Body.Close()
	if body, err := io.ReadAll(torn.Body); err == nil {
		t.Errorf("a part was taken for the whole: %q", body)
	}
	var links []string
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		links = append(links, fmt.Sprint(code, " ", h.Get("Link")))
		return nil
	}}
	do(t, c, request(t, "GET", url+"/hints", "").WithContext(httptrace.WithClientTrace(t.Context(), trace)))
	if len(links) != 1 || links[0] != "103 </a.css>; rel=preload" {
		t.Errorf("%q", links)
	}
}

func TestAppUnderNetHTTP(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %v", http2), func(t *testing.T) {
			left := make(chan error, 1)
			c, url := under(t, application(left), http2)
			if res, _ := do(t, c, request(t, "GET", url+"/hello/x", "")); (res.ProtoMajor == 2) != http2 {
				t.Fatal(res.Proto)
			}
			works(t, c, url)
			streams(t, c, url, left)
		})
	}
}

// Many at a time over one connection, which only HTTP/2 has.
func TestAppConcurrentlyOverHTTP2(t *testing.T) {
	c, url := under(t, application(nil), true)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			body := strings.Repeat(fmt.Sprint(i, " "), 10000)
			if _, got := do(t, c, request(t, "POST", url+"/echo", body)); got != body {
				t.Errorf("%d: %d bytes of %d", i, len(got), len(body))
			}
		})
	}
	wg.Wait()
}

func TestAppInsideChiAndStripPrefix(t *testing.T) {
	left := make(chan error, 1)
	router := chi.NewRouter()
	router.Mount("/app", nethttp.StripPrefix("/app", application(left)))
	router.Get("/app/chi/{id}", func(w nethttp.ResponseWriter, r *nethttp.Request) { io.WriteString(w, chi.URLParam(r, "id")) })
	c, url := under(t, router, false)
	works(t, c, url+"/app")
	streams(t, c, url+"/app", left)
	if _, body := do(t, c, request(t, "GET", url+"/app/chi/7", "")); body != "7" {
		t.Errorf("%q", body)
	}
}

// As a handler of chi it sees the whole path, as every handler of net/http does there.
func TestAppAsRouteOfChi(t *testing.T) {
	app := http.New()
	app.Get("/app/{id}", func(c *http.Ctx) error { return c.Text(200, c.Param("id")+" "+chi.URLParamFromCtx(c, "*")) })
	router := chi.NewRouter()
	router.Handle("/app/*", app)
	c, url := under(t, router, false)
	if _, body := do(t, c, request(t, "GET", url+"/app/7", "")); body != "7 7" {
		t.Errorf("%q", body)
	}
}

func TestAppUnderTimeoutHandler(t *testing.T) {
	left := make(chan error, 1)
	c, url := under(t, nethttp.TimeoutHandler(application(left), patience, ""), false)
	works(t, c, url)

	app := http.New()
	app.Get("/slow", func(c *http.Ctx) error {
		<-c.Done()
		left <- c.Err()
		return c.Text(200, "too late")
	})
	c, url = under(t, nethttp.TimeoutHandler(app, 20*time.Millisecond, "too slow"), false)
	if res, body := do(t, c, request(t, "GET", url+"/slow", "")); res.StatusCode != 503 || body != "too slow" {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	if err := await(t, "the handler's context", left); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
