package http

import (
	"bufio"
	"fmt"
	"io"
	nethttp "net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

func TestNetHTTPClient(t *testing.T) {
	addr := serve(t, &Server{Handler: echo, Loops: 2})
	transport := &nethttp.Transport{}
	defer transport.CloseIdleConnections()
	client := &nethttp.Client{Transport: transport, Timeout: patience}
	big := strings.Repeat("0123456789abcdef", 1<<15)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 8 {
				var body io.Reader = strings.NewReader(big)
				if i%2 == 0 {
					body = io.MultiReader(body) // of unknown length: chunked
				}
				res, err := client.Post(fmt.Sprintf("http://%s/%d", addr, worker), "text/plain", body)
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || string(got) != fmt.Sprintf("POST /%d %s", worker, big) {
					t.Errorf("%d bytes, %v", len(got), err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("no curl here:", err)
	}
	addr := serve(t, &Server{Handler: echo})
	run := func(stdin string, args ...string) string {
		t.Helper()
		cmd := exec.Command(curl, append([]string{"-sS", "--max-time", "20"}, args...)...)
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	url := "http://" + addr
	if got := run("", url+"/one", url+"/two"); got != "GET /one GET /two " {
		t.Error(got)
	}
	if got := run("", "-0", url+"/old"); got != "GET /old " {
		t.Error(got)
	}
	if got := run("", "-I", url+"/head"); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") {
		t.Error(got)
	}
	big := strings.Repeat("x", 2<<20)
	if got := run(big, "-H", "Expect: 100-continue", "--data-binary", "@-", url+"/expect"); got != "POST /expect "+big {
		t.Error(len(got))
	}
	if got := run(big, "-H", "Transfer-Encoding: chunked", "--data-binary", "@-", url+"/chunked"); got != "POST /chunked "+big {
		t.Error(len(got))
	}
}

// Many clients at once, on several loops, each with its own answers.
func TestManyClients(t *testing.T) {
	addr := serve(t, &Server{Handler: echo, Loops: 3})
	var wg sync.WaitGroup
	for i := range 64 {
		c := dial(t, addr)
		wg.Go(func() {
			r := bufio.NewReader(c)
			for j := range 50 {
				body := strings.Repeat(fmt.Sprint(i, j), j*20)
				if _, err := fmt.Fprintf(c, "PUT /%d/%d HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", i, j, len(body), body); err != nil {
					t.Error(err)
					return
				}
				if _, got := answer(t, r, "PUT"); got != fmt.Sprintf("PUT /%d/%d %s", i, j, body) {
					t.Errorf("client %d, request %d: %q", i, j, got)
					return
				}
			}
		})
	}
	wg.Wait()
}
