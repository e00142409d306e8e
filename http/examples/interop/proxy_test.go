package interop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	nethttp "net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"strings"
	"testing"

	"github.com/carillon-go/carillon/http"
)

// proxied puts a ReverseProxy on the reactor in front of backend, which runs under net/http, and returns its URL. adjust, if
// not nil, may change the proxy.
func proxied(t testing.TB, backend nethttp.Handler, adjust func(*httputil.ReverseProxy)) string {
	t.Helper()
	behind := httptest.NewServer(backend)
	t.Cleanup(behind.Close)
	target, err := url.Parse(behind.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := &nethttp.Transport{DisableCompression: true, ExpectContinueTimeout: patience}
	t.Cleanup(transport.CloseIdleConnections)
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		ErrorLog:  log.New(t.Output(), "proxy: ", 0),
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.SetXForwarded()
		},
	}
	if adjust != nil {
		adjust(proxy)
	}
	return serveHandler(t, proxy, http.MaxBody(1<<30))
}

func TestProxyPlain(t *testing.T) {
	url := proxied(t, nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		w.Header().Set("X-From", r.Header.Get("X-Forwarded-For"))
		w.WriteHeader(203)
		fmt.Fprintf(w, "%s %s %d %s", r.Method, r.RequestURI, r.ContentLength, body)
	}), nil)
	c := client(t)
	for _, tc := range []struct{ method, path, body, want string }{
		{"GET", "/a%2Fb/c?x=1&y=%20", "", "GET /a%2Fb/c?x=1&y=%20 0 "},
		{"POST", "/", "hello", "POST / 5 hello"},
		{"DELETE", "/x", "", "DELETE /x 0 "},
		{"HEAD", "/x", "", ""},
	} {
		res, body := do(t, c, request(t, tc.method, url+tc.path, tc.body))
		if res.StatusCode != 203 || body != tc.want || res.Header.Get("X-From") != "127.0.0.1" || len(res.Header["Set-Cookie"]) != 2 {
			t.Errorf("%s %s: %d %q %v", tc.method, tc.path, res.StatusCode, body, res.Header)
		}
	}
	// A body without a length is one for the backend, too.
	req := request(t, "PUT", url+"/", "")
	req.Body, req.ContentLength = io.NopCloser(strings.NewReader("in pieces")), -1
	if _, body := do(t, c, req); body != "PUT / -1 in pieces" {
		t.Errorf("%q", body)
	}
}

func TestProxyWebSocket(t *testing.T) { echoes(t, proxied(t, gorillaEcho(t), nil)) }

func TestProxyBackendIsDown(t *testing.T) {
	broken := make(chan error, 1)
	url := proxied(t, nethttp.NotFoundHandler(), func(p *httputil.ReverseProxy) {
		p.Transport = roundTripper(func(*nethttp.Request) (*nethttp.Response, error) { return nil, errors.New("down") })
		p.ErrorHandler = func(w nethttp.ResponseWriter, _ *nethttp.Request, err error) {
			broken <- err
			w.WriteHeader(502)
		}
	})
	if res, _ := get(t, url); res.StatusCode != 502 {
		t.Errorf("%d", res.StatusCode)
	}
	if err := await(t, "the proxy's error", broken); err.Error() != "down" {
		t.Error(err)
	}
}

type roundTripper func(*nethttp.Request) (*nethttp.Response, error)

func (f roundTripper) RoundTrip(r *nethttp.Request) (*nethttp.Response, error) { return f(r) }

// watchedBody says whether anybody has read it.
type watchedBody struct {
	io.Reader
	read bool
}

func (w *watchedBody) Read(p []byte) (int, error) {
	w.read = true
	return w.Reader.Read(p)
}

// RFC 9110 section 10.1.1, over two hops: the client is asked for its body when the backend wants it, and not otherwise.
func TestProxyExpectContinue(t *testing.T) {
	const size = 1 << 20
	url := proxied(t, nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/refuse" {
			w.WriteHeader(403)
			return
		}
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%d %v", n, err)
	}), nil)
	for _, tc := range []struct {
		path string
		code int
		body string
		read bool
	}{
		{"/take", 200, fmt.Sprintf("%d <nil>", size), true},
		{"/refuse", 403, "", false},
	} {
		t.Run(tc.path, func(t *testing.T) {
			body := &watchedBody{Reader: bytes.NewReader(make([]byte, size))}
			req, err := nethttp.NewRequest("PUT", url+tc.path, body)
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength = size
			req.Header.Set("Expect", "100-continue")
			res, text := do(t, client(t), req)
			if res.StatusCode != tc.code || text != tc.body {
				t.Errorf("%d %q", res.StatusCode, text)
			}
			if body.read != tc.read {
				t.Errorf("the body was read: %v", body.read)
			}
		})
	}
}

// An upload that the backend answers before it has read it does not keep the proxy, or the next request.
func TestProxyBackendAnswersEarly(t *testing.T) {
	url := proxied(t, nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(413)
	}), nil)
	for range 20 {
		c, r := dial(t, url)
		send(t, c, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nbegins")
		// What it answers with is the backend's 413 or, when the backend's reset was faster, the proxy's 502.
		if res, _ := answer(t, r, "PUT"); res.StatusCode != 413 && res.StatusCode != 502 {
			t.Fatalf("%d", res.StatusCode)
		}
		c.Close()
	}
}

func TestProxyTrailersAndEarlyHints(t *testing.T) {
	url := proxied(t, nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(103)
		w.Header().Del("Link")
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "body")
		w.Header().Set("X-Sum", "4")
		w.Header().Set(nethttp.TrailerPrefix+"X-Late", "yes")
	}), nil)
	var links []string
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		links = append(links, fmt.Sprint(code, " ", h.Get("Link")))
		return nil
	}}
	req := request(t, "GET", url, "")
	res, body := do(t, client(t), req.WithContext(httptrace.WithClientTrace(t.Context(), trace)))
	if body != "body" || res.Trailer.Get("X-Sum") != "4" || res.Trailer.Get("X-Late") != "yes" {
		t.Errorf("%q %v", body, res.Trailer)
	}
	if len(links) != 1 || links[0] != "103 </a.css>; rel=preload" || res.Header.Get("Link") != "" {
		t.Errorf("%q, and in the answer %v", links, res.Header)
	}
}
