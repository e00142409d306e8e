package interop

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	nethttp "net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"testing"
)

// Each event reaches the client before the backend makes the next: nothing on the way gathers them.
func TestProxyEventsAtBackendsPace(t *testing.T) {
	const events = 50
	pace, left := make(chan struct{}), make(chan error, 1)
	url := proxied(t, nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.(nethttp.Flusher).Flush()
		for i := range events {
			<-pace
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(nethttp.Flusher).Flush()
		}
		<-r.Context().Done()
		left <- r.Context().Err()
	}), nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	res, err := client(t).Do(request(t, "GET", url, "").WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	r := bufio.NewReader(res.Body)
	for i := range events {
		pace <- struct{}{}
		line, err := r.ReadString('\n')
		if blank, _ := r.ReadString('\n'); err != nil || line != fmt.Sprintf("data: %d\n", i) || blank != "\n" {
			t.Fatalf("event %d: %q, %v", i, line, err)
		}
	}
	cancel()
	if err := await(t, "the backend hears that the client has left", left); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// noise is a stream of bytes that do not repeat.
func noise() io.Reader { return rand.NewChaCha8([32]byte{1}) }

func TestProxyLargeDownload(t *testing.T) {
	url := proxied(t, nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		size, err := strconv.ParseInt(r.URL.Path[len("/length/"):], 10, 64)
		if err != nil {
			t.Error(err)
		}
		if strings.HasPrefix(r.URL.Path, "/length/") {
			w.Header().Set("Content-Length", fmt.Sprint(size))
		}
		if _, err := io.CopyN(w, noise(), size); err != nil {
			t.Errorf("backend: %v", err)
		}
	}), nil)
	for _, tc := range []struct {
		path   string
		size   int64
		length int64
	}{{"/length/", 100 << 20, 100 << 20}, {"/pieces/", 10 << 20, -1}} {
		want, have := sha256.New(), sha256.New()
		if _, err := io.CopyN(want, noise(), tc.size); err != nil {
			t.Fatal(err)
		}
		res, err := client(t).Get(fmt.Sprint(url, tc.path, tc.size))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		n, err := io.Copy(have, res.Body)
		if err != nil || n != tc.size || !bytes.Equal(have.Sum(nil), want.Sum(nil)) || res.ContentLength != tc.length {
			t.Errorf("%s: %d bytes of %d, length %d, %v", tc.path, n, tc.size, res.ContentLength, err)
		}
	}
}

func TestProxyLargeUpload(t *testing.T) {
	const size = 10 << 20
	want := sha256.New()
	if _, err := io.CopyN(want, noise(), size); err != nil {
		t.Fatal(err)
	}
	url := proxied(t, nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		have := sha256.New()
		if _, err := io.Copy(have, r.Body); err != nil {
			t.Errorf("backend: %v", err)
		}
		fmt.Fprintf(w, "%d %x", r.ContentLength, have.Sum(nil))
	}), nil)
	for _, length := range []int64{size, -1} {
		req := request(t, "PUT", url, "")
		req.Body, req.ContentLength = io.NopCloser(io.LimitReader(noise(), size)), length
		if _, body := do(t, client(t), req); body != fmt.Sprint(length, " ", hex.EncodeToString(want.Sum(nil))) {
			t.Errorf("length %d: %s", length, body)
		}
	}
}

// A backend that is lost in the middle of its answer must not look like one that has ended it.
func TestProxyBackendDies(t *testing.T) {
	for _, length := range []string{"1000", ""} {
		for _, flushEach := range []bool{false, true} {
			t.Run(fmt.Sprintf("length %q, flushed %v", length, flushEach), func(t *testing.T) {
				url := proxied(t, nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
					if length != "" {
						w.Header().Set("Content-Length", length)
					}
					io.WriteString(w, "a part")
					w.(nethttp.Flusher).Flush()
					panic(nethttp.ErrAbortHandler)
				}), func(p *httputil.ReverseProxy) {
					if flushEach {
						p.FlushInterval = -1
					}
				})
				c := client(t)
				for range 3 {
					res, err := c.Get(url)
					if err != nil {
						continue // the whole of the answer was lost: the client knows as well
					}
					body, err := io.ReadAll(res.Body)
					res.Body.Close()
					if err == nil {
						t.Errorf("a part was taken for the whole: %d %q", res.StatusCode, body)
					}
				}
			})
		}
	}
}
