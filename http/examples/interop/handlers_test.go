package interop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	nethttp "net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func TestFileServer(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 20<<10)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "big.txt"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, files := range map[string]nethttp.Handler{
		"disk":   nethttp.FileServerFS(os.DirFS(dir)),
		"memory": nethttp.FileServerFS(fstest.MapFS{"big.txt": {Data: content, ModTime: time.Unix(1e9, 0)}}),
	} {
		t.Run(name, func(t *testing.T) {
			url := serveHandler(t, files)
			end := fmt.Sprint(len(content))
			for _, tc := range []struct {
				method, rng string
				code        int
				want        []byte
				contentRng  string
			}{
				{"GET", "", 200, content, ""},
				{"GET", "bytes=5-14", 206, content[5:15], "bytes 5-14/" + end},
				{"GET", "bytes=100000-", 206, content[100000:], fmt.Sprintf("bytes 100000-%d/%s", len(content)-1, end)},
				{"GET", "bytes=-3", 206, content[len(content)-3:], fmt.Sprintf("bytes %d-%d/%s", len(content)-3, len(content)-1, end)},
				{"HEAD", "", 200, nil, ""},
				{"GET", "bytes=9999999-", 416, []byte("invalid range: failed to overlap\n"), "bytes */" + end},
			} {
				res, body := do(t, client(t), request(t, tc.method, url+"/big.txt", "", "Range", tc.rng))
				if res.StatusCode != tc.code || body != string(tc.want) || res.Header.Get("Content-Range") != tc.contentRng {
					t.Errorf("%s %q: %d, %d bytes, %q", tc.method, tc.rng, res.StatusCode, len(body), res.Header.Get("Content-Range"))
				}
				if want := len(tc.want); tc.method == "GET" && res.ContentLength != int64(want) || tc.method == "HEAD" && res.ContentLength != int64(len(content)) {
					t.Errorf("%s %q: length %d", tc.method, tc.rng, res.ContentLength)
				}
			}
			manyRanges(t, url+"/big.txt", content)
			res, _ := get(t, url+"/big.txt")
			if res.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
				t.Errorf("%v", res.Header)
			}
			res, body := get(t, url+"/big.txt", "If-Modified-Since", res.Header.Get("Last-Modified"))
			if res.StatusCode != 304 || body != "" {
				t.Errorf("not modified: %d", res.StatusCode)
			}
			if res, body := get(t, url+"/"); res.StatusCode != 200 || !strings.Contains(body, `<a href="big.txt">`) {
				t.Errorf("listing: %d %s", res.StatusCode, body)
			}
			if res, _ := get(t, url+"/none"); res.StatusCode != 404 {
				t.Errorf("none: %d", res.StatusCode)
			}
		})
	}
}

// manyRanges asks for two ranges at once.
func manyRanges(t *testing.T, url string, content []byte) {
	t.Helper()
	res, body := get(t, url, "Range", "bytes=0-9,50000-150000")
	_, params, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil || res.StatusCode != 206 || res.ContentLength != int64(len(body)) {
		t.Fatalf("%d %v: %v", res.StatusCode, res.Header, err)
	}
	parts := multipart.NewReader(strings.NewReader(body), params["boundary"])
	for _, want := range [][]byte{content[:10], content[50000:150001]} {
		p, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(p); err != nil || !bytes.Equal(got, want) {
			t.Errorf("a part of %d bytes, want %d, %v", len(got), len(want), err)
		}
	}
}

