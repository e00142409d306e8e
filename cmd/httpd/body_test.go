package main

import (
	"bufio"
	"io"
	"net"
	nethttp "net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// No request that httpd serves needs a body, so none may make it hold much.
func TestBodiesAreBounded(t *testing.T) {
	const sized, chunked = "Content-Length: ", "Transfer-Encoding: chunked"
	tests := []struct {
		name, method string
		framing      string
		sent         string // of the body; the server must not wait for more
		status       int
	}{
		{"POST without a body", "POST", "", "", 405},
		{"POST of a form", "POST", sized + "5", "a=b&c", 405},
		{"POST at the bound", "POST", sized + strconv.Itoa(maxBody), strings.Repeat("x", maxBody), 405},
		{"POST beyond it", "POST", sized + strconv.Itoa(maxBody+1), "", 413},
		{"POST of 4 MiB", "POST", sized + strconv.Itoa(4<<20), "", 413},
		{"POST that asks first", "POST", sized + strconv.Itoa(4<<20) + "\r\nExpect: 100-continue", "", 413},
		{"POST of chunks beyond it", "POST", chunked, strconv.FormatInt(maxBody+1, 16) + "\r\n", 413},
		{"GET with a small body", "GET", sized + "5", "a=b&c", 200},
		{"GET with a large body", "GET", sized + strconv.Itoa(maxBody+1), "", 413},
	}
	for what, args := range map[string][]string{
		"folder": {"-l", "127.0.0.1:0", site(t, map[string][]byte{"index.html": []byte("<p>hello")})},
		"demo":   {"demo", "-l", "127.0.0.1:0"},
	} {
		p := start(t, args...)
		for _, tt := range tests {
			t.Run(what+", "+tt.name, func(t *testing.T) {
				conn, err := net.Dial("tcp", p.address())
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(patience))
				head := tt.method + " / HTTP/1.1\r\nHost: x\r\n"
				if tt.framing != "" {
					head += tt.framing + "\r\n"
				}
				if _, err := io.WriteString(conn, head+"\r\n"+tt.sent); err != nil {
					t.Fatal(err)
				}
				res, err := nethttp.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				want := tt.status
				if what == "folder" && tt.framing == chunked {
					want = 405 // which needs no look at the body; a demo's is received first
				}
				if res.StatusCode != want {
					t.Errorf("status %d, want %d", res.StatusCode, want)
				}
				if res.StatusCode == 405 && !strings.HasPrefix(res.Header.Get("Allow"), "GET, HEAD") {
					t.Errorf("405 with Allow %q", res.Header.Get("Allow"))
				}
			})
		}
	}
}