func TestTimeoutHandler(t *testing.T) {
	release := make(chan struct{})
	late := make(chan error, 1)
	slow := nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("X-Inner", "yes")
		if r.URL.Path == "/slow" {
			<-release
			_, err := w.Write([]byte("too late"))
			late <- err
			return
		}
		io.WriteString(w, "in time")
	})
	url := serveHandler(t, nethttp.TimeoutHandler(slow, 50*time.Millisecond, "too slow"))
	c, r := dial(t, url)
	send(t, c, "GET /fast HTTP/1.1\r\nHost: h\r\n\r\n")
	if res, body := answer(t, r, "GET"); res.StatusCode != 200 || body != "in time" || res.Header.Get("X-Inner") != "yes" {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	send(t, c, "GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
	if res, body := answer(t, r, "GET"); res.StatusCode != 503 || body != "too slow" || res.Header.Get("X-Inner") != "" {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	close(release)
	if err := await(t, "the handler's late write", late); !errors.Is(err, nethttp.ErrHandlerTimeout) {
		t.Error(err)
	}
	send(t, c, "GET /fast HTTP/1.1\r\nHost: h\r\n\r\n")
	if res, body := answer(t, r, "GET"); res.StatusCode != 200 || body != "in time" {
		t.Errorf("behind it: %d %q", res.StatusCode, body)
	}
}

func TestMaxBytesHandler(t *testing.T) {
	url := serveHandler(t, nethttp.MaxBytesHandler(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, err := io.ReadAll(r.Body)
		if tooBig, ok := errors.AsType[*nethttp.MaxBytesError](err); ok {
			nethttp.Error(w, fmt.Sprint("more than ", tooBig.Limit), nethttp.StatusRequestEntityTooLarge)
			return
		}
		fmt.Fprint(w, len(body), err)
	}), 1000))
	for _, tc := range []struct {
		size, code int
		want       string
	}{{1000, 200, "1000 <nil>"}, {1001, 413, "more than 1000\n"}, {100000, 413, "more than 1000\n"}} {
		for _, chunked := range []bool{false, true} {
			req := request(t, "POST", url, strings.Repeat("x", tc.size))
			if chunked {
				req.ContentLength = -1
			}
			if res, body := do(t, client(t), req); res.StatusCode != tc.code || body != tc.want {
				t.Errorf("%d bytes, chunked %v: %d %q", tc.size, chunked, res.StatusCode, body)
			}
		}
	}
}

func TestStripPrefix(t *testing.T) {
	url := serveHandler(t, nethttp.StripPrefix("/api/", nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		io.WriteString(w, r.URL.Path+" "+r.URL.RawPath+" "+r.RequestURI)
	})))
	for path, want := range map[string]string{
		"/api/a/b?q":   "a/b  /api/a/b?q",
		"/api/a%2Fb":   "a/b a%2Fb /api/a%2Fb",
		"/other/a":     "404 page not found\n",
		"/api/%C3%A9x": "éx  /api/%C3%A9x",
	} {
		if _, body := get(t, url+path); body != want {
			t.Errorf("%s: %q, want %q", path, body, want)
		}
	}
}

func TestTrailersBothWays(t *testing.T) {
	url := serveHandler(t, nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		_, announced := r.Trailer["X-Announced"]
		body, err := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "X-Sum")
		fmt.Fprintf(w, "%s %v %v %q %q", body, err, announced, r.Trailer.Get("X-Announced"), r.Trailer.Get("X-Sudden"))
		w.Header().Set("X-Sum", fmt.Sprint(len(body)))
	}))
	for _, announce := range []string{"Trailer: X-Announced\r\n", ""} {
		c, r := dial(t, url)
		send(t, c, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n%s\r\n4\r\nbody\r\n0\r\nX-Announced: a\r\nX-Sudden: b\r\n\r\n", announce)
		res, body := answer(t, r, "POST")
		if want := fmt.Sprintf(`body <nil> %v "a" "b"`, announce != ""); body != want || res.Trailer.Get("X-Sum") != "4" {
			t.Errorf("%q, want %q; trailers %v", body, want, res.Trailer)
		}
	}
}

func TestInterimAnswers(t *testing.T) {
	url := serveHandler(t, nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.WriteHeader(102)
		w.Header().Set("Link", "</a.css>; rel=preload; as=style")
		w.WriteHeader(103)
		w.Header().Add("Link", "</b.js>; rel=preload; as=script")
		w.WriteHeader(103)
		io.WriteString(w, "page")
	}))
	var seen []string
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		seen = append(seen, fmt.Sprint(code, " ", len(h["Link"])))
		return nil
	}}
	res, body := do(t, client(t), request(t, "GET", url, "").WithContext(httptrace.WithClientTrace(t.Context(), trace)))
	if got := strings.Join(seen, ", "); got != "102 0, 103 1, 103 2" {
		t.Errorf("%s", got)
	}
	if res.StatusCode != 200 || body != "page" || len(res.Header["Link"]) != 2 {
		t.Errorf("%d %q %v", res.StatusCode, body, res.Header)
	}
}
